"""The synthetic click model is what it says: frequencies, coefficients, Bayes figures, and rows that stay the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from alpt_ref.data import iter_synthetic_blocks, make_synthetic_model, synthetic_clicks, write_synthetic
from alpt_ref.data.synthetic import clicks as clicks_module
from alpt_ref.data.synthetic import model as model_module
from alpt_ref.data.synthetic.clicks import default_field_sizes
from alpt_ref.data.synthetic.model import BLOCK
from alpt_ref.errors import InputError

from .. import tolerances
from .files import folder_bytes


def _pairwise_logit(model: Any, ids: NDArray[np.uint32]) -> NDArray[np.float64]:
    """The definition: bias, sum over fields, sum over pairs of fields."""
    truth = model.truth
    logits = np.full(len(ids), model.solved_bias)
    for row, features in enumerate(ids):
        logits[row] += sum(truth.linear[feature] for feature in features)
        logits[row] += sum(float(truth.vectors[a] @ truth.vectors[b]) for a, b in itertools.combinations(features, 2))
    return logits


def _slow_auc(labels: NDArray[np.uint8], scores: NDArray[np.float64]) -> float:
    """Share of (positive, negative) pairs in the right order, ties one half."""
    difference = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def test_probabilities_follow_the_definition() -> None:
    model = make_synthetic_model(fields=5, features=200, seed=3)
    block = next(iter_synthetic_blocks(model, 200))
    np.testing.assert_allclose(
        block.probabilities, expit(_pairwise_logit(model, block.ids)), rtol=0, atol=tolerances.LOGIT_EXACT
    )


def test_bayes_figures_against_the_definitions() -> None:
    dataset, p = synthetic_clicks(20_000, fields=6, features=300, seed=5, return_probabilities=True)
    test = dataset.rows_of("test")
    y, p = dataset.labels[test], p[test]
    realised = np.where(y == 1, -np.log(p), -np.log(1 - p)).sum() / len(y)
    entropy = (-p * np.log(p) - (1 - p) * np.log(1 - p)).sum() / len(y)
    assert dataset.info["bayes_logloss"] == pytest.approx(realised, abs=tolerances.BAYES_FIGURES)
    assert dataset.info["bayes_logloss_expected"] == pytest.approx(entropy, abs=tolerances.BAYES_FIGURES)
    assert dataset.info["bayes_auc"] == pytest.approx(_slow_auc(y, p), abs=tolerances.BAYES_FIGURES)


def test_fingerprint_does_not_depend_on_last_bits_of_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another SciPy or NumPy may round a logarithm, a root or a logistic function the other way."""
    before = synthetic_clicks(20_000, fields=6, features=300, seed=5).fingerprint
    for module, name in ((model_module, "expit"), (clicks_module, "xlogy"), (clicks_module, "xlog1py")):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *values, function=function: np.nextafter(function(*values), np.inf))
    monkeypatch.setattr(model_module, "brentq", lambda *values: brentq(*values) + 1e-13)
    assert synthetic_clicks(20_000, fields=6, features=300, seed=5).fingerprint == before
    assert synthetic_clicks(20_000, fields=6, features=300, seed=6).fingerprint != before


def test_default_model_is_realistic() -> None:
    info = synthetic_clicks(100_000).info
    assert 0.78 < info["bayes_auc"] < 0.82
    assert info["bayes_auc"] - info["main_effects_auc"] > 0.05
    assert abs(info["click_rate"] - 0.25) < tolerances.CLICK_RATE


def test_logit_has_the_stated_moments_under_the_model() -> None:
    model = make_synthetic_model(fields=8, features=2000, linear_std=0.7, interaction_std=0.4, bias=-1.5, seed=2)
    truth, start = model.truth, 0
    variance, means, covariances = 0.0, [], []
    for size, cumulative in zip(model.field_sizes, truth.cumulative, strict=True):
        weights, rows = np.diff(cumulative, prepend=0.0), slice(start + 1, start + size)
        means += [float(weights @ truth.linear[rows]), *(weights @ truth.vectors[rows]).tolist()]
        variance += float(weights @ truth.linear[rows] ** 2)
        covariances.append((truth.vectors[rows] * weights[:, None]).T @ truth.vectors[rows])
        start += size
    pairs = sum(float(np.trace(a @ b)) for a, b in itertools.combinations(covariances, 2))
    np.testing.assert_allclose(means, 0, atol=tolerances.LOGIT_EXACT)
    assert variance**0.5 == pytest.approx(0.7, rel=1e-9)
    assert pairs**0.5 == pytest.approx(0.4, rel=1e-9)
    block = next(iter_synthetic_blocks(model, BLOCK))
    logit = np.log(block.probabilities / (1 - block.probabilities))
    assert logit.std() == pytest.approx((0.7**2 + 0.4**2) ** 0.5, rel=tolerances.LOGIT_MOMENTS)


