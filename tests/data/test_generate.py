"""Generated raw text: the shape of the real sets, rows that depend on seed and number alone, a signal in the labels."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.cli import main
from alpt_ref.data import RawClicks, read_avazu, read_criteo
from alpt_ref.data.synthetic.generate import BLOCK, SHAPES, RawText, _mix, iter_raw_text, support
from alpt_ref.errors import InputError
from alpt_ref.training.metrics import auc

from .. import tolerances
from .files import write


def text_of(shape: str, rows: int, **options: Any) -> bytes:
    return b"".join(text for _, text in iter_raw_text(shape, rows, **options))


@pytest.fixture(scope="module", params=["criteo", "avazu"])
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RawClicks]:
    path = write(tmp_path_factory.mktemp("generated") / "clicks", text_of(request.param, BLOCK, seed=3))
    return request.param, {"criteo": read_criteo, "avazu": read_avazu}[request.param](path)


def test_the_reader_takes_every_row(generated: tuple[str, RawClicks]) -> None:
    _, clicks = generated
    assert (clicks.rows, clicks.bad_rows.count) == (BLOCK, 0)


def test_click_rate_is_that_of_the_real_set(generated: tuple[str, RawClicks]) -> None:
    shape, clicks = generated
    rate = SHAPES[shape]().click_rate
    assert abs(clicks.labels.mean() - rate) < tolerances.SIX_SIGMA * np.sqrt(rate * (1 - rate) / clicks.rows)


def test_labels_follow_the_planted_weights(generated: tuple[str, RawClicks]) -> None:
    shape, clicks = generated
    source = RawText(shape, 3)
    assert auc(clicks.labels, source._logits(source._ranks(0)).astype(np.float64)) > 0.65


def test_categories_and_gaps(generated: tuple[str, RawClicks]) -> None:
    """Small fields are seen whole, none is larger than its real counterpart; gaps have the stated share."""
    shape, clicks = generated
    for column in SHAPES[shape]().columns:
        if column.text == "hour":
            continue
        field = clicks.field_names.index(column.name)
        texts = clicks.categories[field]
        if column.name.startswith("I"):
            continue  # the reader joins neighbouring integers
        seen = len(texts) - ("" in texts)
        assert seen <= column.size
        if column.size < 100:
            assert seen == column.size
        empty = (clicks.codes[:, field] == texts.index("")).mean() if "" in texts else 0.0
        spread = np.sqrt(column.missing * (1 - column.missing) / clicks.rows)
        assert abs(empty - column.missing) <= tolerances.SIX_SIGMA * spread


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shorter_file_is_the_beginning_of_a_longer_one(shape: str) -> None:
    long = text_of(shape, BLOCK + 10, workers=3)
    assert long.startswith(text_of(shape, 100, workers=1))
    assert long.count(b"\n") == BLOCK + 10 + (shape == "avazu")
    assert long.endswith(RawText(shape).block(1, 10))
    assert gzip.decompress(text_of(shape, BLOCK + 10, compress=True)) == long
    assert text_of(shape, 100, seed=1) != text_of(shape, 100)


@pytest.mark.parametrize(("size", "rows"), [(50, 100), (300, 1_000), (5, 10_000)])
def test_support_shows_the_wanted_number_of_categories(size: int, rows: int) -> None:
    """Against the sum over categories of 1 - (1 - p)^rows."""

    def seen(total: int) -> float:
        p = np.log1p(1.0 / np.arange(1, total + 1)) / np.log(total + 1.0)
        return float((1.0 - (1.0 - p) ** rows).sum())

    total = support(size, rows)
    assert seen(total) == pytest.approx(size, abs=1.0)
    assert total >= size


def test_large_fields_of_the_real_rows() -> None:
    assert 10_131_227 < support(10_131_227, 45_840_617) < 2**32 - 1


def test_distinct_ranks_have_distinct_texts() -> None:
    ranks = np.arange(200_000, dtype=np.uint32)
    for salt in (0, 1, 2**40 + 7):
        assert len(np.unique(_mix(ranks, salt))) == len(ranks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "movies"}, "shape must be one of criteo, avazu"),
        ({"rows": 0}, "rows must be"),
        ({"rows": True}, "rows must be"),
        ({"seed": -1}, "seed must be"),
        ({"workers": 0}, "workers must be"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        text_of(**{"shape": "criteo", "rows": 10, **options})


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["data", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    generate = ("generate", "--shape", "criteo", "--rows", "100", "--seed", "5", "--output")
    assert run(*generate, "clicks.txt.gz") == 0
    assert gzip.decompress((tmp_path / "clicks.txt.gz").read_bytes()) == text_of("criteo", 100, seed=5)
    assert capsys.readouterr().out.startswith("wrote clicks.txt.gz: 100 rows, ")
    for output, message in (("clicks.txt.gz", "exists"), ("absent/clicks.txt", "folder absent of --output does not")):
        assert run(*generate, output) == 2
        assert message in capsys.readouterr().err
    assert run("generate", "--shape", "criteo", "--rows", "0", "--output", "more") == 2
    assert run("encode", "--criteo", "clicks.txt.gz", "--min-count", "2", "--output", "store", "--quiet") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clicks.txt.gz", "store"]


def test_interruptions_say_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clicks", text_of("criteo", 50))
    with monkeypatch.context() as patch:
        patch.setattr("alpt_ref.data.synthetic.generate.RawText.block", interrupt)
        assert run("generate", "--shape", "avazu", "--rows", "10", "--output", "more") == 130
        assert "interrupted; more was not written" in capsys.readouterr().err
        patch.setattr("alpt_ref.data.store.ingest.join_vocabulary", interrupt)
        assert run("encode", "--criteo", "clicks", "--output", "store") == 130
        assert "kept beside store, the same command resumes from there" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".store.ingest", "clicks"]
    assert run("encode", "--criteo", "clicks", "--output", "store") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clicks", "store"]
