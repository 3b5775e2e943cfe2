"""More epochs for a finished run: the bits of one that was asked for them at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.errors import InputError
from alpt_ref.training.train import train
from tests.training.days import day, tiny


@pytest.mark.parametrize(
    "training",
    [
        {"milestones": (1,)},
        {"warmup": 3, "patience": 1},
        pytest.param({"schedule": "plateau"}, marks=pytest.mark.nightly),
        pytest.param({"test_epoch": "last"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_more_epochs_give_the_bits_of_a_run_that_was_asked_for_them_at_once(
    training: dict[str, Any], tmp_path: Path
) -> None:
    data = day(1)
    train(tiny(**training, epochs=4), data, output=tmp_path / "whole")
    train(tiny(**training, epochs=2), data, output=tmp_path / "parts")
    with pytest.raises(InputError, match=r"train\.epochs is 2 there and 4 here\), which --resume goes on with"):
        train(tiny(**training, epochs=4), data, output=tmp_path / "parts")
    said: list[str] = []
    result = train(tiny(**training, epochs=4), data, output=tmp_path / "parts", resume=True, log=said.append)
    assert "a run of 2 epochs, which goes on to 4" in said[0]
    assert result.as_dict()["test_auc"] == train(tiny(**training, epochs=4), data, output=tmp_path / "whole").test_auc
    for file in ("state/state.safetensors", "state/checkpoint.json", "config.toml"):
        assert (tmp_path / "parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    with pytest.raises(InputError, match="another configuration"):
        train(tiny(**training, epochs=3), data, output=tmp_path / "parts", resume=True)


def test_a_cosine_knows_its_end_from_the_first_step_and_a_damaged_result_is_no_hindrance(tmp_path: Path) -> None:
    data = day(1)
    train(tiny(schedule="cosine"), data, output=tmp_path / "cosine")
    with pytest.raises(InputError, match=r"train\.epochs must stay 1 in a run with train.schedule 'cosine'"):
        train(tiny(schedule="cosine", epochs=2), data, output=tmp_path / "cosine", resume=True)
    train(tiny(), data, output=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    (tmp_path / "copy" / "result.json").unlink()  # as a kill between the two leaves it
    ends = [train(tiny(epochs=2), data, output=tmp_path / name, resume=True) for name in ("run", "copy")]
    assert ends[0].test_auc == ends[1].test_auc