@pytest.mark.parametrize("exponent", [0.0, 1.1, 2.0])
def test_categories_follow_zipf(exponent: float) -> None:
    rows = 100_000
    dataset = synthetic_clicks(rows, field_sizes=(21, 501), exponent=exponent, seed=1)
    for field, size in enumerate(dataset.field_sizes):
        weights = np.arange(1, size) ** -exponent
        p = weights / weights.sum()
        counts = np.bincount(dataset.ids[:, field] - dataset.field_offsets[field], minlength=size)
        assert counts[0] == 0  # the out-of-vocabulary id never occurs
        head = slice(0, 20)
        error = np.abs(counts[1:] / rows - p)[head]
        assert (error < tolerances.ZIPF_SIGMAS * np.sqrt(p * (1 - p) / rows)[head]).all()


def test_click_rate_is_solved_or_follows_the_bias() -> None:
    for rate in (0.03, 0.6):
        dataset = synthetic_clicks(BLOCK, fields=5, features=300, positive_rate=rate)
        assert dataset.labels.mean() == pytest.approx(rate, abs=tolerances.CLICK_RATE)
    dataset = synthetic_clicks(BLOCK, fields=5, features=300, bias=0.0)
    assert dataset.info["parameters"]["bias"] == 0.0


def test_first_rows_of_a_longer_set_are_equal() -> None:
    longer, p_longer = synthetic_clicks(BLOCK + 5000, fields=4, features=100, seed=9, return_probabilities=True)
    for rows in (1, 777, BLOCK, BLOCK + 1):
        shorter, p = synthetic_clicks(rows, fields=4, features=100, seed=9, return_probabilities=True)
        for name in ("ids", "labels", "split"):
            np.testing.assert_array_equal(getattr(shorter, name), getattr(longer, name)[:rows])
        np.testing.assert_array_equal(p, p_longer[:rows])


def test_chunk_size_and_path_do_not_matter(tmp_path: Path) -> None:
    options: dict[str, Any] = {"fields": 4, "features": 100, "seed": 9}
    dataset = synthetic_clicks(BLOCK + 100, **options)
    small = write_synthetic(
        tmp_path / "small",
        np.int64(BLOCK + 100),  # type: ignore[arg-type]
        chunk_rows=997,
        **options,
    )
    large = write_synthetic(tmp_path / "large", BLOCK + 100, **options)
    assert folder_bytes(tmp_path / "small") == folder_bytes(tmp_path / "large")
    assert small.fingerprint == large.fingerprint == dataset.fingerprint


def test_seed_decides_everything() -> None:
    first, again, other = (synthetic_clicks(2000, fields=4, features=100, seed=seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint
    assert (first.ids != other.ids).any()
    assert (first.labels != other.labels).any()
    assert (first.split != other.split).any()


def test_every_run_of_ten_rows_is_split_8_1_1() -> None:
    split = synthetic_clicks(BLOCK + 1000, fields=3, features=50).split
    runs = np.sort(split.reshape(-1, 10), axis=1)
    assert (runs == [0] * 8 + [1, 2]).all()


def test_field_sizes_sum_to_features() -> None:
    for fields, features in ((1, 3), (10, 10_000), (39, 1_000_003), (26, 78)):
        sizes = default_field_sizes(fields, features)
        assert len(sizes) == fields
        assert sum(sizes) == features
        assert min(sizes) >= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 0}, "rows must be"),
        ({"rows": 2.5}, "rows must be"),
        ({"fields": 0}, "fields must be"),
        ({"fields": 2.5}, "fields must be"),
        ({"features": 29}, "features must be"),
        ({"field_sizes": (1, 5)}, "field_sizes must be"),
        ({"field_sizes": 5}, "field_sizes must be"),
        ({"exponent": -0.1}, "exponent must be"),
        ({"exponent": float("nan")}, "exponent must be"),
        ({"rank": 0}, "rank must be"),
        ({"linear_std": float("inf")}, "linear_std must be"),
        ({"interaction_std": -1.0}, "interaction_std must be"),
        ({"positive_rate": 1.0}, "positive_rate must"),
        ({"bias": float("nan")}, "bias must be"),
        ({"seed": -1}, "seed must be"),
        ({"split": (0, 1, 1)}, "split must"),
        ({"split": 8}, "split must"),
        ({"colour": "blue"}, "unknown option"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        synthetic_clicks(**options)
    with pytest.raises(InputError, match=message):
        write_synthetic(tmp_path / "store", **options)
    assert list(tmp_path.iterdir()) == []


def test_degenerate_models_work() -> None:
    assert "bayes_auc" in synthetic_clicks(1000, field_sizes=(3,), interaction_std=0.5).info  # one field: no pairs
    flat = synthetic_clicks(1000, fields=2, features=20, linear_std=0.0, interaction_std=0.0)
    assert flat.info["bayes_auc"] == 0.5
    assert "bayes_auc" not in synthetic_clicks(5, fields=2, features=20).info  # too few test rows to tell
