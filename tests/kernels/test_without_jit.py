"""``NUMBA_DISABLE_JIT=1``, for debuggers and coverage: plain Python gives the bits of the compiled code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import hashlib
import numpy as np
from alpt_ref import QuantSpec, RunConfig, quantize, synthetic_clicks
from alpt_ref.training.train import train

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in arrays)).hexdigest()[:12]

w = np.random.default_rng(0).normal(size=(30, 13)).astype(np.float32)
for bits in (2, 4, 8, 16):
    for rounding in ("sr", "dr"):
        print(bits, rounding, digest(quantize(w, 0.07, QuantSpec(bits, rounding), seed=3, counter=5)))
data = synthetic_clicks(rows=500, fields=3, features=50, seed=1)
base = RunConfig().replace("model", kind="logistic", dim=1)
base = base.replace("train", batch_size=100, epochs=1, milestones=())
for method in ("fp32", "lpt", "alpt", "hashing", "pruning", "pact", "lsq"):
    result = train(base.replace("table", method=method, bits=4, optimizer="adam"), data)
    state = result.table.state()
    print(method, digest(*(state[name] for name in sorted(state))), repr(result.test_logloss))
"""


def output(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_plain_python_gives_the_compiled_bits() -> None:
    compiled = output()
    assert len(compiled.splitlines()) == 15
    assert output(NUMBA_DISABLE_JIT="1") == compiled
