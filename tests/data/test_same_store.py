"""The same rows in whatever holds them: one fingerprint of the store and one trained state, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alpt_ref import RunConfig, train
from alpt_ref.data import read
from alpt_ref.training.config import DataConfig
from alpt_ref.training.sources import encode, load_dataset

from .logs import ROWS, schema_with_layout, table, text_of


def csv_file(rows: pa.Table, folder: Path) -> Path:
    (folder / "log.csv").write_bytes(text_of(rows, ","))
    return folder / "log.csv"


def tsv_without_header(rows: pa.Table, folder: Path) -> Path:
    (folder / "log.tsv").write_bytes(text_of(rows, "\t", header=False))
    return folder / "log.tsv"


def zstd_file(rows: pa.Table, folder: Path) -> Path:
    with pa.CompressedOutputStream(str(folder / "log.csv.zst"), "zstd") as out:
        out.write(text_of(rows, ";"))
    return folder / "log.csv.zst"


def several_files(rows: pa.Table, folder: Path) -> list[Path]:
    """A CSV file, a Parquet file whose columns stand in another order, and a folder with the rest."""
    (folder / "rest").mkdir()
    (folder / "1.csv").write_bytes(text_of(rows.slice(0, 100), ","))
    pq.write_table(rows.slice(100, 40).select(rows.column_names[::-1]), folder / "2.parquet")
    (folder / "rest" / "3.csv").write_bytes(text_of(rows.slice(140), "|"))
    return [folder / "1.csv", folder / "2.parquet", folder / "rest"]


def parquet_file(rows: pa.Table, folder: Path) -> Path:
    pq.write_table(rows, folder / "log.parquet", row_group_size=77, compression="zstd")
    return folder / "log.parquet"


def arrow_file(rows: pa.Table, folder: Path) -> Path:
    with pa.ipc.new_file(str(folder / "log.arrow"), rows.schema) as out:
        out.write_table(rows, 50)
    return folder / "log.arrow"


def as_pandas(rows: pa.Table, folder: Path) -> Any:
    return pytest.importorskip("pandas") and rows.to_pandas()


def as_polars(rows: pa.Table, folder: Path) -> Any:
    return pytest.importorskip("polars").from_arrow(rows)


def as_categories(rows: pa.Table, folder: Path) -> Any:
    """polars' categories; several values a cell as texts with bars."""
    pl = pytest.importorskip("polars")
    frame = pl.from_arrow(rows).with_columns(pl.col("tags").list.join("|"))
    return frame.with_columns(pl.col("site", "tags").cast(pl.Categorical))


def bytes_in_parquet(rows: pa.Table, folder: Path) -> Path:
    """Texts of a writer that does not say that they are texts."""
    tags = pa.array(["|".join(one).encode() for one in rows["tags"].to_pylist()])
    site = rows["site"].cast(pa.binary())
    for name, column in (("site", site), ("tags", tags)):
        rows = rows.set_column(rows.column_names.index(name), name, column)
    pq.write_table(rows, folder / "bytes.parquet")
    return folder / "bytes.parquet"


def as_batches(rows: pa.Table, folder: Path) -> Any:
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(64))


FORMS: list[Callable[[pa.Table, Path], Any]] = [
    csv_file, tsv_without_header, zstd_file, several_files, parquet_file, arrow_file, as_pandas, as_polars, as_batches,
    as_categories, bytes_in_parquet,
]  # fmt: skip


def state_of(dataset: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Every array of a table and model trained on it."""
    config = RunConfig().replace("model", dim=4, hidden=(8,), cross_layers=1)
    config = config.replace("train", batch_size=32, epochs=1, milestones=()).replace("table", method="alpt", bits=8)
    result = train(config, dataset)
    assert result.table is not None
    assert result.model is not None
    return {**result.table.state(), **{f"model/{name}": one for name, one in result.model.state().items()}}


@pytest.fixture(scope="module")
def reference() -> tuple[str, dict[str, Any]]:
    """Fingerprint and trained state of the rows as an Arrow table."""
    dataset = read(table(), schema_with_layout(table())).encode(by="time", seed=3)
    return dataset.fingerprint, state_of(dataset)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_one_store_whatever_holds_the_rows(
    form: Callable[[pa.Table, Path], Any], reference: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    rows = table()
    source = form(rows, tmp_path)
    schema = schema_with_layout(rows)
    dataset = read(source, schema).encode(by="time", seed=3)
    assert dataset.rows == ROWS
    assert dataset.fingerprint == reference[0]
    if not isinstance(source, (Path, list)):
        return
    (tmp_path / "schema.toml").write_text(schema.to_toml())
    names = [str(one) for one in source] if isinstance(source, list) else str(source)
    config = DataConfig(
        source="files", path=tuple(names) if isinstance(names, list) else names,
        schema=str(tmp_path / "schema.toml"), split="time", seed=3,
    )  # fmt: skip
    stored = encode(config, tmp_path / "store")
    assert stored.fingerprint == load_dataset(config).fingerprint == reference[0]


@pytest.mark.parametrize("form", [zstd_file, as_batches], ids=lambda form: form.__name__)
def test_one_trained_state(
    form: Callable[[pa.Table, Path], Any], reference: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    rows = table()
    state = state_of(read(form(rows, tmp_path), schema_with_layout(rows)).encode(by="time", seed=3))
    assert state.keys() == reference[1].keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, reference[1][name], err_msg=name)


def test_another_value_is_another_store(reference: tuple[str, dict[str, Any]]) -> None:
    """The fingerprint would not tell sources apart if it told nothing apart."""
    rows = table()
    for name, value in (("site", "site 1"), ("price", 0.5), ("paid", 9), ("tags", ["a"])):
        column = rows[name].to_pylist()
        assert column[0] != value
        changed = rows.set_column(rows.column_names.index(name), name, pa.array([value, *column[1:]], rows[name].type))
        dataset = read(changed, schema_with_layout(rows)).encode(by="time", seed=3)
        assert dataset.fingerprint != reference[0], name


def test_files_of_parts_are_the_split(tmp_path: Path) -> None:
    rows = table()
    pieces = {"train": rows.slice(0, 150), "valid": rows.slice(150, 40), "test": rows.slice(190)}
    schema = schema_with_layout(rows)
    dataset = read(pieces, schema).encode()
    np.testing.assert_array_equal(dataset.split, np.repeat([0, 1, 2], [150, 40, 50]))
    files = {}
    for part, piece in pieces.items():
        (tmp_path / f"{part}.csv").write_bytes(text_of(piece, ","))
        files[part] = (str(tmp_path / f"{part}.csv"),)
    (tmp_path / "schema.toml").write_text(schema.to_toml())
    config = DataConfig(source="files", schema=str(tmp_path / "schema.toml"), **files)
    assert load_dataset(config).fingerprint == dataset.fingerprint
    without = {name: names for name, names in files.items() if name != "valid"}
    cut = load_dataset(DataConfig(source="files", schema=str(tmp_path / "schema.toml"), **without))
    assert np.bincount(cut.split).tolist() == [133, 17, 50]
