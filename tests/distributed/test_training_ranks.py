"""Runs that processes of a gloo group share end in the bits of one process, also where one of them is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from alpt_ref import InputError, train
from alpt_ref.distributed import train as train_shared
from alpt_ref.errors import AlptError
from alpt_ref.serving import export
from alpt_ref.serving.packed import pack
from alpt_ref.training.checkpoint import list_checkpoints
from tests.data.files import folder_bytes
from tests.distributed.driver import digest
from tests.distributed.ranks import Ranks
from tests.distributed.runs import bits_of, clicks, config, ended, launch

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
RUNS: dict[str, dict[str, Any]] = {
    "alpt-dcn": {"model": {"hidden": (640, 16)}},
    "lpt-fm": {"model": {"kind": "fm"}, "table": {"method": "lpt", "bits": 4}, "train": {"class_weight": "balanced"}},
    "fp32-deepfm": {"model": {"kind": "deepfm"}, "table": {"method": "fp32", "optimizer": "dense_adam"}},
    "alpt-logistic": {"model": {"kind": "logistic", "dim": 1}, "table": {"two_pass": False, "optimizer": "adagrad"}},
    "alpt-dnn": {"model": {"kind": "dnn", "batch_norm": False}, "train": {"batch_size": 62}},
}
"""The gradients of the wide one are so many that each rank adds a part of them. The last batch of a run with batches of
62 rows has 2: of 4 slices two are empty, and of 4 ranks."""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    with Ranks(2, tmp_path_factory.mktemp("group")) as found:
        yield found


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    with Ranks(4, tmp_path_factory.mktemp("group")) as found:
        yield found


def _train(
    group: Any, rank: int, size: int, output: str, more: dict[str, Any], stop: int = -1, before: str | None = None
) -> Any:
    """One rank's call; what it raises, in words. With `stop` the last rank asks to stop at that step."""
    asked = iter(range(10**9))
    try:
        result = train_shared(
            config(**more), clicks(), output=output, resume=True, checkpoint_every=5, init_from=before,
            stop=lambda: rank == size - 1 and next(asked) == stop,
        )  # fmt: skip
    except AlptError as error:
        return f"{type(error).__name__}: {error}"
    return result.test_auc


def _together(ranks: Ranks, folder: Path, more: dict[str, Any]) -> dict[str, str]:
    found = ranks.run(_train, str(folder), more)
    assert len(set(found)) == 1
    return bits_of(folder)


@pytest.mark.parametrize("name", ["alpt-dcn", pytest.param("lpt-fm", marks=pytest.mark.slow)])
def test_two_ranks_end_in_the_bits_of_one_process(ranks: Ranks, name: str, tmp_path: Path) -> None:
    train(config(**RUNS[name]), clicks(), output=tmp_path / "alone")
    assert _together(ranks, tmp_path / "two", RUNS[name]) == bits_of(tmp_path / "alone")


@pytest.mark.nightly
@pytest.mark.parametrize("name", RUNS)
def test_four_ranks_and_two_end_in_the_bits_of_one_process(
    four: Ranks, ranks: Ranks, name: str, tmp_path: Path
) -> None:
    train(config(**RUNS[name]), clicks(), output=tmp_path / "alone")
    alone = bits_of(tmp_path / "alone")
    assert _together(ranks, tmp_path / "two", RUNS[name]) == alone
    assert _together(four, tmp_path / "four", RUNS[name]) == alone


@pytest.mark.nightly
def test_fast_sums_have_the_same_bits_on_as_many_ranks(ranks: Ranks, tmp_path: Path) -> None:
    fast = {"train": {"reduce": "fast"}}
    assert _together(ranks, tmp_path / "one", fast) == _together(ranks, tmp_path / "other", fast)


def _read(group: Any, rank: int, size: int, output: str) -> tuple[str, int, str | None]:
    """The finished run as a rank has it: its table's class and rows, and on rank 0 a digest of all of it."""
    table: Any = train_shared(config(), clicks(), output=output).table
    whole = table.gather_state()
    return type(table).__name__, table.own.n, None if whole is None else digest(whole)


