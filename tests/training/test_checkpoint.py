"""Checkpoints on disk: what goes in comes out, whole or not at all, and nothing in a folder is trusted unread."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from alpt_ref.errors import InputError
from alpt_ref.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
    write_folder,
)
from alpt_ref.training.config import RunConfig, TableConfig
from alpt_ref.training.versions import versions

META = {"step": 7, "epoch": 1, "n": 3, "d": 2, "fields": 1, "dataset": "clicks", "fingerprint": "ab12"}


def sample(step: int = 7, **arrays: Any) -> Checkpoint:
    """A small checkpoint with an array in every file."""
    held = {
        "table/words": np.arange(6, dtype=np.uint32).reshape(3, 2),
        "table/updates": np.array([2**33], np.int64),
        "optimizer/steps": np.array(5, np.int64),
        "model/empty": np.zeros((0, 4), np.float32),
        "best/table/words": np.ones((3, 2), np.uint32),
        "last_good/model/weight": np.float32([[1.5, -0.0, np.nan]]),
        "vocabulary/category_bytes": np.frombuffer(b"xy", np.uint8),
    }
    config = RunConfig(table=TableConfig(bits=4, init_step=0.1))
    timing = {"epochs": [{"seconds": 0.1}], "seconds": 2.5}
    return Checkpoint(config, held | arrays, META | {"step": step, "loss_sum": 0.1 + 0.2}, timing)


def bits(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    content = sample()
    path = write_checkpoint(tmp_path, content)
    assert path == tmp_path / "step-000000007"
    files = ["best.safetensors", "checkpoint.json", "last_good.safetensors", "state.safetensors", "timing.json"]
    assert sorted(file.name for file in path.iterdir()) == [*files, "vocabulary.safetensors"]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]  # nothing temporary is left
    assert len({file.stat().st_mode for file in path.iterdir()}) == 1  # as the user's mask has it, all alike
    back = read_checkpoint(path)
    assert bits(back.arrays) == bits(content.arrays)
    assert (back.config, back.meta, back.timing) == (content.config, content.meta, content.timing)
    assert all(array.flags.writeable and array.flags.owndata for array in back.arrays.values())
    assert back.part("best").keys() == {"table/words"}
    assert load_file(path / "state.safetensors").keys() == {
        name for name in content.arrays if name.partition("/")[0] not in ("best", "last_good", "vocabulary")
    }


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1][::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    ],
    ids=["fortran", "strided", "reversed", "big-endian", "read-only"],
)
@pytest.mark.parametrize("dtype", ["u4", "i8", "f4", "f2", "?"])
def test_files_do_not_depend_on_the_layout_of_the_arrays(layout: Any, dtype: str, tmp_path: Path) -> None:
    array = (np.arange(12).reshape(4, 3) * 37 % 11).astype(dtype)
    expected = write_folder(tmp_path / "a", sample(**{"table/x": array}))
    other = sample(**{"table/x": layout(array)})
    other.arrays = dict(reversed(other.arrays.items()))
    written = write_folder(tmp_path / "b", other)
    for file in expected.iterdir():
        assert file.read_bytes() == (written / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrays": {"table/x": [1, 2]}}, r"arrays\['table/x'\] must be a NumPy array .*, got list"),
        ({"arrays": {"table/x": np.array([None])}}, "got object"),
        ({"arrays": {"table/x": np.array(["a"])}}, "got <U1"),
        ({"arrays": {"table/x": np.zeros(2, np.complex64)}}, "got complex64"),
        ({"arrays": {"table/x": np.zeros(2, np.longdouble)}}, "booleans, integers or floats, got"),
        ({"arrays": {"table/x": np.zeros(2, "i4,f4")}}, "booleans, integers or floats, got"),
        ({"meta": META | {"loss": float("nan")}}, "plain JSON values only"),
        ({"meta": META | {"array": np.zeros(2)}}, "plain JSON values only"),
        ({"meta": META | {"step": -1}}, r"meta\['step'\] must be a whole number, got -1"),
        ({"meta": META | {"step": True}}, r"meta\['step'\] must be a whole number, got True"),
        ({"meta": {k: v for k, v in META.items() if k != "fingerprint"}}, r"meta\['fingerprint'\] must be text"),
        ({"timing": {"seconds": float("inf")}}, "plain JSON values only"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = sample()
    for name, value in change.items():
        setattr(content, name, value)
    with pytest.raises(InputError, match=message):
        write_checkpoint(tmp_path / "run", content)
    assert list(tmp_path.iterdir()) == []


def test_the_last_two_are_kept_in_the_order_of_their_steps(tmp_path: Path) -> None:
    steps = [999_999_998, 999_999_999, 2**32 - 1, 2**32 + 1, 2**40]  # nine digits and more: text sorts otherwise
    for step in steps:
        write_checkpoint(tmp_path / "checkpoints", sample(step))
        assert read_checkpoint(tmp_path).meta["step"] == step
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == sorted(f"step-{step}" for step in steps[-2:])
    write_checkpoint(tmp_path / "checkpoints", sample(2**41), keep=3)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    with pytest.raises(InputError, match="keep must be a whole number of at least 1, got 0"):
        write_checkpoint(tmp_path / "checkpoints", sample(), keep=0)


def test_a_checkpoint_takes_the_place_of_one_of_the_same_step(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, sample())
    path = write_checkpoint(tmp_path, sample(**{"table/words": np.zeros((1, 1), np.uint32)}))
    assert read_checkpoint(path).arrays["table/words"].shape == (1, 1)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_output_folder_gives_its_newest_whole_checkpoint_or_its_final_state(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint; name a checkpoint's folder or an output folder"):
        read_checkpoint(tmp_path)
    first, second = (write_checkpoint(tmp_path / "checkpoints", sample(step)) for step in (5, 6))
    assert read_checkpoint(tmp_path).meta["step"] == 6
    (second / "state.safetensors").write_bytes(b"")
    assert read_checkpoint(tmp_path).meta["step"] == 5
    (first / "checkpoint.json").unlink()
    with pytest.raises(InputError, match=r"step-000000006 is damaged \(state.safetensors has 0 bytes, not \d+\)"):
        read_checkpoint(tmp_path)
    write_folder(tmp_path / "state", sample(3))
    assert read_checkpoint(tmp_path).meta["step"] == 3
    (tmp_path / "state" / "state.safetensors").unlink()
    with pytest.raises(InputError, match=r"state is damaged \(state.safetensors: No such file"):
        read_checkpoint(tmp_path)  # another state in its place would be a silent change


def test_other_things_beside_checkpoints_are_no_checkpoints(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "checkpoints", sample(5))
    shutil.copytree(path, path.with_name(".step-000000009.1-abc.part"))
    (path.parent / "step-000000008").write_text("a file")
    (path.parent / "step-9").mkdir()
    (path.parent / "step-000000010").symlink_to(path, target_is_directory=True)
    assert read_checkpoint(tmp_path).meta["step"] == 5


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, sample())
    generator = np.random.default_rng(1)
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        for place in np.unique(generator.integers(0, len(whole), 60)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(generator.integers(8))
            file.write_bytes(damaged)
            if file.suffix == ".json" and same_json(whole, bytes(damaged)):  # a blank became another blank
                continue
            with pytest.raises(InputError, match=r"damaged|is not the manifest|has format version"):
                read_checkpoint(path)
        file.write_bytes(whole)
    read_checkpoint(path)


def same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, sample())
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        for length in {0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 2}:
            file.write_bytes(whole[:length])
            with pytest.raises(InputError, match="damaged"):
                read_checkpoint(path)
        file.unlink()
        with pytest.raises(InputError, match=r"damaged|holds no checkpoint"):
            read_checkpoint(path)
        file.write_bytes(whole)
    read_checkpoint(path)


def forge(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Edit a manifest and give it the checksum that it then needs: what somebody with intent would do."""
    manifest = json.loads((path / "checkpoint.json").read_text())
    del manifest["sha256"]
    change(manifest)
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (path / "checkpoint.json").write_text(json.dumps(manifest))


