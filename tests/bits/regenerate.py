"""Write the digests of the present bits, or compare them with those of any checkout.

    python -m tests.bits.regenerate                              # write digests.json
    python -m tests.bits.regenerate --because "SENTENCE"         # write it although bits have changed
    python -m tests.bits.regenerate --check [--root CHECKOUT]    # compare; status 1 and one line for each difference

The sentence must stand in CHANGELOG.md under "Changed bits". What depends on the kernels of BLAS or NumPy is computed
for all that this processor has instructions for; digests of others are dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WIDE, HALF = "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3"
KERNELS: tuple[dict[str, str], ...] = (
    *({"OPENBLAS_CORETYPE": kernel} for kernel in ("SkylakeX", "Haswell", "Zen", "Nehalem")),
    {"NPY_DISABLE_CPU_FEATURES": WIDE},
    {"NPY_DISABLE_CPU_FEATURES": f"{WIDE} {HALF}"},
)
"""Environments that make OpenBLAS and NumPy take the kernels of other processors."""


def main() -> int:
    """Parse, compute, compare or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="checkout whose package is computed (default: the present one)")
    parser.add_argument("--check", action="store_true", help="compare with digests.json and write nothing")
    parser.add_argument("--because", metavar="SENTENCE", help="why bits have changed, as in CHANGELOG.md")
    parser.add_argument("--dependent", action="store_true", help=argparse.SUPPRESS)  # print what depends on kernels
    options = parser.parse_args()
    if options.root is not None:
        sys.path.insert(0, str(options.root.resolve()))
    from tests.bits import corpus
    from tests.bits.places import checkout

    if options.root is not None and checkout() != options.root.resolve():
        raise SystemExit(f"alpt_ref was imported from {checkout()}, not from {options.root.resolve()}")
    found = corpus.compute(case for case in corpus.all_cases() if case.depends or not options.dependent)
    if options.dependent:
        print(json.dumps(found))
        return 0
    before, changes = corpus.stored() if corpus.FILE.exists() else ({}, [])
    lines = [
        line
        for machine, cases in found.items()
        for name, digests in cases.items()
        for line in corpus.differences(name, before.get(machine, {}).get(name), digests)
    ]
    if options.check:
        print("\n".join([*lines, f"{checkout()}: {sum(map(len, found.values()))} cases, {len(lines)} differences"]))
        return 1 if lines else 0
    changed = [line for line in lines if " was " in line or "no longer" in line]
    if changed and not options.because:
        print("\n".join([*changed, 'bits have changed: say why with --because "SENTENCE", as in CHANGELOG.md']))
        return 1
    for environment in KERNELS:
        found |= _elsewhere(environment)
    content = {"changes": [*changes, options.because] if changed else changes, "digests": found}
    corpus.FILE.write_text(json.dumps(content, indent=1) + "\n")
    print("\n".join(f"{len(cases):4d} cases of {machine}" for machine, cases in found.items()))
    return 0


def _elsewhere(environment: dict[str, str]) -> dict[str, Any]:
    """The cases that depend on kernels, computed by a process that takes other ones."""
    command = [sys.executable, "-m", "tests.bits.regenerate", "--dependent"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        print(f"{environment} cannot be computed here (status {done.returncode}): {done.stderr}", file=sys.stderr)
        return {}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
