"""The lines of the command that measures on two GPUs, from files as they are written."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.benchmarks.two_gpus import read, verdicts

KEPT = Path(__file__).parents[2] / "analysis" / "results" / "ranks"


def test_each_number_that_was_asked_for_has_its_line(tmp_path: Path) -> None:
    case = {"samples_per_s": 1.0, "bytes_a_sample": 99.6, "counted_as_by_hand": True}
    of = {"LPT, fast, tf32": case, "weak scaling": {"LPT, tf32": {"fast": 1.72, "ordered": 1.69}}}
    (tmp_path / "speed.json").write_text(json.dumps({"samples": {"65536": of}}))
    big = {"rows": 2 * 10**9, "table_bytes_a_gpu": 68e9, "used_bytes_a_gpu": 71e9, "moved": True}
    found = list(verdicts(read(tmp_path / "speed.json"), read(tmp_path / "none.json"), {"big": [big]}))
    assert found == [
        "65,536 samples a rank, LPT, tf32, fast: 1.72 of one GPU, 1.7 wanted: reached",
        "65,536 samples a rank, LPT, tf32, ordered: 1.69 of one GPU, 1.7 wanted: MISSED",
        "65,536 samples a rank, LPT, fast, tf32: 100 bytes a sample, as computed by hand",
        "2,000,000,000 rows on GPU 0: 68.0 GB of table, 71.0 GB in use, moved",
    ]


def test_what_is_kept_can_be_read() -> None:
    said = list(verdicts(read(KEPT / "training.json"), read(KEPT / "torch.json"), {}))
    assert any(", fast: " in line for line in said)
    assert any("PyTorch" in line for line in said)