ENTRY = {"bytes": 8, "sha256": hashlib.sha256(b"outside!").hexdigest()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["files"].update({"../outside": ENTRY}), r"lists the unknown file '\.\./outside'"),
        (lambda m: m["files"].update({"/etc/passwd": ENTRY}), "lists the unknown file '/etc/passwd'"),
        (lambda m: m["files"].update({"state.npy": ENTRY}), "lists the unknown file 'state.npy'"),
        (
            lambda m: m["files"].update({"best.safetensors": ENTRY}),
            r"best.safetensors has \d+ bytes, not 8",
        ),
        (lambda m: m["files"].update({"best.safetensors": {"bytes": "8", "sha256": ""}}), "entry of another form"),
        (lambda m: m["files"].update({"best.safetensors": None}), "lacks a part"),
        (lambda m: m.update(files=[]), "lacks a part"),
        (lambda m: m.update(version=2), "has format version 2, this release reads 1; use the release that wrote it"),
        (lambda m: m.update(format="other"), "is not the manifest of a checkpoint"),
        (lambda m: m["config"]["table"].update(bits=3), r"table\.bits must be 2, 4, 8 or 16, got 3"),
        (lambda m: m["config"]["table"].update(bit=3), r"unknown setting 'table\.bit'"),
        (lambda m: m.update(config=[1]), "lacks a part"),
        (lambda m: m["meta"].update(step="7"), r"meta\['step'\] must be a whole number, got '7'"),
        (lambda m: m.update(meta=None), "lacks a part"),
        (lambda m: m.pop("meta"), "lacks a part"),
    ],
)
def test_a_forged_manifest_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"outside!")
    path = write_checkpoint(tmp_path, sample())
    forge(path, lambda manifest: None)
    read_checkpoint(path)
    forge(path, change)
    with pytest.raises(InputError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "{}", "[" * 100_000, "{" * 3, "\xff", '{"a": 1e999}'])
