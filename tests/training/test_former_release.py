"""A run that release 0.1.0 has written (`tests/written_by_0_1`): finished, it is read; begun, it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data.synthetic import clicks, model
from alpt_ref.errors import InputError
from alpt_ref.training.config_io import load_toml
from alpt_ref.training.sources import load_dataset
from alpt_ref.training.train import train

FORMER = Path(__file__).parents[1] / "written_by_0_1"


@pytest.fixture
def as_drawn_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The synthetic set with all digits of its figures, as 0.1.0 drew and fingerprinted it."""
    monkeypatch.setattr(model, "_BIAS_DECIMALS", 17)
    monkeypatch.setattr(clicks, "_rounded", float)


@pytest.mark.usefixtures("as_drawn_then")
@pytest.mark.parametrize("method", ["alpt", "lsq"])
def test_the_result_of_a_finished_run_is_read_with_its_table(method: str, tmp_path: Path) -> None:
    run = shutil.copytree(FORMER / f"run-{method}", tmp_path / "run")
    config = load_toml(run / "config.toml")
    result = train(config, load_dataset(config.data), output=run)
    assert result.table.lookup(np.arange(result.table.n)).tobytes() == np.load(run / "lookup.npy").tobytes()
    again = train(config, load_dataset(config.data))
    assert (again.test_auc, again.test_logloss) == (result.test_auc, result.test_logloss)
    assert [one.reproducible()["valid_auc"] for one in again.history] == [one.valid_auc for one in result.history]


@pytest.mark.usefixtures("as_drawn_then")
def test_a_run_on_the_way_names_the_release_that_goes_on_with_it(tmp_path: Path) -> None:
    run = shutil.copytree(FORMER / "run-alpt", tmp_path / "run")
    (run / "result.json").unlink()
    shutil.rmtree(run / "state")
    config = load_toml(run / "config.toml")
    with pytest.raises(InputError, match=r"written with alpt_ref 0\.1\.0, this is .*; install that version to resume"):
        train(config, load_dataset(config.data), output=run, resume=True)


def test_a_run_on_the_synthetic_set_as_it_was_drawn_then_is_refused(tmp_path: Path) -> None:
    run = shutil.copytree(FORMER / "run-alpt", tmp_path / "run")
    config = load_toml(run / "config.toml")
    with pytest.raises(InputError, match="the same configuration on other data"):
        train(config, load_dataset(config.data), output=run)