def test_the_tested_state_lies_by_rank_and_serves_as_that_of_one_process(ranks: Ranks, tmp_path: Path) -> None:
    """No rank holds the whole table; whoever serves it puts it together, and whoever trains on from it."""
    alone, two = tmp_path / "alone", tmp_path / "two"
    table: Any = train(config(), clicks(), output=alone).table
    assert _together(ranks, two, {}) == bits_of(alone)
    assert len(list((two / "state").glob("shard-*"))) == 2
    found = ranks.run(_read, str(two))
    assert [name for name, _, _ in found] == ["RankTable"] * 2
    assert sum(rows for _, rows, _ in found) == table.n
    assert max(rows for _, rows, _ in found) == -(-table.n // 2)
    assert [whole for _, _, whole in found] == [digest(table.state()), None]
    for run in (alone, two):
        export(run, "safetensors", tmp_path / f"{run.name}-export")
        pack(run, tmp_path / f"{run.name}-packed")
        train(config(), clicks(), output=tmp_path / f"{run.name}-more", init_from=run)
    for kind in ("export", "packed"):
        assert folder_bytes(tmp_path / f"two-{kind}") == folder_bytes(tmp_path / f"alone-{kind}")
    assert bits_of(tmp_path / "two-more") == bits_of(tmp_path / "alone-more")


def test_a_checkpoint_of_two_ranks_is_resumed_by_one_and_by_two(ranks: Ranks, tmp_path: Path) -> None:
    train(config(), clicks(), output=tmp_path / "whole")
    stopped = ranks.run(_train, str(tmp_path / "run"), {}, 12)
    assert all(one.startswith("StoppedError: stopped after step 13 (epoch 2)") for one in stopped)
    (newest, *_) = list_checkpoints(tmp_path / "run" / "checkpoints")
    assert sorted(one.name for one in newest.glob("shard-*")) == [f"shard-0000{k}-of-00002.safetensors" for k in (0, 1)]
    asked = iter(range(99))
    with pytest.raises(AlptError, match="stopped after step 15"):
        train(config(), clicks(), output=tmp_path / "run", resume=True, stop=lambda: next(asked) >= 1)
    assert _together(ranks, tmp_path / "run", {}) == bits_of(tmp_path / "whole")


def test_fast_sums_that_another_number_of_ranks_goes_on_with_are_told(ranks: Ranks, tmp_path: Path) -> None:
    fast: dict[str, dict[str, Any]] = {"train": {"reduce": "fast"}}
    ranks.run(_train, str(tmp_path / "run"), fast, 12)
    said: list[str] = []

    def told() -> bool:
        """Resume alone for a step; whether something was said of the number of ranks."""
        said.clear()
        asked = iter(range(99))
        with pytest.raises(AlptError, match="stopped after step"):
            train(
                config(**fast), clicks(), output=tmp_path / "run", resume=True, log=said.append,
                stop=lambda: next(asked) >= 1,
            )  # fmt: skip
        return any("of another number of ranks (2, now 1): with train.reduce = 'fast'" in one for one in said)

    assert told()
    assert not told()  # this one has written the newest


def test_a_run_that_goes_on_from_another_is_begun_by_one_rank_and_resumed_by_two(ranks: Ranks, tmp_path: Path) -> None:
    before = tmp_path / "before"
    train(config(), clicks(), output=before)
    said = ranks.run(_train, str(tmp_path / "run"), {}, -1, str(before))
    assert all("is begun by one process, got 2" in one for one in said)
    asked = iter(range(99))
    with pytest.raises(AlptError, match="stopped after step 3"):
        train(config(), clicks(), output=tmp_path / "run", init_from=before, stop=lambda: next(asked) >= 2)
    ranks.run(_train, str(tmp_path / "run"), {}, -1, str(before))
    train(config(), clicks(), output=tmp_path / "whole", init_from=before)
    assert bits_of(tmp_path / "run") == bits_of(tmp_path / "whole")


def test_what_is_wrong_is_refused_by_all_ranks(ranks: Ranks, tmp_path: Path) -> None:
    said = ranks.run(_train, str(tmp_path / "run"), {"train": {"slices": 3}})
    rule = "InputError: train.slices must be a multiple of the number of ranks, got 3 slices for 2 ranks; "
    assert said == [rule + "start another number of ranks, or set train.slices=4, which is another run"] * 2
    (tmp_path / "file").touch()
    said = ranks.run(_train, str(tmp_path / "file"), {})
    assert said == [f"InputError: output folder {tmp_path / 'file'} is a file; choose another with --output"] * 2
    said = ranks.run(_of_another_seed, str(tmp_path / "run"))
    assert all(
        re.match("InputError: all ranks must have the same configuration, rank 1 has .* and rank 0", one)
        for one in said
    )


def _not_shared(group: Any, rank: int, size: int, output: str) -> Any:
    """The last rank, on a machine of its own, does not see what rank 0 makes."""
    from alpt_ref.distributed import shared_folder

    seen: Any = shared_folder
    patience, look = seen.SEEN_S, seen._require_seen
    try:
        seen.SEEN_S = 0.1
        if rank == size - 1:
            seen._require_seen = lambda made: look(made and made.with_name("not-here"))
        return _train(group, rank, size, output, {})
    finally:
        seen.SEEN_S, seen._require_seen = patience, look


def test_a_folder_that_not_all_machines_see_is_refused_and_left_as_it_was(ranks: Ranks, tmp_path: Path) -> None:
    """Else a run that is resumed so would seem damaged."""
    run = tmp_path / "run"
    said = ranks.run(_not_shared, str(run))
    rule = "output folder .* is another one on this machine than on that of rank 0; all machines must see one folder"
    assert all(re.match(f"InputError: (rank 1: )?{rule}", one) for one in said)
    assert not any(run.iterdir())
    ranks.run(_train, str(run), {})
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    assert ranks.run(_not_shared, str(run))[1].startswith("InputError: output folder")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def _of_another_seed(group: Any, rank: int, size: int, output: str) -> Any:
    return _train(group, rank, size, output, {"train": {"seed": rank}})


def test_one_of_several_processes_without_sharding_is_refused() -> None:
    found = ended(launch(2, "--set", "train.sharded=false"), 60)
    assert [one[0] for one in found] == [2, 2]
    said = [line for _, _, err in found for line in err.splitlines() if line.startswith("Error:")]
    assert said == ["Error: a launcher has started 2 processes, which would all train the same run; give --sharded, or "
                    "start one"]  # fmt: skip


def test_without_ranks_of_its_own_a_class_is_refused() -> None:
    with pytest.raises(InputError, match="fp32, lpt, alpt"):
        train_shared(config(table={"method": "hashing"}), clicks())
