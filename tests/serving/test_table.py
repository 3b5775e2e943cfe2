"""A table cut down to what serving needs answers lookups with the bits of the trained one, in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from alpt_ref.errors import InputError
from alpt_ref.serving import safetensors
from alpt_ref.serving import table as table_module
from alpt_ref.serving.container import tensor_file
from alpt_ref.serving.table import ServingTable
from tests.serving.helpers import BITS, WIDTHS, N, same_bits, trained


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("bits", BITS)
def test_a_stored_table_comes_back_and_looks_up_the_same_bits(
    bits: int, d: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "BLOCK_BYTES", 40 * d)  # many blocks, the last one short
    table, serving = trained(bits, d)
    ids = np.random.default_rng(0).integers(0, N, 300)
    safetensors.write(serving, tmp_path)
    back = safetensors.read(tmp_path / safetensors.FILE)
    assert same_bits(serving.lookup(ids), table.lookup(ids))
    assert same_bits(back.lookup(ids), table.lookup(ids))
    assert np.array_equal(back.data, serving.data)
    stored = load_file(tmp_path / safetensors.FILE)
    assert sum(array.nbytes for array in stored.values()) == serving.nbytes()


@pytest.mark.parametrize("granularity", ["row", "field", "table"])
def test_step_sizes_of_rows_fields_and_tables(granularity: str, tmp_path: Path) -> None:
    table, serving = trained(4, 5, granularity)
    assert serving.granularity == granularity
    safetensors.write(serving, tmp_path)
    back = safetensors.read(tmp_path / safetensors.FILE)
    assert back.granularity == granularity
    assert same_bits(back.lookup(np.arange(N)), table.lookup(np.arange(N)))


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_the_stored_codes_are_what_the_metadata_say(bits: int, tmp_path: Path) -> None:
    table, serving = trained(bits, 7)
    safetensors.write(serving, tmp_path)
    codes = load_file(tmp_path / safetensors.FILE)["codes"]
    unpacked = codes
    if bits < 8:  # by hand: low bits first, two's complement
        digits = [int(byte) >> shift & (2**bits - 1) for byte in codes.reshape(-1) for shift in range(0, 8, bits)]
        signed = [digit - 2**bits if digit >= 2 ** (bits - 1) else digit for digit in digits]
        unpacked = np.array(signed).reshape(N, -1)[:, :7]
    assert np.array_equal(unpacked, table.codes())


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        safetensors.read(path)
    path.write_bytes(b"not at all")
    with pytest.raises(InputError, match="no readable safetensors file"):
        safetensors.read(path)
    with tensor_file(path, {"codes": ("|i1", (2, 2))}, {"format": "other"}) as file:
        file.append("codes", np.zeros((2, 2), np.int8))
    with pytest.raises(InputError, match="no table of this package"):
        safetensors.read(path)
    wrong = safetensors.metadata_of(3, 2, 8, {})  # three rows announced, two held
    with tensor_file(path, {"codes": ("|i1", (2, 2)), "step_size": ("<f4", (1,))}, wrong) as file:
        file.append("codes", np.zeros((2, 2), np.int8))
        file.append("step_size", np.ones(1, np.float32))
    with pytest.raises(InputError, match="does not hold what its metadata say"):
        safetensors.read(path)


@pytest.mark.parametrize("size", [1, 3])
def test_a_file_appears_only_when_it_is_whole(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match=r"missing|more rows"), tensor_file(path, {"x": ("<f4", (2, 1))}, {}) as file:
        file.append("x", np.zeros((size, 1), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit_are_refused() -> None:
    words, step = np.zeros((4, 2), np.uint32), np.ones(4, np.float32)
    ServingTable(8, 8, words, step)
    for d, bits, data, steps in (
        (9, 8, words, step),  # two words hold eight codes
        (8, 8, words.astype(np.int32), step),
        (8, 8, words, None),
        (8, 8, words, np.zeros(4, np.float32)),
        (8, 8, words, np.ones(3, np.float32)),  # neither rows nor fields
        (8, 8, words[:0], step[:0]),
        (8, 5, words, step),
    ):
        with pytest.raises(InputError):
            ServingTable(d, bits, data, steps)
