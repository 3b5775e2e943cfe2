"""The cache of compiled kernels: damage, a full folder or somebody else's costs a warning, never the result."""

from __future__ import annotations

import errno
import importlib.util
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import CacheWarning
from alpt_ref.kernels import cache, cache_lock, jit

SOURCE = "def double(lo, hi, x):\n    for i in range(lo, hi):\n        x[i] = 2 * x[i]\n"


class Compiled:
    """What a process would do: find the folder, decorate, call; warnings kept."""

    def __init__(self, tmp_path: Path) -> None:
        path = tmp_path / "double.py"
        cache._place.cache_clear()
        if not path.exists():
            path.write_text(SOURCE)
        spec = importlib.util.spec_from_file_location("double", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cache.cache_directory.cache_clear()
        cache._warn.cache_clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kernel: Any = jit.kernel(module.double)
            x = np.arange(4.0)
            kernel(0, 4, x)
        self.kernel = kernel
        assert x.tolist() == [0, 2, 4, 6]
        assert all(one.category is CacheWarning for one in caught)
        self.hits = sum(kernel.stats.cache_hits.values())
        self.warnings = [str(one.message) for one in caught]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of this test's own."""
    monkeypatch.setenv("ALPT_REF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("ALPT_REF_NO_CACHE", raising=False)
    yield tmp_path / "cache"
    cache.cache_directory.cache_clear()
    cache._warn.cache_clear()


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*.nb?") if one.is_file()]


def test_the_second_process_loads_what_the_first_compiled(tmp_path: Path, folder: Path) -> None:
    assert Compiled(tmp_path).hits == 0
    again = Compiled(tmp_path)
    assert again.hits == 1
    assert again.warnings == []
    assert next(folder.iterdir()).stat().st_mode & 0o777 == 0o700


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = SOURCE) -> Path:
    """The package as it were, with one kernel in it: its folder of kernels."""
    kernels = folder / "kernels"
    kernels.mkdir(parents=True)
    (kernels / "double.py").write_text(text)
    monkeypatch.setattr(cache, "__file__", str(kernels / "cache.py"))
    return kernels


def test_another_installation_of_the_same_sources_loads_what_the_first_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Compiled(installed(tmp_path / "one", monkeypatch)).hits == 0
    assert Compiled(installed(tmp_path / "two", monkeypatch)).hits == 1
    assert Compiled(installed(tmp_path / "three", monkeypatch, f"{SOURCE}# edited\n")).hits == 0


def test_a_kernel_outside_of_the_package_is_known_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "package", monkeypatch)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert Compiled(tmp_path / name).hits == 0
        assert Compiled(tmp_path / name).hits == 1


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "bit"])
def test_a_damaged_file_is_compiled_again_with_one_warning(
    tmp_path: Path, folder: Path, ending: str, damage: str
) -> None:
    Compiled(tmp_path)
    path = next(one for one in files(folder) if one.suffix == ending)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-9], "zeros": bytes(len(content)), "empty": b"", "bit": bytes(flipped)}[damage])
    found = Compiled(tmp_path)
    assert found.hits == 0
    assert len(found.warnings) == 1
    assert "are damaged" in found.warnings[0]
    assert Compiled(tmp_path).hits == 1


def test_a_full_folder_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, path: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache._Checked, "_write", full)
    found = Compiled(tmp_path)
    assert len(found.warnings) == 1
    assert "cannot be written (No space left on device)" in found.warnings[0]
    assert "ALPT_REF_CACHE_DIR" in found.warnings[0]


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path, folder: Path) -> None:
    Compiled(tmp_path)
    before = {one: one.stat().st_mtime_ns for one in files(folder)}
    next(folder.iterdir()).chmod(0o777)
    found = Compiled(tmp_path)
    assert found.hits == 0
    assert "may be written by others (chmod 700" in found.warnings[0]
    assert {one: one.stat().st_mtime_ns for one in files(folder)} == before


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Compiled(tmp_path)
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    assert "belongs to somebody else" in Compiled(tmp_path).warnings[0]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, folder: Path) -> None:
    folder.write_text("")
    assert "cannot be written" in Compiled(tmp_path).warnings[0]


def held_elsewhere(folder: Path, tmp_path: Path) -> Any:
    """Another process's lock of the only signature that `Compiled` compiles; nothing is compiled yet."""
    Compiled(tmp_path)
    (lock,) = [one for one in folder.rglob(f"{cache_lock.FOLDER}/*") if one.suffix != ".index"]
    for one in files(folder):
        one.unlink()
    return cache_lock.locked(lock)


def test_who_comes_second_waits_for_the_first(tmp_path: Path, folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held_elsewhere(folder, tmp_path) as held:
            assert held
            second = pool.submit(Compiled, tmp_path)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            assert files(folder) == []
        assert second.result().warnings == []
    assert Compiled(tmp_path).hits == 1


def test_a_lock_that_is_never_released_costs_a_compilation(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_lock, "PATIENCE_S", 0.05)
    with held_elsewhere(folder, tmp_path):
        assert Compiled(tmp_path).warnings == []
    assert Compiled(tmp_path).hits == 1


def test_of_two_entries_that_are_added_at_once_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Compiled(tmp_path).kernel._cache._cache_file
    load = cache._Checked._load_index

    def slowly(self: Any) -> Any:
        known = load(self)
        time.sleep(0.1)  # the other one reads what is there before this one has written
        return known

    monkeypatch.setattr(cache._Checked, "_load_index", slowly)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: file.save((name,), name), ["one", "two"]))
    assert {("one",), ("two",)} < set(load(file))


def test_without_locks_everybody_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_lock, "fcntl", None)
    with cache_lock.locked(tmp_path / "locks" / "one") as held:
        assert not held
    assert Compiled(tmp_path).warnings == []
