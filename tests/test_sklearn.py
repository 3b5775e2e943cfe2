"""`CTRClassifier` as scikit-learn sees it, and as its user does: categories of any kind in, the same bits out."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import alpt_ref.sklearn as module
from alpt_ref import CTRClassifier
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels import jit as _jit
from tests.sklearn_rows import quick, rows

pytest.importorskip("sklearn")

REPEATED = "batch normalisation counts rows and not weights, and stochastic rounding draws by the place of a row"


def expected_failures(estimator: CTRClassifier) -> dict[str, str]:
    """Check -> reason. Without both a row of weight 2 is the row twice, which logistic regression is checked for."""
    exact = estimator.model == "logistic" and estimator.method == "fp32"
    return {} if exact else {"check_sample_weight_equivalence_on_dense_data": REPEATED}


@parametrize_with_checks(
    [
        CTRClassifier(),
        CTRClassifier("fp32", model="logistic", lr=0.1),
        CTRClassifier("lpt", model="deepfm", lr=0.01, epochs=3, batch_norm=True),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_finds_no_fault(estimator: Any, check: Any) -> None:
    check(estimator)


def test_what_holds_the_categories_does_not_change_a_bit() -> None:
    X, y = rows()
    expected = quick().fit(X, y).decision_function(X)
    forms: list[Any] = [np.array(X, object), tuple(map(tuple, X))]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["x", "y", "z"])
    forms += [frame, frame.astype(object), frame.astype({"x": "category", "y": "Int64", "z": "Float64"})]
    forms += [frame.astype({"x": "string", "y": "float32", "z": "category"})]
    for form in forms:
        assert np.array_equal(quick().fit(form, y).decision_function(form), expected)


def test_it_learns_categories_interactions_and_missing_values() -> None:
    X, y = rows(4000)
    clf = quick(epochs=4).fit(X, y)
    click = clf.predict_proba([["a", 5, 1], ["b", 5, 1], ["a", 8, 1], ["b", 8, None]])[:, 1]
    assert click == pytest.approx([0.7, 0.1, 0.1, 0.35], abs=0.15)
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]


def test_nearby_fractions_are_alike_and_far_ones_are_not() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2000, 1))
    clf = quick().fit(x, x[:, 0] > 0)
    assert clf.predict([[-0.87654], [-5.0], [0.87654], [5.0]]).tolist() == [False, False, True, True]


def test_unseen_and_rare_categories_share_one_row() -> None:
    X, y = rows()
    X[0][0] = "rare"
    clf = quick(min_count=2).fit(X, y)
    logits = clf.decision_function([["rare", 5, 1], ["new", 5, 1], [3.5, 5, 1], [None, 5, 1], ["a", 5, 1]])
    assert len(set(logits[:4])) == 1 != len(set(logits))


@pytest.mark.parametrize("labels", [("no", "yes"), (3, -1), (False, True), (0.0, 1.0)])
def test_labels_are_any_two_values(labels: tuple[Any, Any]) -> None:
    X, y = rows(1200)
    named = np.array(labels)[y.astype(int)]
    clf = quick(epochs=5).fit(X, named)
    assert clf.classes_.tolist() == sorted(labels)
    predicted = clf.predict(X)
    assert set(predicted) == set(labels)
    assert (predicted == named).mean() > (~y).mean()  # better than no click everywhere
    click = clf.predict_proba(X)[:, sorted(labels).index(labels[1])]
    assert np.array_equal(predicted == labels[1], click > 0.5)


@pytest.fixture
def threads() -> Iterator[Any]:
    before = _jit.num_threads()
    yield _jit.set_num_threads
    _jit.set_num_threads(before)


def test_same_random_state_same_bits_whatever_the_threads(threads: Any) -> None:
    X, y = rows(1500)
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(clone(quick(batch_size=500)).fit(X, y).decision_function(X).tobytes())
    assert results[0] == results[1] == results[2]
    assert quick(random_state=1).fit(X, y).decision_function(X).tobytes() != results[0]


def test_the_table_holds_the_codes_of_the_method() -> None:
    X, y = rows()
    table = quick(bits=4, model="fm").fit(X, y).table_
    assert (table.n, table.d) == (1 + 2 + 1 + 4 + 1 + 2 + 1, 5)  # three out-of-vocabulary rows and 9 categories
    assert table.codes().dtype == np.int8
    assert np.abs(table.codes()).max() <= 8
    assert table.nbytes("serving") == table.n * (4 + 4)
    assert quick(method="fp32").fit(X, y).table_.codes() is None


def test_searches_over_settings_with_numpy_numbers() -> None:
    X, y = rows(300)
    search = GridSearchCV(quick(epochs=1), {"bits": np.array([2, 8]), "model": ["fm", "logistic"]}, cv=2)
    assert search.fit(np.array(X, object), y).best_score_ > 0.5


def test_example_of_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 3}, "^bits must be 2, 4, 8 or 16, got 3"),
        ({"method": "gpt"}, "^method must be fp32, lpt"),
        ({"model": "gpt"}, "^model must be logistic, fm, dnn, deepfm, dcn or module:Class, got 'gpt'"),
        ({"lr": -1}, "^lr must be a finite number above 0"),
        ({"hidden": 5}, "^hidden must be one or more whole numbers"),
        ({"epochs": 0}, "^epochs must be a whole number of at least 1, got 0"),
        ({"min_count": 0}, "^min_count must be a whole number of at least 1, got 0"),
        ({"bins": 1}, "^bins must be a whole number of at least 2, got 1"),
    ],
)
def test_a_bad_setting_is_one_sentence_and_keeps_the_former_fit(settings: dict[str, Any], message: str) -> None:
    X, y = rows(100)
    clf = quick().fit(X, y)
    before = clf.decision_function(X)
    with pytest.raises(InputError, match=message):
        clf.set_params(**settings).fit(X, y)
    assert np.array_equal(clf.decision_function(X), before)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([["a"], ["b"]], [1, 1], "y must have two classes, got 1 class"),
        ([["a"], ["b"], ["c"]], [1, 2, 3], "Only binary classification is supported"),
        ([["a"], ["b", "c"]], [0, 1], "X must be rows of one length"),
        ([["a"], [{}]], [0, 1], "column 0 of X: every argument must be a string or a number"),
        ([[1.5], [np.inf]], [0, 1], "column 0 of X contains infinity"),
    ],
)
def test_bad_data_are_one_sentence(X: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick().fit(X, y)


def test_divergence_names_the_step() -> None:
    X, y = rows(100)
    clf = quick().fit(X, y)
    with pytest.raises(TrainingError, match=r"training diverged at step \d+: .*; lower lr"):
        clf.set_params(lr=1e30).fit(X, y)
    clf.predict(X)  # the former fit
    broken = quick(method="fp32", lr=1e30, epochs=1, batch_size=1000).fit(X, y)  # one step
    with pytest.raises(TrainingError):
        broken.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        broken.predict(X)


def test_without_scikit_learn_the_package_imports_and_says_what_is_missing() -> None:
    script = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from alpt_ref import *\nimport alpt_ref\n"
        "try:\n    alpt_ref.CTRClassifier\nexcept alpt_ref.InputError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("CTRClassifier needs scikit-learn 1.6 or later")
    assert "): pip install 'scikit-learn>=" in result.stdout
