"""A run in slices in one process: what any number of processes is compared with. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, RunConfig, train
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.distributed import train as train_shared
from alpt_ref.models.slices import OneProcess
from alpt_ref.training.batches import training_batches
from alpt_ref.training.batches_sliced import sliced_batches
from alpt_ref.training.checkpoint import read_folder
from alpt_ref.training.config import canonical, config_hash
from alpt_ref.training.ranks import Alone, require_beginning, require_ranks
from alpt_ref.training.shards import assembled
from alpt_ref.training.train import StoppedError
from tests.distributed.runs import SLICES, bits_of, clicks, config
from tests.models.ranks import ThreadSums
from tests.tolerances import SLICED_LOSS


@pytest.fixture(scope="module")
def data() -> ClickDataset:
    return clicks()


def test_the_hash_of_other_runs_is_as_it_was() -> None:
    plain = RunConfig()
    assert not {"sharded", "slices", "reduce"} & canonical(plain)["train"].keys()
    assert config_hash(plain) == config_hash(plain.replace("train", slices=3, reduce="fast"))
    sharded = config()
    assert config_hash(sharded) != config_hash(sharded.replace("train", slices=2))
    fast = sharded.replace("train", reduce="fast")
    assert config_hash(fast) == config_hash(fast.replace("train", slices=2)) != config_hash(sharded)


def test_a_run_in_slices_is_the_run_but_for_rounding_and_goes_on_from_a_checkpoint(
    data: ClickDataset, tmp_path: Path
) -> None:
    whole = train(config(), data, output=tmp_path / "whole")
    plain = train(config(train={"sharded": False}), data)
    assert whole.history[0].train_loss == pytest.approx(plain.history[0].train_loss, rel=SLICED_LOSS)
    asked = iter(range(99))
    with pytest.raises(StoppedError):
        train(config(), data, output=tmp_path / "parts", stop=lambda: next(asked) >= 12)
    train_shared(config(), data, output=tmp_path / "parts", resume=True)
    assert bits_of(tmp_path / "parts") == bits_of(tmp_path / "whole")
    found = read_folder(tmp_path / "whole" / "state").part("table")
    np.testing.assert_array_equal(found["packed"], whole.table.state()["packed"])


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("train", {"batch_size": 3}, r"train\.batch_size must be at least train\.slices 4, got 3"),
        ("train", {"max_gradient_norm": 1.0}, r"train\.max_gradient_norm needs the whole batch in one place"),
        ("table", {"method": "hashing"}, r"train\.sharded takes table\.method fp32, lpt, alpt, got 'hashing'"),
        ("model", {"kind": "tests.distributed.runs:Foreign"}, r"train\.sharded takes the built-in backbones"),
    ],
)
def test_what_does_not_train_in_slices_is_refused(section: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        config().replace(section, **changes)


def test_ranks_that_cannot_share_a_run_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"call alpt_ref\.distributed\.train"):
        require_ranks(None, config())

    class Three(Alone):
        size = 3

        def sums(self, slices: int) -> Any:
            return ThreadSums(slices, 0, [None] * 3, None)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=r"multiple of the number of ranks, got 4 slices for 3 ranks"):
        require_ranks(Three(), config())
    with pytest.raises(InputError, match=r"on 3 ranks must have train\.sharded"):
        require_ranks(Three(), RunConfig())
    with pytest.raises(InputError, match=r"is begun by one process, got 3"):
        require_beginning(Three(), object(), None)


@pytest.mark.parametrize("mapped", [False, True])
def test_each_rank_reads_the_rows_of_its_slices_alone(data: ClickDataset, mapped: bool, tmp_path: Path) -> None:
    source = data
    if mapped:
        data.save(tmp_path / "store")
        source = ClickDataset.open(tmp_path / "store")
    rows = data.rows_of("train")
    whole = list(training_batches(data, rows, 61, seed=3, epoch=1))
    ranks = [ThreadSums(SLICES, rank, [None, None], None) for rank in range(2)]  # type: ignore[arg-type]
    parts = [list(sliced_batches(source, rows, 61, sums, seed=3, epoch=1)) for sums in ranks]
    for batch, *own in zip(whole, *parts, strict=True):
        assert [one.rows for one in own] == [len(batch.labels)] * 2
        np.testing.assert_array_equal(np.concatenate([one.own.ids for one in own]), batch.ids)
        np.testing.assert_array_equal(np.concatenate([one.own.labels for one in own]), batch.labels)
    alone = list(sliced_batches(source, rows, 61, OneProcess(SLICES), seed=3, epoch=1))
    np.testing.assert_array_equal(alone[-1].own.ids, whole[-1].ids)


def test_shards_that_lack_a_row_are_no_table() -> None:
    one = {"table/weights": np.ones(2), "table/rows": np.array([2, 0])}
    with pytest.raises(ValueError, match="row 1 not once"):
        assembled([one], 3, ["weights"])
