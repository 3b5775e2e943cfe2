"""What would train without an error and teach nothing, or something else, is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alpt_ref.cli.options import LEAST_ADVISED_BATCH, advice
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import DivergedError
from alpt_ref.training.train import train


def clicks(labels: object = (0, 1), rows: int = 60) -> ClickDataset:
    ids = np.stack([np.arange(rows) % 3, 3 + np.arange(rows) % 2], axis=1).astype(np.uint32)
    split = np.repeat([0, 1, 2], [rows - 20, 10, 10]).astype(np.uint8)
    return ClickDataset("made up", ids, np.resize(np.array(labels, np.uint8), rows), split, ("a", "b"), (3, 2))


def small(**options: object) -> RunConfig:
    config = RunConfig().replace("model", kind="dnn", hidden=(4,), dim=2)
    return config.replace("train", **{"batch_size": 10, "epochs": 1, **options})


def test_a_batch_of_one_row_with_batch_norm() -> None:
    with pytest.raises(InputError, match=r"train\.batch_size must be at least 2 with model\.batch_norm, got 1"):
        small(batch_size=1)
    RunConfig().replace("model", batch_norm=False).replace("train", batch_size=1)
    RunConfig().replace("model", kind="fm").replace("train", batch_size=1)


def test_a_last_batch_of_one_row_is_warned_about() -> None:
    with pytest.warns(AlptWarning, match=r"train\.batch_size 13 leaves one row for the last batch of 40 rows"):
        train(small(batch_size=13), clicks())
    train(small(batch_size=13).replace("model", batch_norm=False), clicks())


@pytest.mark.parametrize("rows", [40, 160, 2_000])
def test_the_note_on_the_batch_size_recommends_no_tiny_batch(rows: int) -> None:
    note = advice(RunConfig(), synthetic_clicks(rows=rows, fields=2, features=10))
    assert note is not None
    advised = int(note.split("train.batch_size=")[1].split()[0])
    assert advised == max(LEAST_ADVISED_BATCH, int(0.8 * rows) // 100)
    assert note.endswith(f"would make about {-(-int(0.8 * rows) // advised)}")


def test_the_note_counts_no_row_of_weight_0() -> None:
    data = synthetic_clicks(rows=2_000, fields=2, features=10)
    weights = np.ones(data.rows, np.float32)
    weights[data.rows_of("train")[400:]] = 0
    note = advice(RunConfig(), dataclasses.replace(data, weights=weights))
    assert note is not None
    assert "makes 1 step an epoch of 400 rows" in note


def test_labels_and_ids_are_those_of_a_store() -> None:
    with pytest.raises(InputError, match="labels must be 0 or 1, got 2"):
        train(small(), clicks(labels=(0, 1, 2)))
    data = clicks()
    data.ids[3, 1] = 0
    with pytest.raises(InputError, match="ids must lie in their field's range"):
        train(small(), data)


def test_one_class_among_the_training_rows() -> None:
    data = clicks()
    data.labels[data.split == 0] = 1
    with pytest.raises(InputError, match="only the label 1 in its train part, which teaches nothing"):
        train(small(), data)


@pytest.mark.parametrize(
    ("encoding", "way_out"),
    [
        ({"split": [8, 1, 1], "seed": 0}, "give it more rows or another split seed"),
        ({"split": [8, 1, 1], "by": "time"}, "a split by time has no seed: give it a larger share"),
        ({"split": [8, 1, 1], "by": "order"}, "a split by order has no seed: give it a larger share"),
        ({"by": "files"}, "name other files as --valid"),
        ({"by": "files", "split": [8, 1, 1], "seed": 0}, "give it more rows or another split seed"),
        ({"folds": 5, "fold": 0}, "give it more rows, or ask for fewer folds or for --stratify"),
        ({"split": [9, 0, 1], "by": "time"}, "give it a share above 0 in 9:0:1"),
    ],
)
def test_the_way_out_of_a_part_of_one_class_fits_its_split(encoding: dict[str, object], way_out: str) -> None:
    data = dataclasses.replace(clicks(), info={"encoding": encoding})
    data.labels[data.split == 1] = 1
    with pytest.raises(InputError, match=f"only the label 1 in its valid part, which has no AUC; {way_out}"):
        train(small(), data)


def test_weights_that_overflow_in_an_evaluation_are_one_sentence() -> None:
    """NumPy's own warnings would be errors here."""
    config = small(batch_size=40).replace("model", lr=1e30, batch_norm=False).replace("table", method="fp32")
    with pytest.raises(DivergedError, match="the validation logloss is "):
        train(config, clicks())


def test_rows_that_cannot_be_told_apart_are_warned_about() -> None:
    data = clicks()
    same = ClickDataset("rare", np.tile(np.uint32([0, 1]), (60, 1)), data.labels, data.split, ("a", "b"), (1, 1))
    with pytest.warns(AlptWarning, match=r"'rare' has one id in each field, .* a lower min_count"):
        train(small(), same)


def test_a_path_that_is_not_read_is_refused() -> None:
    for source in ("synthetic", "movielens"):
        with pytest.raises(InputError, match=f"data.path 'clicks.txt' is not read where data.source is '{source}'"):
            RunConfig().replace("data", source=source, path="clicks.txt")


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_in_all_rows_is_not_blamed_on_the_split(label: int) -> None:
    with pytest.raises(InputError, match=f"only the label {label} in all its 60 rows") as caught:
        train(small(), clicks(labels=(label,)))
    assert "seed" not in str(caught.value)
