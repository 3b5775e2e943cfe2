"""Values with blanks at their ends are kept as they are, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data import encode_file, read_criteo
from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.data.formats.columns import ColumnCoder
from alpt_ref.data.formats.padding import padding_of, padding_of_values
from tests.data.files import criteo_line

TEXTS = st.text("ab \t\xa0\u3000", max_size=3)


def write(path: Path, values: list[str], other: str = "x") -> Path:
    path.write_text("".join(criteo_line(row % 2, {}, C3=text, C5=other) + "\n" for row, text in enumerate(values)))
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "streamed": lambda path: encode_file("criteo", path, path.parent / path.stem, chunk_bytes=300),
    "in memory": read_criteo,
    "columns": lambda path: ColumnCoder.of(
        "C3", np.array([line.split("\t")[16] for line in path.read_text().splitlines()], object), bins=4
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_values_with_and_without_blanks_are_named(reader: str, tmp_path: Path) -> None:
    values = ["a", "b", "a ", "c", " b", "d"] * 5
    with pytest.warns(CategoryWarning, match=r"^2 values of C3 stand there with and without .* such as 'a '") as caught:
        READERS[reader](write(tmp_path / "c.txt", values))
    assert len(caught) == 1


@pytest.mark.parametrize("reader", READERS)
def test_a_field_of_padded_values_is_named(reader: str, tmp_path: Path) -> None:
    values = [f"{number} " for number in range(12)]
    with pytest.warns(CategoryWarning, match=r"^12 of 13 values of C3 stand there with blanks .* such as '0 '"):
        READERS[reader](write(tmp_path / "c.txt", [*values, "z"]))


@pytest.mark.parametrize("reader", READERS)
def test_a_few_padded_values_are_no_matter(reader: str, tmp_path: Path) -> None:
    values = [f"{number} " for number in range(9)]
    READERS[reader](write(tmp_path / "c.txt", values))
    READERS[reader](write(tmp_path / "d.txt", [*values, "x ", *"abcdefghijk"]))  # warnings are errors


def test_several_fields_are_counted(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.txt", ["a", "a "]).read_text() + write(tmp_path / "b.txt", ["a"], "x ").read_text()
    (tmp_path / "c.txt").write_text(lines)
    with pytest.warns(CategoryWarning, match=r"1 values of C3 \(and of 1 more fields\)"):
        read_criteo(tmp_path / "c.txt")


@given(values=st.lists(TEXTS, unique=True, max_size=12))
def test_arrow_and_python_agree(values: list[str]) -> None:
    assert padding_of(pa.array(values, pa.large_utf8())) == padding_of_values(values)
