"""Runs that go on from others: with new ids, killed and resumed, with more epochs; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alpt_ref import RunConfig
from alpt_ref._util.progress import Progress
from alpt_ref.data import synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training.checkpoint import Checkpoint, read_checkpoint, write_folder
from alpt_ref.training.init_from import InitFrom, start_from
from alpt_ref.training.train import StoppedError, train
from tests.training.days import NAMES, day, raw_day, tiny

DENSE = ("model/", "optimizer/")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of day 1."""
    folder = tmp_path_factory.mktemp("runs") / "day 1"
    train(tiny(epochs=2), day(1, vocabulary="train", min_count=2), output=folder)
    return folder


def rows_of(content: Checkpoint) -> dict[tuple[int, str | None], dict[str, bytes]]:
    """(field, text) -> the bytes of each array that has a row for it."""
    vocabulary, found, number = content.vocabulary, {}, 0
    assert vocabulary is not None
    per_row = {key: value for key, value in content.part("table").items() if len(value) == content.meta["n"]}
    for field in range(3):
        for text in [None, *vocabulary.categories(field)]:
            found[field, text] = {key: value[number].tobytes() for key, value in per_row.items()}
            number += 1
    assert number == content.meta["n"]
    return found


def test_rows_without_a_training_row_keep_every_bit_and_new_ids_are_admitted_by_count(
    first: Path, tmp_path: Path
) -> None:
    """The ids of day 2 by a dictionary of texts, from the raw rows."""
    data = raw_day(2)
    train(tiny(), day(2), output=tmp_path / "day 2", init_from=first)
    before, after = read_checkpoint(first), read_checkpoint(tmp_path / "day 2")
    old, new = rows_of(before), rows_of(after)
    split = day(2).split
    counts: dict[tuple[int, str], int] = {}
    for row in data.codes[split == 0].tolist():
        for field, code in enumerate(row):
            name = (field, data.categories[field][code])
            counts[name] = counts.get(name, 0) + 1
    admitted = {name for name, count in counts.items() if name not in old and count >= 2}
    assert new.keys() == old.keys() | admitted
    touched = {name for name in old if name in counts} | {(field, None) for field in range(3)}
    untouched = old.keys() - touched
    assert len(untouched) > 20
    for name in untouched:
        assert new[name] == old[name]
    assert all(new[name] != old[name] for name in touched if name[1] is not None)
    assert after.meta["init_from"]["added"] == [sum(name[0] == field for name in admitted) for field in range(3)]


@pytest.mark.parametrize("method", ["fp32", "alpt"])
def test_rows_that_no_batch_holds_stay_where_adam_moves_every_row_too(method: str, tmp_path: Path) -> None:
    config = tiny({"method": method, "optimizer": "dense_adam"}, epochs=2)
    train(config, day(1, vocabulary="train"), output=tmp_path / "1")
    before = read_checkpoint(tmp_path / "1")
    assert np.abs(before.arrays["table/optimizer.first"]).max() > 0  # momentum is left
    train(config, day(2), output=tmp_path / "2", init_from=tmp_path / "1")
    old, new = rows_of(before), rows_of(read_checkpoint(tmp_path / "2"))
    data, split = raw_day(2), day(2).split
    held = {(field, data.categories[field][code]) for row in data.codes[split == 0] for field, code in enumerate(row)}
    untouched = [name for name in old if name not in held and name[1] is not None]
    assert len(untouched) > 20
    for name in untouched:
        for key in old[name].keys() & {"weights", "packed", "step_size"}:
            assert new[name][key] == old[name][key]


def test_the_new_run_begins_with_all_that_the_old_one_left(first: Path) -> None:
    from alpt_ref.training.engine import make_engine

    start = start_from(first, tiny(), day(2))
    engine = make_engine(tiny(), start.dataset)
    start.load_into(engine)
    before, state = read_checkpoint(first), engine.state()
    assert state["optimizer/steps"] > 0
    for name, array in before.arrays.items():
        if name.startswith(DENSE):
            assert state[name].tobytes() == array.tobytes(), name
    assert any("running" in name or "mean" in name for name in before.arrays)  # batch norm's
    assert state["table/updates"] == before.arrays["table/updates"]
    assert not state["statistics/counts"].any()


