"""Passes of CTRClassifier: how many, those of `partial_fit` and `warm_start`, and what a pickled one does."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from alpt_ref import CTRClassifier
from alpt_ref._util.progress import Progress
from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.errors import InputError
from alpt_ref.training.fit_epochs import held_out, settled
from alpt_ref.training.metrics import logloss
from alpt_ref.training.recipe import FEW
from tests.sklearn_rows import quick, rows


def test_a_pass_of_partial_fit_is_an_epoch_of_fit() -> None:
    X, y = rows()
    whole = quick(epochs=3).fit(X, y)
    steps = quick().partial_fit(X, y, classes=[False, True]).partial_fit(X, y).partial_fit(X, y)
    assert np.array_equal(whole.decision_function(X), steps.decision_function(X))
    assert whole.loss_curve_ == steps.loss_curve_


@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_a_pickled_estimator_goes_on_bit_for_bit(method: str) -> None:
    X, y = rows()
    first = quick(method=method).fit(X, y)
    copy = pickle.loads(pickle.dumps(first))
    assert np.array_equal(first.decision_function(X), copy.decision_function(X))
    more, labels = rows(300, seed=1)
    for clf in (first, copy):
        clf.partial_fit(more, labels)
    assert np.array_equal(first.decision_function(X), copy.decision_function(X))
    assert first.loss_curve_ == copy.loss_curve_


def test_a_pass_changes_the_predictions_and_gives_new_categories_rows() -> None:
    X, y = rows()
    clf = quick().fit(X, y)
    before, size = clf.decision_function(X), clf.table_.n
    codes = {name: codes_of(clf)[row] for name, row in rows_by_name(clf).items()}
    clf.partial_fit([["c", 5, 1], [None, 5, 2]] * 100, [True] * 200)
    assert clf.table_.n == size + 2
    after = clf.decision_function(X)
    assert not np.array_equal(after, before)
    assert np.array_equal(after, pickle.loads(pickle.dumps(clf)).decision_function(X))  # nothing old is kept
    assert len(set(clf.decision_function([["c", 5, 1], [None, 5, 1], ["never seen", 5, 1]]))) == 3
    now = {name: codes_of(clf)[row] for name, row in rows_by_name(clf).items()}
    touched = {(0, "c"), (0, None), (1, 5), (2, 1), (2, 2)}
    assert touched <= now.keys() == codes.keys() | {(0, "c"), (0, None)}
    for name in codes.keys() - touched:
        assert np.array_equal(now[name], codes[name])


def codes_of(clf: CTRClassifier) -> np.ndarray[Any, Any]:
    codes = clf.table_.codes()
    assert codes is not None
    return codes


def rows_by_name(clf: CTRClassifier) -> dict[tuple[int, Any], int]:
    """(column, value or None for missing) -> row of the table, from the coders' dictionaries."""
    found: dict[tuple[int, Any], int] = {}
    for column, (coder, first) in enumerate(zip(clf._learner.coders, clf._learner.offsets.tolist(), strict=True)):
        found |= {(column, value): first + local for value, local in coder.index.items()}
        found |= {(column, None): first + coder.missing} if coder.missing else {}
    return found


def test_new_categories_need_their_least_count_and_bins_stay() -> None:
    X = [[value, number] for value, number in zip("aabb" * 50, np.linspace(0, 1, 200), strict=True)]
    clf = quick(min_count=2).fit(X, [0, 1] * 100)
    size = clf.table_.n
    clf.partial_fit([["c", 0.5], ["c", 7.5], ["d", 0.5]], [0, 1, 1])
    assert clf.table_.n == size + 1
    assert clf.predict_proba([["d", 0.5]])[0, 1] == clf.predict_proba([["e", 0.5]])[0, 1]
    hashed = quick(method="hashing").fit(X, [0, 1] * 100)
    size = hashed.table_.n
    with pytest.warns(CategoryWarning, match="100 % of the values of column 0 of X"):
        hashed.partial_fit([["c", 0.5]] * 20, [0, 1] * 10)
    assert hashed.table_.n == size


def test_passes_after_a_fit_are_at_the_update_rate_and_less_in_a_small_call() -> None:
    X, y = rows(256)
    clf = quick(method="fp32", epochs=1, batch_size=128).fit(X, y)
    half = pickle.loads(pickle.dumps(clf)).set_params(update_rate=0.5)
    moved = {}
    for name, one, count in (("usual", clf, 128), ("half", half, 128), ("quarter of a batch", half, 32)):
        copy = pickle.loads(pickle.dumps(one))
        seen: list[dict[str, float]] = []
        original = copy._learner.engine.train

        def spy(span: Any, on: Any, seen: Any = seen, original: Any = original) -> Any:
            seen.append(span.rates)
            return original(span, on)

        copy._learner.engine.train = spy
        copy.partial_fit(X[:count], y[:count])
        moved[name] = {key: rate / 0.01 for key, rate in seen[0].items()}
    assert moved == {
        "usual": pytest.approx({"table": 0.3, "dense": 0.3}),
        "half": pytest.approx({"table": 0.5, "dense": 0.5}),
        "quarter of a batch": pytest.approx({"table": 0.125, "dense": 0.125}),
    }
    with pytest.raises(InputError, match="update_rate must be"):
        clf.set_params(update_rate=-1.0).partial_fit(X, y)


def test_new_values_are_usual_after_an_update_and_another_spelling_is_named() -> None:
    X, y = rows()
    clf = quick().fit(X, y)
    days = [[[f"{first} of {day}", second, third] for first, second, third in X] for day in (2, 3)]
    with pytest.warns(CategoryWarning, match="100 % of the values of column 0 of X are unknown"):
        clf.predict(days[0])
    clf.partial_fit(days[0], y)  # no word: new ids are what a new day brings
    clf.predict(days[1])
    as_text = [[first, str(second), third] for first, second, third in X]
    with pytest.warns(CategoryWarning, match="column 1 of X are unknown .* of another type; convert the column"):
        clf.partial_fit(as_text, y)


