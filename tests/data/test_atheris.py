"""The readers under coverage-guided fuzzing, in the nightly profile and where atheris is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_fuzz import GOOD
from .test_fuzz_schema import GOOD as MORE

ROWS = {
    **GOOD,
    **{kind: rows for kind, rows in MORE.items() if kind != "text"},
    "text": ["y,a,b,c,w\n" + "\n".join(MORE["text"])],
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "nightly", reason="needs HYPOTHESIS_PROFILE=nightly"),
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris (pip install atheris)"),
]
RUNS = 20_000


@pytest.mark.parametrize("kind", ROWS)
def test_no_bytes_crash_a_reader_or_lose_a_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for number, line in enumerate(ROWS[kind]):
        (tmp_path / "corpus" / str(number)).write_text(line + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.data.atheris_target", kind, str(tmp_path), f"-runs={RUNS}", "-timeout=20"]
    command += ["-seed=1", "-max_len=2000", f"-artifact_prefix={tmp_path}/", str(tmp_path / "corpus")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr
