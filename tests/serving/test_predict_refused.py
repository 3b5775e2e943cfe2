"""What is not scored: files, stores and outputs that `predict` refuses or leaves rows out of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alpt_ref.data import encode_file
from alpt_ref.data.formats.unlabelled import has_label
from alpt_ref.errors import InputError
from alpt_ref.serving.predict import predict
from tests.data.files import write
from tests.serving.scored import LINES, Trained, rows_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return Trained(tmp_path_factory.mktemp("trained"))


def test_bad_rows_stop_or_are_counted(trained: Trained, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.txt", "\n".join([*LINES[:9], "0\tx", *LINES[9:30]]))
    with pytest.raises(InputError, match="line 10: 2 columns instead of 40"):
        predict(trained.run, tmp_path / "p.csv", kind="criteo", file=bad)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]
    scores = predict(trained.run, tmp_path / "p.csv", kind="criteo", file=bad, on_bad_row="skip")
    assert (scores.rows, scores.bad_rows) == (30, 1)


def test_a_row_keeps_its_number_in_the_file_where_bad_ones_are_left_out(trained: Trained, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.txt", "\n".join([*LINES[:9], "0\tx", *LINES[9:30]]))
    more = write(tmp_path / "more.txt", "\n".join(["", *LINES[30:50]]))
    predict(trained.run, tmp_path / "p.csv", kind="criteo", file=[bad, more], on_bad_row="skip")
    predict(trained.run, tmp_path / "whole.csv", kind="criteo", file=trained.file)
    scores, whole = rows_of(tmp_path / "p.csv"), rows_of(tmp_path / "whole.csv")
    assert [int(row["row"]) for row in scores] == [*range(9), *range(10, 31), *range(32, 52)]
    assert [row["probability"] for row in scores] == [row["probability"] for row in whole[:50]]


def test_more_bad_rows_than_the_share_leave_nothing(trained: Trained, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.txt", "\n".join([*LINES[:8], "x", "y"]))
    with pytest.raises(InputError, match=r"2 of 10 rows are bad, a share above 0\.1"):
        predict(trained.run, tmp_path / "p.csv", kind="criteo", file=bad, on_bad_row="skip")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.txt"]
    scores = predict(trained.run, tmp_path / "p.csv", kind="criteo", file=bad, on_bad_row="skip", max_bad_rows=0.2)
    assert (scores.rows, scores.bad_rows) == (8, 2)


@pytest.mark.parametrize("name", ["p.feather", "p.gz", "p.json", "p.libfm"])
def test_an_ending_that_is_not_written_is_refused(name: str, trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv or \.csv\.gz or \.txt"):
        predict(trained.run, tmp_path / name, store=trained.store)
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_not_written_over(trained: Trained, tmp_path: Path) -> None:
    clicks = write(tmp_path / "clicks.csv", "\n".join(LINES))
    (tmp_path / "also.csv").hardlink_to(clicks)
    before = clicks.read_bytes()
    for output in ("clicks.csv", "also.csv"):
        with pytest.raises(InputError, match=r"is the input .*clicks\.csv itself"):
            predict(trained.run, tmp_path / output, kind="criteo", file=[trained.file, tmp_path / "*cks.csv"])
    with pytest.raises(InputError, match="belongs to alpt-ref"):
        predict(trained.run, trained.run / "p.csv", store=trained.store)
    assert clicks.read_bytes() == before


def test_files_with_and_without_labels_are_not_mixed(trained: Trained, tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.txt", "\n".join(line.partition("\t")[2] for line in LINES))
    with pytest.raises(InputError, match=r"bare\.txt, line 1: has labels or has none, unlike the first file"):
        predict(trained.run, tmp_path / "p.csv", kind="criteo", file=[trained.file, bare])
    assert [path.name for path in tmp_path.iterdir()] == ["bare.txt"]


@pytest.mark.parametrize("damage", ["0", "5:1", "5:1 7:1 9:1", "x"])
def test_one_damaged_first_line_does_not_decide_whether_there_are_labels(damage: str) -> None:
    labelled, bare = ["1 5:1 7:1"] * 3, [" 5:1\t7:1"] * 3
    assert has_label("libfm", [damage, *labelled])
    assert not has_label("libfm", [damage, *bare])
    assert has_label("criteo", [damage, *LINES[:3]])
    assert not has_label("criteo", [damage, *(line.partition("\t")[2] for line in LINES[:3])])


def test_a_store_with_other_ids_is_refused_and_one_with_the_vocabulary_is_not(trained: Trained, tmp_path: Path) -> None:
    other = encode_file("criteo", trained.file, tmp_path / "other", min_count=5)
    with pytest.raises(InputError, match="was not encoded with the vocabulary of the run"):
        predict(trained.run, tmp_path / "p.csv", store=tmp_path / "other")
    assert not (tmp_path / "p.csv").exists()
    assert other.n != trained.dataset.n
    again = type(trained.dataset)(
        "again", trained.dataset.ids[:40], trained.dataset.labels[:40], trained.dataset.split[:40],
        trained.dataset.field_names, trained.dataset.field_sizes, {}, trained.dataset.vocabulary,
    )  # fmt: skip
    again.save(tmp_path / "again")
    assert predict(trained.run, tmp_path / "p.csv", store=tmp_path / "again").rows == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a store or raw files"),
        ({"store": "store", "kind": "criteo", "file": "clicks.txt"}, "needs a store or raw files"),
        ({"kind": "criteo", "file": "clicks.txt", "part": "test"}, "part must be all"),
        ({"store": "store", "part": "rest"}, "part must be all"),
        ({"kind": "criteo", "file": "absent.txt"}, "absent.txt does not exist"),
        ({"kind": "libfm", "file": "libfm.txt"}, "has 2 fields"),
        ({"kind": "criteo", "file": "empty.txt"}, "holds no rows"),
        ({"store": "absent"}, "does not exist"),
        ({"store": "store", "group": "user"}, r"group must be a field of the run \(.*\), got 'user'"),
        ({"kind": "parquet", "file": "clicks.txt"}, "kind must be one of"),
    ],
)
def test_bad_arguments_leave_nothing(options: Any, message: str, trained: Trained, tmp_path: Path) -> None:
    folder = trained.file.parent
    write(folder / "libfm.txt", "1 1:1 2:1\n")
    write(folder / "empty.txt", "")
    placed = {key: folder / value if key in ("store", "file") else value for key, value in options.items()}
    with pytest.raises(InputError, match=message):
        predict(trained.run, tmp_path / "p.csv", **placed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [".", "absent/p.csv"])
def test_outputs_that_cannot_be_written(output: str, trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder|does not exist"):
        predict(trained.run, tmp_path / output, store=trained.store)