def test_a_manifest_that_is_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, sample())
    (path / "checkpoint.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"damaged|is not the manifest"):
        read_checkpoint(path)


@pytest.mark.skipif(os.name != "posix", reason="makes links")
@pytest.mark.parametrize("file", ["state.safetensors", "timing.json", "checkpoint.json"])
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_plain_files_are_opened(file: str, kind: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, sample())
    (path / file).rename(tmp_path / "real")
    if kind == "link":
        (path / file).symlink_to(tmp_path / "real")  # even to the right content
    elif kind == "folder":
        (path / file).mkdir()
    else:
        os.mkfifo(path / file)  # opening it would wait for ever
    with pytest.raises(InputError, match=f"{file} is not a plain file"):
        read_checkpoint(path)


def test_arrays_in_another_file_than_their_own_are_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, sample())
    save_file({"table/words": np.zeros((3, 2), np.uint32)}, path / "best.safetensors")
    data = (path / "best.safetensors").read_bytes()
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    forge(path, lambda manifest: manifest["files"].update({"best.safetensors": entry}))
    with pytest.raises(InputError, match=r"best\.safetensors holds 'table/words', which belongs elsewhere"):
        read_checkpoint(path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match=r"step-000000007 cannot be written \(.*\); earlier ones are whole"):
        write_checkpoint(tmp_path / "file", sample())
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_versions_name_what_bits_may_depend_on() -> None:
    assert set(versions()) == {"alpt_ref", "numpy", "scipy", "numba", "python", "blas"}
    assert versions()["numpy"] == np.__version__
