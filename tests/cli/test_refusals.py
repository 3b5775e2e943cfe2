"""Bad input to every verb: status 2, one sentence on stderr that says what is wrong, and no file made or changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from tests.cli.calls import SMALL, TINY, Caller

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "option": (("compare", "--colour"), "No such option"),
    "bits": (("train", "--set", "table.bits=3"), "table.bits must be 2, 4, 8 or 16, got 3"),
    "setting": (("train", "--set", "table.bit=4"), "unknown setting 'table.bit'"),
    "not a number": (("train", "--set", "table.lr=nan"), "table.lr must be a finite number above 0"),
    "no data": (("train", "--data", "nowhere"), "nowhere"),
    "a list of bits": (("compare", "--bits", "8,5", "--quiet"), "table.bits must be 2, 4, 8 or 16, got 5"),
    "no store": (("data", "info", "nowhere"), "nowhere"),
    "nothing to encode": (("data", "encode", "--output", "out"), "nothing to encode"),
    "empty file": (("data", "encode", "--criteo", "empty.txt", "--output", "out"), "empty.txt"),
    "short row": (("data", "encode", "--criteo", "short.txt", "--output", "out"), "line 301"),
    "label": (("data", "encode", "--libfm", "label2.txt", "--output", "out"), "line 301"),
    "file cut off": (("data", "encode", "--criteo", "cut.txt.gz", "--output", "out"), "cut.txt.gz"),
    "another run": (
        ("train", "--data", "store", *SMALL, "--set=table.bits=2", "--output", "run", "--quiet"),
        "holds a run with another configuration",
    ),
    "resume what": (("train", "--resume"), "resume needs an output folder"),
    "no run to go on from": (("train", "--data", "store", "--init-from", "nowhere"), "nowhere holds no finished run"),
    "no new rows": (("train", "--init-from", "run"), "--init-from run needs new rows"),
    "another table": (
        ("train", "--data", "store", "--init-from", "run", "--set", "table.bits=8"),
        "table.bits must be 4 as in the run that is continued, got 8",
    ),
    "another schema": (
        ("train", "--input", "criteo.txt", "--schema", "criteo", "--init-from", "run"),
        "--schema must be left out with --init-from",
    ),
    "eviction alone": (("train", "--data", "store", "--evict-after", "3"), "--evict-after needs a run to go on from"),
    "no claims": (("verify", "--claims", "nowhere"), "--claims nowhere is not a folder"),
    "nothing to export": (("export", "absent", "--to", "torch", "--output", "out"), "absent"),
    "another export": (("export", "run", "--to", "fbgemm", "--output", "export-torch", "--quiet"), "export-torch"),
    "nothing to pack": (("pack", "store", "--output", "out"), "store holds no checkpoint"),
    "a pack in a run": (("pack", "run", "--output", "run/x"), "run, which belongs to alpt-ref"),
    "a pack as a file": (("pack", "run", "--output", "m.safetensors"), "must be a folder, got 'm.safetensors'"),
    "a pack over an export": (("pack", "run", "--output", "export-torch"), "holds other files"),
    "no clicks": (("predict", "run", "--libfm", "w.npy", "--output", "out.csv", "--quiet"), "w.npy"),
    "objects": (("quantize", "objects.npy", "--output", "out", "--quiet"), "objects.npy"),
    "a study's data": (("reproduce", "--preset", "criteo"), "--preset criteo needs"),
    "no table": (("reproduce", "--only", "nothing"), "nothing"),
    "an export in a run": (("export", "run", "--to", "torch", "--output", "run/x"), "run, which belongs to alpt-ref"),
    "codes in a store": (("quantize", "w.npy", "--output", "store/q"), "store, which belongs to alpt-ref"),
    "an export as a file": (("export", "run", "--to", "onnx", "--output", "m.onnx"), "must be a folder, got 'm.onnx'"),
    "codes as a stream": (("quantize", "w.npy", "--output", "-"), "the result is a folder"),
    "speeds in a run": (("bench", "--output", "run/b.json"), "run, which belongs to alpt-ref"),
    "speeds as text": (("bench", "--output", "b.csv"), "must end in .json"),
    "an empty option": (("train", "--data", "store", "--output", ""), "--output is empty"),
    "an empty option =": (("compare", "--quick", "--output="), "--output is empty"),
    "an empty argument": (("data", "info", ""), "an argument is empty"),
    "raw options": (
        ("train", "--data", "store", "--min-count", "3"),
        "--min-count is about raw files, which --data does",
    ),
    "no results": (("figures",), "no stored results in runs/verify"),
    "no figures": (("figures", "--figures", "nowhere"), "--figures nowhere is not a folder"),
}


def digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_one_sentence_and_changes_nothing(what: str, run: Caller, workshop: Path) -> None:
    arguments, message = REFUSED[what]
    before = digests(workshop)
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Error: "), done.err
    assert done.err.count("\n") == 1, done.err
    assert message in done.err
    assert digests(workshop) == before


@pytest.mark.parametrize("verb", [("train", *TINY), ("verify",), ("bench",), ("compare", *TINY)])
def test_a_gpu_that_is_not_there_is_one_sentence(verb: tuple[str, ...], run: Caller, tmp_path: Path) -> None:
    try:
        get_backend("cuda")
    except InputError:
        pass
    else:
        pytest.skip("there is a GPU here")
    done = run(*verb, "--device", "cuda")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("Error: device 'cuda' needs ")
    assert list(tmp_path.iterdir()) == []