def test_a_vocabulary_of_both_days_from_the_start_gives_the_same_run(tmp_path: Path) -> None:
    """Where no draw depends on a row's number: rounding to nearest, and initial rows of zero, so that fresh rows and
    rows that wait are alike. Day 1 on the vocabulary of both days, then day 2 with nothing new, is day 1 on its own
    vocabulary, then day 2 with growth."""
    config = tiny({"method": "fp32", "init_std": 0.0})
    one, two = day(1), day(2)
    train(config, one, output=tmp_path / "one")
    grown = start_from(tmp_path / "one", config, two)
    everything = grown.dataset.vocabulary
    assert everything is not None
    union = replace(
        one,
        ids=grown.growth.moved.astype(np.uint32)[one.ids],
        field_sizes=everything.field_sizes,
        vocabulary=everything,
        files=None,
    )
    train(config, union, output=tmp_path / "union")
    results = [
        train(config, two, output=tmp_path / f"{name} 2", init_from=tmp_path / name) for name in ("one", "union")
    ]
    assert results[0].test_auc == results[1].test_auc
    ends = [read_checkpoint(tmp_path / f"{name} 2") for name in ("one", "union")]
    assert [end.meta["init_from"]["added"] != [0, 0, 0] for end in ends] == [True, False]
    for name, array in ends[0].arrays.items():
        assert np.array_equal(ends[1].arrays[name], array), name  # bits but for the sign of a fresh row's zeros


def test_killed_and_resumed_it_has_the_same_bits(first: Path, tmp_path: Path) -> None:
    config = tiny(epochs=2)
    train(config, day(2), output=tmp_path / "whole", init_from=first)

    class Counter(Progress):
        batches = 0

        def advance(self, amount: int, note: str = "") -> None:
            self.batches += note != ""

    def after(counter: Counter, steps: int) -> bool:
        return counter.batches >= steps

    for steps in (2, 3):
        counter = Counter(enabled=False)
        with pytest.raises(StoppedError):
            train(
                config, day(2), output=tmp_path / "parts", init_from=first, resume=True,
                progress=counter, stop=partial(after, counter, steps),
            )  # fmt: skip
    train(config, day(2), output=tmp_path / "parts", init_from=first, resume=True)
    for file in ("state.safetensors", "checkpoint.json", "vocabulary.safetensors"):
        files = [(tmp_path / name / "state" / file).read_bytes() for name in ("whole", "parts")]
        assert files[0] == files[1]
    with pytest.raises(InputError, match="another beginning"):
        train(config, start_from(first, config, day(2)).dataset, output=tmp_path / "parts", resume=True)
    with pytest.raises(InputError, match="another beginning: it went on from another run"):
        train(config, day(2), output=tmp_path / "parts", init_from=InitFrom(first, min_count=2))


def test_a_run_of_an_earlier_release_has_no_dense_optimizer_to_go_on_with(first: Path, tmp_path: Path) -> None:
    content = read_checkpoint(first)
    kept = {name: array for name, array in content.arrays.items() if not name.startswith("optimizer/")}
    write_folder(tmp_path / "old" / "state", replace(content, arrays=kept))
    said: list[str] = []
    train(tiny(), day(2), init_from=tmp_path / "old", log=said.append)
    assert "without the dense optimizer's state" in said[-1]
    assert "ids kept" in said[0]


