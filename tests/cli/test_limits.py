"""At the edges of what may come in: ids and sizes beyond 2**31, arrays of any byte order and layout, folders that
cannot be used. Right numbers or one sentence, never a wrong number."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import make_table
from alpt_ref.data import ClickDataset
from alpt_ref.errors import CacheWarning, InputError
from alpt_ref.kernels import cache
from alpt_ref.kernels import jit as _jit
from alpt_ref.quantizer import dequantize, quantize
from alpt_ref.serving import export
from alpt_ref.serving.table import ServingTable
from alpt_ref.training.metrics import auc, logloss
from tests.serving.helpers import saved
from tests.tables.helpers import arrays, build, same

# --- ids and sizes beyond 2**31 ---------------------------------------------------------------------------------------

LARGE = 2**31 + 8
TOP = 2**32 - 1
"""The most ids that a store may have."""


def low_precision(n: int, rounding: str, **options: Any) -> Any:
    """A table of zeros with one step size, of which the system lends no page before it is touched."""
    options |= {"init_std": 0.0, "init_step": 0.01, "granularity": "table", "optimizer": "sgd", "lr": 0.1}
    try:
        return make_table("lpt", n, 4, bits=8, rounding=rounding, **options)
    except MemoryError:
        pytest.skip("needs 9 GB of address space")


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.uint64])
def test_a_table_trains_rows_beyond_2_to_the_31(dtype: Any) -> None:
    """As a small table trains its own: nearest rounding does not depend on the number of the row."""
    large, small = low_precision(LARGE, "dr"), low_precision(5, "dr")
    rows = np.array([0, 2**31 - 1, 2**31, LARGE - 1], np.uint64)
    grads = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    places = [3, 1, 2, 3, 0, 1]
    ids = rows[places].astype(dtype)
    for _ in range(2):
        large.apply_gradients(ids, grads)
        small.apply_gradients(np.array(places), grads)
    found = large.lookup(rows.astype(dtype))
    assert np.array_equal(found, small.lookup(np.arange(4)))
    assert (found != 0).any(axis=1).all()
    untouched = np.array([1, 2**31 - 2, 2**31 + 1, LARGE - 2], np.uint64).astype(dtype)
    assert not large.lookup(untouched).any()
    before = found.copy()
    for wrong in (LARGE, TOP):
        with pytest.raises(InputError, match=rf"ids must be in \[0, {LARGE}\), got {wrong}"):
            large.apply_gradients(np.array([0, wrong], np.uint64).astype(dtype), grads[:2])
    assert np.array_equal(large.lookup(rows.astype(dtype)), before)


def test_negative_ids_do_not_become_large_ones() -> None:
    with pytest.raises(InputError, match="got -2147483648"):
        low_precision(LARGE, "sr").lookup(np.array([5, -(2**31)], np.int32))


def test_rows_that_agree_in_31_bits_draw_words_of_their_own() -> None:
    large = low_precision(LARGE, "sr")
    ids = np.array([3, 2**31 + 3])
    for _ in range(8):
        large.apply_gradients(ids, np.full((2, 4), 0.0437, np.float32))
    low, high = large.lookup(ids)
    assert not np.array_equal(low, high)


def test_a_served_table_beyond_2_to_the_31_rows(tmp_path: Path) -> None:
    try:
        words = np.zeros((LARGE, 1), np.uint32)
    except MemoryError:
        pytest.skip("needs 9 GB of address space")
    words[2**31 + 5] = 0x04030201
    served = ServingTable(4, 8, words, np.ones(1, np.float32))
    assert served.lookup(np.array([2**31 + 5, 5, 2**31 - 1], np.uint32)).tolist() == [[1, 2, 3, 4], [0] * 4, [0] * 4]
    with pytest.raises(InputError, match=rf"ids must be in \[0, {LARGE}\), got {LARGE}"):
        served.lookup([LARGE])


def wide(ids: list[list[int]], sizes: tuple[int, ...] = (2**31, 2**31 - 1)) -> ClickDataset:
    rows = len(ids)
    split = (np.arange(rows) % 3).astype(np.uint8)
    return ClickDataset("wide", np.array(ids, np.uint32), np.zeros(rows, np.uint8), split, ("a", "b"), sizes)


def test_a_store_with_every_id_that_uint32_has(tmp_path: Path) -> None:
    clicks = wide([[0, 2**31], [2**31 - 1, TOP - 1], [5, 2**31 + 1]])
    assert clicks.n == TOP
    assert clicks.field_offsets.tolist() == [0, 2**31, TOP]
    clicks.save(tmp_path / "store")
    opened = ClickDataset.open(tmp_path / "store", verify=True)
    assert opened.ids.tolist() == clicks.ids.tolist()
    assert opened.fingerprint == clicks.fingerprint


@pytest.mark.parametrize("row", [[2**31, 2**31], [0, 2**31 - 1], [0, TOP]])
def test_ids_of_a_neighbouring_field_are_found_at_any_size(row: list[int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ids must lie in their field's range"):
        wide([[0, 2**31], row]).save(tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("sizes", [(2**31, 2**31), (2**32, 1), (2**63, 2**63), (2**70, 1)])
def test_more_ids_than_uint32_has_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"field_sizes must be at least 1 each and below 2\*\*32 together"):
        wide([[0, 0]], sizes)


# --- byte order, layout, read-only ------------------------------------------------------------------------------------


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": frozen,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "fortran": np.asfortranarray,
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("method", "rounding"), [("fp32", None), ("lpt", "sr"), ("alpt", "sr")])
def test_tables_take_arrays_of_any_layout_and_leave_them_alone(method: str, rounding: Any, layout: str) -> None:
    lay = LAYOUTS[layout]
    rng = np.random.default_rng(1)
    ids, bags = rng.integers(0, 60, 9), np.array([0, 4, 4, 9])
    grads = rng.standard_normal((9, 6)).astype(np.float32)
    expected, found = build(method, rounding), build(method, rounding)
    given = lay(ids), lay(grads), lay(bags)
    copies = [array.tobytes() for array in given]
    for table, (some_ids, some_grads, some_bags) in ((expected, (ids, grads, bags)), (found, given)):
        if table.two_pass_capable:
            pending = table.begin_update(some_ids, some_grads)  # type: ignore[attr-defined]
            table.finish_update(pending, some_grads)  # type: ignore[attr-defined]
        else:
            table.apply_gradients(some_ids, some_grads)
        assert np.array_equal(table.lookup(some_ids), expected.lookup(ids))
        assert np.array_equal(table.lookup_pooled(some_ids, some_bags), expected.lookup_pooled(ids, bags))
    assert same(arrays(expected), arrays(found))
    assert [array.tobytes() for array in given] == copies


@pytest.mark.parametrize("layout", LAYOUTS)
def test_metrics_and_quantiser_take_arrays_of_any_layout(layout: str) -> None:
    lay = LAYOUTS[layout]
    rng = np.random.default_rng(2)
    labels, scores = rng.integers(0, 2, 50).astype(np.int16), rng.random(50)
    assert auc(lay(labels), lay(scores)) == auc(labels, scores)
    assert logloss(lay(labels), lay(scores)) == logloss(labels, scores)
    weights, steps = rng.standard_normal((7, 5)).astype(np.float32), rng.random(7).astype(np.float32) + np.float32(0.1)
    from alpt_ref import QuantSpec

    codes = quantize(weights, steps, QuantSpec(8, "sr"), seed=3)
    assert np.array_equal(quantize(lay(weights), lay(steps), QuantSpec(8, "sr"), seed=3), codes)
    assert np.array_equal(dequantize(lay(codes), lay(steps)), dequantize(codes, steps))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_state_of_any_layout_loads_to_the_same_bits_or_is_refused(layout: str) -> None:
    table, other = build("alpt", "sr"), build("alpt", "sr")
    table.apply_gradients(np.arange(9), np.ones((9, 6), np.float32))
    state = table.state()
    given = {name: LAYOUTS[layout](array) for name, array in state.items()}
    if layout == "big-endian":
        before = arrays(other)
        with pytest.raises(InputError, match=r"state\['packed'\] must be uint32 of shape \(60, 2\), got >u4"):
            other.load_state(given)
        assert same(before, arrays(other))
        return
    other.load_state(given)
    assert same(arrays(table), arrays(other))
    other.apply_gradients(np.arange(9), np.ones((9, 6), np.float32))  # what was loaded is its own, and writable
    assert same(table.state(), state)


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["a file", "below a file", "a name too long", "a dangling link", "a read-only folder"])
def test_without_a_usable_cache_folder_kernels_compile_in_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "absent" / "further")
    (tmp_path / "locked").mkdir(mode=0o500)
    where = {
        "a file": "file", "below a file": "file/x", "a name too long": "x" * 300, "a dangling link": "link",
        "a read-only folder": "locked",
    }[kind]  # fmt: skip
    monkeypatch.setenv("ALPT_REF_CACHE_DIR", str(tmp_path / where))
    monkeypatch.delenv("ALPT_REF_NO_CACHE", raising=False)
    if kind == "a read-only folder" and os.geteuid() == 0:  # whom file rights do not bind
        monkeypatch.setattr(Path, "touch", lambda self: (_ for _ in ()).throw(PermissionError(13, "denied")))
    monkeypatch.setattr(_jit, "cache_directory", cache.cache_directory.__wrapped__)
    cache._warn.cache_clear()
    with pytest.warns(CacheWarning, match="kernels are compiled in memory; set ALPT_REF_CACHE_DIR"):
        assert cache.cache_directory.__wrapped__() is None
    assert _jit.kernel(_twice)(21) == 42
    assert (tmp_path / "file").read_text() == "mine"


def _twice(number: int) -> int:
    return number + number


def test_an_export_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "table.safetensors").symlink_to(tmp_path / "precious")
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "out" / "table.safetensors").is_symlink()


@pytest.mark.parametrize("name", ["../precious", "/etc/passwd"])
def test_an_export_opens_no_file_that_its_list_names(name: str, tmp_path: Path) -> None:
    """Its own file has a fixed name; a list without it is refused, whatever else it names."""
    from alpt_ref._util.files import read_json, write_json

    saved(tmp_path / "run")
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    marker: Any = read_json(tmp_path / "out" / "export.json")
    marker["files"] = {name: marker["files"]["table.safetensors"]}
    write_json(tmp_path / "out" / "export.json", marker)
    with pytest.raises(InputError, match=r"holds no table\.safetensors"):
        export(tmp_path / "out", "torch", tmp_path / "torch")
    assert not (tmp_path / "torch").exists()
