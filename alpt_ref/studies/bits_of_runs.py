"""With which libraries the runs of a table were trained, in words: what their bits are, and whether they are mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from alpt_ref.studies.cell_code import LIBRARIES

FORMER = "bits of version 0.1"
"""Of cells that releases 0.1 and 0.2 wrote: they do not say which libraries they were trained with."""


def bits_in_words(runs: Iterable[Mapping[str, str]]) -> str:
    """One sentence on the versions that runs carry; "" for no runs. Runs of different libraries are counted apart.

    Parameters
    ----------
    runs : the versions of each run by library, empty for a run of release 0.1 or 0.2

    Examples
    --------
    >>> new = {"alpt_ref": "0.3.0", "numpy": "2.4.6", "scipy": "1.17.1", "numba": "0.68.1", "blas": "openblas 0.3 Zen"}
    >>> bits_in_words([new, new])
    'Trained with alpt_ref 0.3.0, numpy 2.4.6, scipy 1.17.1, numba 0.68.1, matrix products by openblas 0.3 Zen.'
    >>> bits_in_words([{}, {}])
    'Trained by an earlier release (bits of version 0.1), which did not record its libraries.'
    >>> bits_in_words([{}, new])[:87]
    'MIXED BITS, so that differences are not of methods alone: 1 run by an earlier release ('
    """
    counted: Counter[tuple[str, ...]] = Counter()
    packages: dict[tuple[str, ...], set[str]] = {}
    for versions in runs:
        key = tuple(versions.get(name, "?") for name in LIBRARIES) if versions else ()
        counted[key] += 1
        packages.setdefault(key, set()).add(versions.get("alpt_ref", "?"))
    if not counted:
        return ""
    told = {key: _told(key, packages[key]) for key in sorted(counted)}
    if len(told) == 1:
        (key,) = told
        return f"Trained {told[key]}{'' if key else ', which did not record its libraries'}."
    parts = [f"{counted[key]} run{'s' if counted[key] > 1 else ''} {text}" for key, text in told.items()]
    return f"MIXED BITS, so that differences are not of methods alone: {'; '.join(parts)}."


def _told(key: tuple[str, ...], packages: set[str]) -> str:
    if not key:
        return f"by an earlier release ({FORMER})"
    names = ("numpy", "scipy", "numba", "matrix products by")
    libraries = ", ".join(f"{name} {version}" for name, version in zip(names, key, strict=True))
    return f"with alpt_ref {' and '.join(sorted(packages))}, {libraries}"