def test_days_in_a_row_and_rows_that_are_given_up(first: Path, tmp_path: Path) -> None:
    runs = [first]
    for number in (2, 3):
        runs.append(tmp_path / f"day {number}")
        train(tiny(), day(number), output=runs[-1], init_from=InitFrom(runs[-2], evict_after=2))
    ends = [read_checkpoint(run) for run in runs]
    texts = [[set(end.vocabulary.categories(field)) for field in range(3)] for end in ends if end.vocabulary]
    of_day = [{text for text in one[1] if text.endswith("of day 1")} for one in texts]
    assert of_day[0] == of_day[1] != set()  # a day without them is not enough
    assert of_day[2] == set()
    assert "app 1" in texts[1][2]
    assert "app 1" not in texts[2][2]
    assert texts[2][0] == {"a", "b", "c", "d"}
    assert [end.meta.get("init_from", {}).get("runs") for end in ends] == [None, 2, 3]
    assert ends[2].meta["init_from"]["removed"][1] == len(of_day[0])
    old, new = rows_of(ends[1]), rows_of(ends[2])
    seen = {name for name in old if name in new}
    assert any(old[name] == new[name] for name in seen)  # of day 2 alone: not held on day 3


def test_ids_without_a_vocabulary_mean_the_same_and_fields_may_be_longer(tmp_path: Path) -> None:
    data = synthetic_clicks(rows=1000, fields=3, features=60, seed=1)
    train(tiny(), data, output=tmp_path / "one")
    sizes = (*data.field_sizes[:2], data.field_sizes[2] + 5)
    ids = data.ids.copy()
    ids[:50, 2] = sum(sizes) - 1
    longer = replace(data, ids=ids, field_sizes=sizes)
    train(tiny(), longer, output=tmp_path / "two", init_from=tmp_path / "one")
    assert read_checkpoint(tmp_path / "two").meta["init_from"]["added"] == [0, 0, 5]
    with pytest.raises(InputError, match="field_sizes of the data must be at least the run's"):
        train(tiny(), data, init_from=tmp_path / "two")
    with pytest.raises(InputError, match="evict_after need a vocabulary"):
        train(tiny(), data, init_from=InitFrom(tmp_path / "one", evict_after=1))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (tiny({"bits": 4}), "table.bits must be 8 as in the run that is continued, got 4"),
        (tiny({"optimizer": "sgd"}), "table.optimizer must be 'adam'"),
        (tiny().replace("model", hidden=(9,)), r"model.hidden must be \(8,\)"),
    ],
)
def test_model_and_table_stay(first: Path, changed: RunConfig, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        train(changed, day(2), init_from=first)


def test_what_cannot_be_continued_is_refused_before_anything_is_written(first: Path, tmp_path: Path) -> None:
    other = replace(day(2), field_names=("os", "site", "page"), vocabulary=None)
    with pytest.raises(InputError, match="the run's fields os, site, app, got os, site, page"):
        train(tiny(), other, init_from=first, output=tmp_path / "run")
    with pytest.raises(InputError, match="the run has a vocabulary and the data have none"):
        train(tiny(), replace(day(2), vocabulary=None), init_from=first, output=tmp_path / "run")
    with pytest.raises(InputError, match="holds no finished run"):
        train(tiny(), day(2), init_from=tmp_path, output=tmp_path / "run")
    with pytest.raises(InputError, match="evict_after must be a whole number of at least 1"):
        InitFrom(first, evict_after=0)
    hashed = tiny({"method": "hashing"})
    train(hashed, day(1), output=tmp_path / "hashed")
    with pytest.raises(InputError, match="method 'hashing' takes no new ids"):
        train(hashed, day(2), init_from=tmp_path / "hashed", output=tmp_path / "run")
    schema = {"fields": [{"name": name, "kind": "categorical", "type": "text"} for name in NAMES]}
    numbers = {"fields": [{**schema["fields"][0], "type": "number"}, *schema["fields"][1:]]}
    train(tiny(), replace(day(1), info={"schema": schema}), output=tmp_path / "by schema")
    with pytest.raises(InputError, match="field os must be read as in the run"):
        train(
            tiny(),
            replace(day(2), info={"schema": numbers}),
            init_from=tmp_path / "by schema",
            output=tmp_path / "run",
        )
    with pytest.raises(InputError, match="output must be another folder"):
        train(tiny(), day(2), init_from=first, output=first)
    assert not (tmp_path / "run").exists()
