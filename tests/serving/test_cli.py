"""The verbs export, predict and quantize: what they print, and one sentence with status 2 for every mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.cli import main
from alpt_ref.serving import export
from tests.serving.helpers import N, dataset, saved


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the command line in an empty folder; (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(args)
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return call


@pytest.mark.parametrize("verb", ["export", "pack", "predict", "quantize"])
def test_help_loads_nothing_heavy(verb: str) -> None:
    code = (
        f"import sys\nfrom alpt_ref.cli import main\ntry:\n    main(['{verb}', '--help'])\nexcept SystemExit as stop:\n"
        "    assert not stop.code\n"
        "assert not {'numba', 'numpy', 'pyarrow', 'torch', 'onnx', 'safetensors'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: alpt-ref {verb}" in done.stdout


def test_export_prints_how_near_the_values_are(run: Any, tmp_path: Path) -> None:
    saved(tmp_path / "run", bits=4)
    status, out, err = run("export", "run", "--to", "fbgemm", "--output", "out")
    facts = export(tmp_path / "run", "fbgemm", tmp_path / "again")
    assert (status, len(err.splitlines())) == (0, 1)
    assert err.startswith("next, ")
    assert out.splitlines() == [
        f"table: {N:,} rows of 3, 4-bit, {N * 2 + 4 * N:,} bytes",
        f"values: are float16(step_size) * code: at most {facts['max_abs']:.3g} and, relatively, "
        f"{facts['max_rel']:.3g} off table.lookup",
        "it lacks a vocabulary and a schema, for made up has ids alone",
        *(f"wrote out/{name} ({entry['bytes']:,} bytes)" for name, entry in facts["files"].items()),
    ]
    assert list(facts["files"]) == ["table.safetensors", "README.md", "model.safetensors", "model.py"]
    assert "It lacks a vocabulary and a schema" in (tmp_path / "out" / "README.md").read_text()
    assert run("export", "run", "--to", "fbgemm", "--output", "out", "--quiet") == (0, "", "")


def test_export_to_onnx_names_its_scope(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    saved(tmp_path / "run")
    status, out, _ = run("export", "run", "--to", "onnx", "--output", "out")
    assert status == 0
    assert "scope: table and dcn model\n" in out


def test_quantize_prints_error_and_bytes(run: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.array([[0.5, -1.0], [0.25, 4.0]], np.float32))
    status, out, _ = run("quantize", "w.npy", "--bits", "4", "--step-size", "0.5", "--output", "out")
    assert status == 0
    assert out.splitlines() == [  # 0.25 rounds up to 0.5, 4.0 is cut to 3.5
        "table: 2 rows of 2, 4-bit dr, step size 0.5",
        "error: largest 0.5, rms 0.279508, 25 % clipped",
        "bytes: 6 instead of 16 (2.67x smaller)",
        "wrote out/table.safetensors",
    ]
    assert run("export", "out", "--to", "torch", "--output", "torch", "--quiet") == (0, "", "")


def test_predict_prints_what_was_scored(run: Any, tmp_path: Path) -> None:
    saved(tmp_path / "run", fingerprint=dataset().fingerprint)
    dataset().save(tmp_path / "store")
    status, out, _ = run("predict", "run", "--data", "store", "--threads", "1", "--output", "p.csv")
    assert status == 0
    assert out.startswith("5 rows, ")
    assert "% of ids out of vocabulary; no AUC (labels of one class), logloss " in out
    assert out.endswith("wrote p.csv\n")
    assert (tmp_path / "p.csv").read_text().startswith("row,label,probability\n0,0,0.")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("export run --output out", "Missing option '--to'"),
        ("export run --to torch", "Missing option '--output'"),
        ("export run --to pickle --output out", "Invalid value for '--to'"),
        ("export absent --to torch --output out", "absent does not exist"),
        ("export . --to torch --output out", "holds no checkpoint"),
        ("export run --to torch --output occupied", "output folder occupied is a file"),
        ("export run --to torch --wide --output out", "--wide belongs to --to fbgemm"),
        ("export run --to fbgemm --output out", "this one has 16"),
        ("quantize occupied --output out", "must end in .npy or .safetensors"),
        ("quantize absent.npy --output out", "file absent.npy does not exist"),
        ("quantize occupied --bits 5 --output out", "bits must be 2, 4, 8 or 16, got 5"),
        (
            "quantize occupied --step-size big --output out",
            "step_size must be lsq, rowmax or a number above 0, got 'big'",
        ),
        ("quantize occupied --rounding up --output out", "Invalid value for '--rounding'"),
        ("predict run --output p.csv", "give one of FILE, --data, --criteo, --avazu and --libfm, got none"),
        ("predict run --data a --libfm b --output p.csv", "got --data, --libfm"),
        ("predict absent --data occupied --output p.csv", "absent holds no checkpoint"),
        ("predict run --data absent --output p.csv", "absent does not exist"),
        ("predict run --libfm occupied --output p.csv", "no vocabulary of categories"),
        ("predict run --data absent --threads 0 --output p.csv", "Invalid value for '--threads'"),
        ("predict run --libfm occupied --part test --output p.csv", "part must be all"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(args: str, message: str, run: Any, tmp_path: Path) -> None:
    saved(tmp_path / "run", bits=16)
    (tmp_path / "occupied").write_text("mine\n")
    status, out, err = run(*args.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("Error: ")
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["occupied", "run"]
    assert (tmp_path / "occupied").read_text() == "mine\n"


def test_the_step_size_option_works_under_its_former_name(run: Any) -> None:
    np.save("w.npy", np.eye(2, dtype=np.float32))
    assert run("quantize", "w.npy", "--step", "0.5", "--output", "former", "--quiet")[0] == 0
    assert run("quantize", "w.npy", "--step-size", "0.5", "--output", "now", "--quiet")[0] == 0
    assert Path("former/table.safetensors").read_bytes() == Path("now/table.safetensors").read_bytes()
