"""A user's float32 table becomes the codes of `quantize`, whatever the block; bad files are one sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from alpt_ref import QuantSpec, quantize
from alpt_ref.errors import InputError
from alpt_ref.serving import source
from alpt_ref.serving import table as table_module
from alpt_ref.serving.import_table import quantize_file
from tests.serving.helpers import same_bits


@pytest.fixture
def weights() -> Any:
    return (np.random.default_rng(0).standard_normal((137, 5)) * 0.02).astype(np.float32)


@pytest.mark.parametrize("rows", [1, 10, 1000])
@pytest.mark.parametrize("rounding", ["dr", "sr"])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_codes_are_those_of_quantize_for_any_block(
    bits: int, rounding: str, rows: int, weights: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "BLOCK_BYTES", rows * 20)
    np.save(tmp_path / "w.npy", weights)
    facts = quantize_file(tmp_path / "w.npy", tmp_path / "out", bits=bits, rounding=rounding, step_size=0.004, seed=7)
    table = source.load(tmp_path / "out").table
    codes = quantize(weights, 0.004, QuantSpec(bits, rounding), seed=7)
    assert np.array_equal(table.codes(0, 137), codes)
    gap = (codes * np.float32(0.004)).astype(np.float64) - weights
    assert facts["max_abs"] == np.abs(gap).max()
    assert facts["rms"] == pytest.approx(math.sqrt(np.square(gap).mean()), rel=1e-12)
    x = weights / np.float32(0.004)
    spec = QuantSpec(bits)
    assert facts["clipped_share"] == ((x > spec.q_max + 0.5) | (x < spec.q_min - 0.5)).mean()
    assert facts["table_bytes"] == 137 * math.ceil(5 * bits / 8) + 4 == table.nbytes()


@pytest.mark.parametrize("rounding", ["dr", "sr"])
def test_step_of_the_largest_weight_of_a_row(rounding: str, weights: NDArray[np.float32], tmp_path: Path) -> None:
    weights[3] = 0.0
    weights[4] *= np.float32(1e-42)  # subnormal: the step size stays positive
    np.save(tmp_path / "w.npy", weights)
    facts = quantize_file(tmp_path / "w.npy", tmp_path / "out", bits=4, rounding=rounding, step_size="rowmax")
    table = source.load(tmp_path / "out").table
    assert table.step_size is not None
    largest = np.abs(weights).max(axis=1)
    usual = largest > 1e-30
    np.testing.assert_allclose(table.step_size[usual] * 7, largest[usual], rtol=1e-6)
    assert facts["clipped_share"] == 0.0
    gap = np.abs(table.lookup(np.arange(137)) - weights)
    limit = table.step_size * (0.5 if rounding == "dr" else 1.0)
    assert (gap[usual] <= 1.00001 * limit[usual, None]).all()
    assert (table.lookup(np.array([3])) == 0).all()
    assert table.step_size[3] == 1.0


def test_lsq_step(weights: NDArray[np.float32], tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", weights)
    quantize_file(tmp_path / "w.npy", tmp_path / "out", bits=8)
    table = source.load(tmp_path / "out").table
    expected = 2 * np.abs(weights).astype(np.float64).mean() / math.sqrt(127)
    assert same_bits(table.step_size, np.array([expected], np.float32))


@pytest.mark.parametrize("layout", ["fortran", "big-endian", "tensor", "one of two"])
def test_other_layouts_give_the_same_table(layout: str, weights: NDArray[np.float32], tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", weights)
    quantize_file(tmp_path / "plain.npy", tmp_path / "plain", bits=8)
    path, tensor = tmp_path / "other.npy", None
    if layout == "fortran":
        np.save(path, np.asfortranarray(weights))
    elif layout == "big-endian":
        np.save(path, weights.astype(">f4"))
    else:
        path = tmp_path / "other.safetensors"
        more = {"b": np.zeros(3, np.float32)} if layout == "one of two" else {}
        save_file({"a": weights, **more}, path)
        tensor = "a" if more else None
    quantize_file(path, tmp_path / "other", bits=8, tensor=tensor)
    plain, other = (source.load(tmp_path / name).table for name in ("plain", "other"))
    assert np.array_equal(plain.data, other.data)
    assert same_bits(plain.step_size, other.step_size)


def bad(kind: str, path: Path, weights: NDArray[np.float32]) -> None:
    """Write a file that must be refused."""
    if kind == "pickle":
        np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    elif kind == "float64":
        np.save(path, weights.astype(np.float64))
    elif kind == "one dimension":
        np.save(path, weights[0])
    elif kind == "no rows":
        np.save(path, weights[:0])
    elif kind == "cut off":
        np.save(path, weights)
        path.write_bytes(path.read_bytes()[:-7])
    elif kind == "text":
        path.write_text("0.1 0.2\n" * 20)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "archive":
        with path.open("wb") as stream:
            np.savez(stream, a=weights)
    else:
        weights[130, 2] = {"nan": np.nan, "inf": -np.inf}[kind]
        np.save(path, weights)


@pytest.mark.parametrize("step", ["lsq", "rowmax", 0.1])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pickle", "pickled objects, which are never loaded"),
        ("text", "no array, or pickled objects"),
        ("float64", "must hold float32, got float64"),
        ("one dimension", r"must hold a table \(n, d\).*got shape \(5,\)"),
        ("no rows", r"must hold a table \(n, d\).*got shape \(0, 5\)"),
        ("cut off", "is no .npy file of numbers"),
        ("empty", "is empty or cut off"),
        ("archive", "is an archive of several arrays"),
        ("nan", "must be finite, got nan at row 130, column 2"),
        ("inf", "must be finite, got -inf at row 130, column 2"),
    ],
)
def test_bad_files_are_one_sentence_and_leave_nothing(
    kind: str, message: str, step: Any, weights: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "BLOCK_BYTES", 400)
    bad(kind, tmp_path / "w.npy", weights)
    with pytest.raises(InputError, match=message):
        quantize_file(tmp_path / "w.npy", tmp_path / "out", step_size=step)
    assert [path.name for path in tmp_path.iterdir()] == ["w.npy"]


@pytest.mark.parametrize("step", ["lsq", "rowmax"])
def test_weights_so_large_that_a_code_has_no_finite_value_are_refused(
    step: str, weights: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "BLOCK_BYTES", 400)
    weights[130] = 3.4e38  # a 127th of it is the step size, code -128 beyond float32
    if step == "lsq":
        weights[:] = 3.4e38
    np.save(tmp_path / "w.npy", weights)
    with pytest.raises(InputError, match=r"must be at most .* or code -.* has an infinite value") as caught:
        quantize_file(tmp_path / "w.npy", tmp_path / "out", step_size=step)
    assert str(caught.value).endswith(" at row 130") == (step == "rowmax")
    with pytest.raises(InputError, match=r"LSQ step size must be finite and positive in float32|at most .* at 2 bits"):
        quantize_file(tmp_path / "w.npy", tmp_path / "out", step_size=step, bits=2)
    assert [path.name for path in tmp_path.iterdir()] == ["w.npy"]


def test_weights_far_beyond_a_step_size_are_clipped(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.full((2, 2), 3e38, np.float32))
    facts = quantize_file(tmp_path / "w.npy", tmp_path / "q", bits=4, step_size=0.1)
    assert facts["clipped_share"] == 1.0


def test_an_older_result_survives_a_bad_file(weights: NDArray[np.float32], tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", weights)
    quantize_file(tmp_path / "w.npy", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    bad("nan", tmp_path / "w.npy", weights)
    with pytest.raises(InputError):
        quantize_file(tmp_path / "w.npy", tmp_path / "out", step_size="rowmax")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert json.loads(before["export.json"])["to"] == "quantised"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 3}, "bits must be 2, 4, 8 or 16"),
        ({"rounding": "up"}, "rounding must be"),
        ({"step_size": "mean"}, "step_size must be lsq, rowmax or a number above 0, got 'mean'"),
        ({"step_size": "-1"}, "step_size must be finite and positive, got -1.0"),
        ({"step_size": "nan"}, "step_size must be finite and positive"),
        (
            {"step_size": 1e37},
            r"step_size must be at most 2\.658456e\+36 at 8 bits, or code -128 has",
        ),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"tensor": "a"}, "--tensor belongs to .safetensors files"),
    ],
)
def test_bad_arguments(options: Any, message: str, weights: NDArray[np.float32], tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", weights)
    with pytest.raises(InputError, match=message):
        quantize_file(tmp_path / "w.npy", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_bad_tensor_files(weights: NDArray[np.float32], tmp_path: Path) -> None:
    save_file({"a": weights, "b": weights.astype(np.float16)}, tmp_path / "w.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 50)
    (tmp_path / "x.pt").write_bytes(b"")
    np.save(tmp_path / "zero.npy", 0 * weights)
    for name, tensor, message in (
        ("w.safetensors", None, "holds 2 tensors; choose one with --tensor: a, b"),
        ("w.safetensors", "c", "--tensor c is not in"),
        ("w.safetensors", "b", "must hold float32, got F16"),
        ("x.safetensors", None, "no readable safetensors"),
        ("x.pt", None, r"must end in .npy or .safetensors"),
        ("absent.npy", None, "does not exist"),
        ("zero.npy", None, "--step-size lsq needs weights that are not all zero"),
    ):
        with pytest.raises(InputError, match=message):
            quantize_file(tmp_path / name, tmp_path / "out", tensor=tensor)
    assert not (tmp_path / "out").exists()