def test_warm_start_goes_on_for_some_more_epochs() -> None:
    X, y = rows()
    more, labels = rows(300, seed=1)
    more[0][0] = "new"
    warm = quick(warm_start=True, epochs=2).fit(X, y)
    steps = quick(epochs=2).fit(X, y)
    assert np.array_equal(warm.decision_function(X), steps.decision_function(X))
    warm.fit(more, labels)
    steps.partial_fit(more, labels).partial_fit(more, labels)
    assert np.array_equal(warm.decision_function(X), steps.decision_function(X))
    assert warm.loss_curve_ == steps.loss_curve_
    assert len(warm.loss_curve_) == 4
    assert len(warm.set_params(epochs=1, lr=1e-3).fit(X, y).loss_curve_) == 5
    before = warm.decision_function(X)
    with pytest.raises(InputError, match=r"^bits must be 8 as in the former fit; make a new estimator"):
        warm.set_params(bits=4).fit(X, y)
    assert np.array_equal(warm.decision_function(X), before)


def test_bad_calls_of_partial_fit_change_nothing() -> None:
    X, y = rows(100)
    with pytest.raises(InputError, match="classes must be given in the first call"):
        quick().partial_fit(X, y)
    with pytest.raises(InputError, match="classes must be two labels"):
        quick().partial_fit(X, y, classes=[0, 1, 2])
    clf = quick().fit(X, y)
    before = clf.decision_function(X)
    with pytest.raises(InputError, match="y must hold labels of classes"):
        clf.partial_fit(X, np.where(y, 2, 0))
    with pytest.raises(InputError, match="classes must be those of the first call"):
        clf.partial_fit(X, y, classes=[0, 5])
    assert np.array_equal(clf.decision_function(X), before)


def test_the_passes_are_those_that_held_out_rows_say() -> None:
    X, y = rows(900)
    clf = CTRClassifier("fp32", dim=4, hidden=(8,), lr=0.03, random_state=3).fit(X, y)
    curve = clf.validation_curve_
    assert curve is not None
    best = int(np.argmin(curve))
    assert len(curve) == best + 1 + 2  # two without a better one
    assert len(clf.loss_curve_) == best + 1
    same = CTRClassifier("fp32", dim=4, hidden=(8,), lr=0.03, random_state=3, epochs=best + 1, batch_norm=False)
    assert np.array_equal(same.fit(X, y).decision_function(X), clf.decision_function(X))  # fitted on all rows
    assert same.validation_curve_ is None


def test_the_held_out_logloss_is_that_of_a_model_that_has_not_seen_the_rows() -> None:
    X, y = rows(900)
    clf = CTRClassifier("fp32", dim=4, hidden=(8,), random_state=3, validation_fraction=0.25).fit(X, y)
    seed = clf._learner.config.train.seed
    held = held_out(y.astype(np.uint8), 0.25, seed)
    assert held is not None
    assert [round(0.25 * (y == label).sum()) for label in (False, True)] == [
        (held & (y == label)).sum() for label in (False, True)
    ]
    encoded = clf._learner.dataset(clf._learner.encode(clf._columns(X, reset=False)), y.astype(np.uint8))
    other = clf._learner.afresh()
    other.train(dataclasses.replace(encoded, split=held.astype(np.uint8)), 1, Progress(enabled=False))
    p = 1 / (1 + np.exp(-other.logits([column[held] for column in clf._columns(X, reset=False)])))
    assert clf.validation_curve_ is not None
    assert clf.validation_curve_[0] == pytest.approx(logloss(y[held], p), rel=1e-5)


def test_few_rows_get_a_fixed_number_of_passes_and_batch_norm_comes_with_many() -> None:
    X, y = rows(60)
    few = CTRClassifier(dim=2, hidden=(4,), random_state=0).fit(X, y)
    assert (few.validation_curve_, len(few.loss_curve_)) == (None, 5)
    assert settled({"epochs": "auto", "batch_norm": "auto"}, FEW - 1)["batch_norm"] is False
    assert settled({"epochs": "auto", "batch_norm": "auto"}, FEW)["batch_norm"] is True
    assert settled({"epochs": 3, "batch_norm": True}, 10) == {"epochs": 3, "batch_norm": True}


def test_parts_and_a_warm_start_make_one_pass_with_the_former_model() -> None:
    X, y = rows(900)
    warm = CTRClassifier("fp32", dim=2, hidden=(4,), random_state=0, warm_start=True).fit(X, y)
    done = len(warm.loss_curve_)
    assert len(warm.fit(X, y).loss_curve_) == done + 1
    assert warm._learner.config.model.batch_norm is False
    parts = CTRClassifier("fp32", dim=2, hidden=(4,), random_state=0)
    assert len(parts.partial_fit(X, y, classes=[False, True]).loss_curve_) == 1
    assert parts._learner.config.model.batch_norm is False


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": "many"}, "epochs must be a whole number of at least 1, or 'auto', got 'many'"),
        ({"batch_norm": "on"}, "batch_norm must be True or False, or 'auto', got 'on'"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be a number above 0 and below 1, got 1\.0"),
    ],
)
def test_settings_of_the_passes_that_mean_nothing(settings: Any, message: str) -> None:
    X, y = rows(200)
    with pytest.raises(InputError, match=message):
        CTRClassifier(dim=2, hidden=(4,), **settings).fit(X, y)
