"""A packed run: what serving needs of a finished one, sealed like a checkpoint, in one small folder.

``packed.json`` (`MARKER`) holds configuration, schema and facts, with size and SHA-256 of every other file and a
checksum of its own; ``table.safetensors`` codes and step sizes (or float32 weights), ``model.safetensors`` the
backbone, ``vocabulary.safetensors`` the categories. No optimiser state, no history, no earlier states: it answers, and
cannot be trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from alpt_ref._util import folders, sealed
from alpt_ref._util.outputs import check_output_folder
from alpt_ref._version import __version__
from alpt_ref.errors import InputError
from alpt_ref.serving.raw_rows import vocabulary_of
from alpt_ref.serving.source import serving_table
from alpt_ref.serving.vocabulary_file import kind_of
from alpt_ref.training.checkpoint import PACKED, Checkpoint, read_checkpoint
from alpt_ref.training.config_io import from_file, require_own_names

MARKER = PACKED
FORMAT, VERSION = "alpt-ref packed run", 1
PARTS = ("table", "model", "vocabulary")
KEPT = (
    *("step", "epoch", "n", "d", "fields", "dataset", "fingerprint", "field_names", "field_sizes", "encoder", "unseen"),
    *("slots", "versions"),
)
"""Facts about the run that scoring reads, or that say where it comes from."""


def pack(run: str | Path, output: str | Path) -> dict[str, Any]:
    """Write what serving needs of a run.

    Parameters
    ----------
    run : path
        Output folder of a run (its tested state), or a checkpoint's folder.
    output : folder
        Appears whole; one that holds a packed run is replaced, any other must be absent or empty.

    Returns
    -------
    dict
        ``files``: size and SHA-256 by name; ``bytes`` of all of them, ``run_bytes`` of what the run's checkpoint has in
        files, ``table`` in words, ``lacks``: None, or what is not there for the run has none.

    Raises
    ------
    InputError
        There is no run, it does not carry its vocabulary and its store is gone, or the folder cannot be written or
        holds something else. Nothing has been written then.

    Examples
    --------
    >>> import tempfile
    >>> from alpt_ref import RunConfig, synthetic_clicks, train
    >>> from alpt_ref.serving import Scorer, pack
    >>> folder = Path(tempfile.mkdtemp())
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", epochs=1, batch_size=200)
    >>> data = synthetic_clicks(rows=1000, fields=3, features=60, seed=1)
    >>> result = train(config, data, output=folder / "run")
    >>> sorted(pack(folder / "run", folder / "small")["files"])
    ['model.safetensors', 'packed.json', 'table.safetensors']
    >>> Scorer(folder / "small").score(data.ids[:2]).shape
    (2,)
    """
    target = check_output_folder(output)
    _require_free(target)
    if (Path(run) / MARKER).is_file():
        raise InputError(f"{run} is a packed run already; copy its folder")
    checkpoint = read_checkpoint(run)
    content = _stripped(checkpoint)
    groups = {part: {k: sealed.storable(k, v) for k, v in content.part(part).items()} for part in PARTS}
    plain = sealed.plain_json({"config": msgspec.to_builtins(content.config), "meta": content.meta})
    try:
        with folders.new_folder(target) as scratch:
            files = {
                f"{part}.safetensors": sealed.write_arrays(scratch / f"{part}.safetensors", arrays)
                for part, arrays in groups.items()
                if arrays
            }
            about = {"format": FORMAT, "version": VERSION, "alpt_ref": __version__}
            sealed.write_json(scratch / MARKER, {**about, **plain, "files": files})
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{output} cannot be written ({reason}); nothing is left there, choose another") from None
    return {
        "files": {**files, MARKER: {"bytes": (target / MARKER).stat().st_size}},
        "bytes": sum(one.stat().st_size for one in target.iterdir()),
        "run_bytes": sum(array.nbytes for array in checkpoint.arrays.values()),
        "table": repr(serving_table(content)),
        "lacks": None if groups["vocabulary"] else "a vocabulary, for the run was trained on ids alone",
    }


def read(folder: Path) -> Checkpoint:
    """The packed run in a folder, every checksum verified, as a checkpoint that can only be served.

    Raises
    ------
    InputError
        It is damaged, or of another format version.
    """
    with _damaged(folder):
        manifest = sealed.read_json(folder, MARKER)
        if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
            found = f"{manifest.get('format')!r}, version {manifest.get('version')!r}"
            raise InputError(
                f"{folder / MARKER} is no packed run that this release reads ({found}); pack the run again"
            )
        sealed.verify_json(MARKER, manifest)
        require_own_names(manifest.get("config"), str(folder / MARKER))
        config = from_file(manifest["config"], str(folder / MARKER))
        arrays: dict[str, NDArray[Any]] = {}
        for part in PARTS:
            if (entry := manifest["files"].get(f"{part}.safetensors")) is not None:
                stored = sealed.read_arrays(folder, f"{part}.safetensors", entry)
                arrays |= {f"{part}/{name}": array for name, array in stored.items()}
        lengths = arrays.pop("vocabulary/category_lengths", None)
        if lengths is not None:
            offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
            arrays["vocabulary/category_offsets"] = offsets
        return Checkpoint(config, arrays, manifest["meta"])


def _stripped(checkpoint: Checkpoint) -> Checkpoint:
    """Table, backbone and vocabulary alone, with the facts that scoring reads."""
    table, meta = serving_table(checkpoint), checkpoint.meta
    parts = {"data": table.data, "step_size": table.step_size, "bias": table.bias}
    arrays: dict[str, NDArray[Any]] = {f"table/{name}": array for name, array in parts.items() if array is not None}
    arrays |= {f"model/{name}": array for name, array in checkpoint.part("model").items()}
    if checkpoint.vocabulary is not None or meta.get("encoder") is not None:
        vocabulary = vocabulary_of(checkpoint, None)
        arrays["vocabulary/category_bytes"] = vocabulary.category_bytes
        arrays["vocabulary/category_lengths"] = np.diff(vocabulary.category_offsets).astype(np.uint32)
    info = meta.get("info", {})
    kept = {name: meta[name] for name in KEPT if name in meta}
    kept["info"] = {name: info[name] for name in ("schema", "encoding") if name in info}
    kept["info"]["source"] = {"kind": kind_of(info)}
    kept["packed"] = {"bits": table.bits, "about": table.about}
    return Checkpoint(checkpoint.config, arrays, kept)


def _require_free(target: Path) -> None:
    """`InputError` unless the folder is absent or empty, or holds a packed run."""
    if target.is_dir() and any(target.iterdir()) and not (target / MARKER).is_file():
        raise InputError(f"output folder {target} holds other files; choose another with --output")


@contextmanager
def _damaged(folder: Path) -> Iterator[None]:
    """Every failure of reading becomes one sentence."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = getattr(error, "strerror", None) or f"{error}" or type(error).__name__
        raise InputError(f"packed run {folder} is damaged ({what}); pack the run again") from None


def describe(facts: Mapping[str, Any]) -> list[str]:
    """What `pack` did, in lines."""
    lines = [f"table: {facts['table'].removeprefix('ServingTable').strip('()')}"]
    if facts["lacks"]:
        lines.append(f"it lacks {facts['lacks']}")
    return [*lines, f"{facts['bytes']:,} bytes of {facts['run_bytes']:,}"]
