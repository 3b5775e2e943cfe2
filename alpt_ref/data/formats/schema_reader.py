"""Click rows by a schema from any container: text, Parquet, Arrow, tables in memory, several of them in turn.

Each file is what its first bytes say, so that files of different kinds may be read together; the rows, and with them
the store, do not depend on what held them.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Generator, Iterable, Mapping
from typing import Any, cast

import msgspec

from alpt_ref.data.fields import PARTS, FieldPlan, Part
from alpt_ref.data.formats.columnar import ColumnarFile
from alpt_ref.data.formats.lines import CHUNK_BYTES, LineSource, Progress
from alpt_ref.data.formats.pieces import MAX_BAD_ROWS, Job, OnBadRow, PieceReader
from alpt_ref.data.formats.schema_rows import RowPlan
from alpt_ref.data.formats.schema_text import text_jobs
from alpt_ref.data.formats.sources import container_of, head_of_stream, list_files
from alpt_ref.data.formats.tables import TableSource, is_table, table_name, table_rows
from alpt_ref.data.schema import Schema
from alpt_ref.errors import AlptWarning, InputError

KIND = "schema"


class SchemaReader(PieceReader):
    """One pass over whatever holds the rows that a schema describes; see `PieceReader`.

    Parameters
    ----------
    source : path, table, sequence of these, or mapping
        Paths as in `read_criteo`, URLs that fsspec knows, tables in memory (pandas, polars, Arrow, record-batch readers
        and whatever offers the Arrow C stream); a mapping of "train", "valid" and "test" to such sources keeps them
        apart as the parts of the data.
    schema : Schema
    on_bad_row, max_bad_rows, chunk_bytes, workers, progress
        As in `read_criteo`.
    times : bool
        Read the schema's column of times.
    labelled : bool, optional
        False: there is no label, every one is 0; None: read it where there is one. `labelled` says which it was. Labels
        without the schema's column of weights are read too, with a warning: every row counts 1.
    ids : bool
        Carry the schema's id columns along: `CodedRows.carried`.

    Raises
    ------
    InputError
        As `PieceReader`, and where a source cannot be read, lacks a column or holds one of a type that is no category.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from alpt_ref.data.raw import read_raw
    >>> schema = Schema.from_dict({"label": "click", "categorical": ["site"]})
    >>> table = pa.table({"site": ["a", "b", "a"], "click": [1, 0, 0]})
    >>> clicks = read_raw(SchemaReader(table, schema))
    >>> clicks.labels.tolist(), clicks.codes[:, 0].tolist(), clicks.categories
    ([1, 0, 0], [0, 1, 0], (['a', 'b'],))
    """

    def __init__(
        self,
        source: Any,
        schema: Schema,
        *,
        on_bad_row: OnBadRow = "error",
        max_bad_rows: float = MAX_BAD_ROWS,
        chunk_bytes: int = CHUNK_BYTES,
        workers: int | None = None,
        progress: Progress | None = None,
        times: bool = False,
        labelled: bool | None = True,
        ids: bool = False,
    ) -> None:
        """Check the arguments; what is named is opened by `pieces`."""
        named, parts = items_of(source)
        self._items = [item if is_table(item) else LineSource(item, chunk_bytes) for item in named]
        super().__init__(
            [str(item.path) if isinstance(item, LineSource) else table_name(item) for item in self._items],
            on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, workers=workers, progress=progress,
        )  # fmt: skip
        plan = RowPlan(schema, True, times, ids)
        bare = RowPlan(schema, False, times, ids)
        even = [RowPlan(msgspec.structs.replace(schema, weight=None), True, times, ids)] if schema.weight else []
        self._plans = [plan, *even, bare] if labelled is None else [plan if labelled else bare]
        self.labelled = labelled is not False
        """Whether the rows have labels; where that was left open, known once they have been read."""
        self.parts = parts
        self.schema = schema.to_dict()
        self.min_count = schema.min_count
        self._units: dict[int, str] = {}
        self._shares: dict[int, Any] = {}

    @property
    def fields(self) -> tuple[FieldPlan, ...]:
        """As the schema lists them."""
        return self._plans[0].fields

    @property
    def kind(self) -> str:
        """The same for all schemas: ``info["schema"]`` has the schema."""
        return KIND

    def unit_of(self, source: int) -> str:
        """Lines of text, rows of everything else."""
        return self._units.get(source, "row")

    def _jobs(self) -> Generator[Job, None, None]:
        used: RowPlan | None = None
        for number, item in enumerate(self._items):
            for job in self._jobs_of(number, item):
                if used is None:
                    used = self._begun(number, job.plan)
                elif job.plan != used:
                    first, this = (self.names[0], used), (self.names[number], job.plan)
                    most, least = sorted((first, this), key=lambda one: -len(one[1].needed))
                    what = "weights" if least[1].labelled else "labels"
                    raise InputError(f"{most[0]} has {what} and {least[0]} has none; name files of one kind")
                yield job

    def _begun(self, number: int, plan: RowPlan) -> RowPlan:
        """What the first rows have decides what all must have."""
        self.labelled, weight = plan.labelled, self._plans[0].schema.weight
        if plan.labelled and plan.schema.weight != weight:
            warnings.warn(
                f"{self.names[number]} has labels but no column {weight!r}, the schema's weight, so that every row "
                "counts 1 in the metrics",
                AlptWarning,
                stacklevel=2,
            )
        return plan

    def _jobs_of(self, number: int, item: Any) -> Generator[Any, None, Any]:
        if not isinstance(item, LineSource):
            return (yield from TableSource(number, item, self._plans).jobs())
        with item.opened(binary=True) as stream:
            container = container_of(head_of_stream(stream))
            if container == "text":
                self._units[number] = "line"
                return (yield from text_jobs(number, item, stream, self._plans))
            file = self._shares[number] = ColumnarFile(number, item, container, self._plans)
            return (yield from file.jobs(stream))

    def _done(self) -> tuple[int, int]:
        done = size = 0
        for number, item in enumerate(self._items):
            if not isinstance(item, LineSource):
                done += self.rows_of_sources[number]
                size += table_rows(item)
            else:
                file = self._shares.get(number)
                done += int(item.size * file.share) if file is not None else item.done
                size += item.size
        return min(done, size) if size else done, size

    def describe(self) -> dict[str, Any]:
        """Name, size and SHA-256 of the file, or of all and of each; of a table what it is."""
        files: list[dict[str, Any]] = [
            item.describe() if isinstance(item, LineSource) else {"table": table_name(item), "rows": rows}
            for item, rows in zip(self._items, self.rows_of_sources, strict=True)
        ]
        if len(files) == 1:
            return files[0]
        held = [file for file in files if "sha256" in file]
        digest = hashlib.sha256("".join(file["sha256"] for file in held).encode()).hexdigest()
        total = {"bytes": sum(file["bytes"] for file in held), "sha256": digest} if held else {}
        return {**files[0], **total, "files": files}

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Whether the files have the checksums that `source` lists; tables are not looked at."""
        held = source.get("files", [source])
        return len(self._items) == len(held) and all(
            isinstance(item, LineSource) and _sha256(item) == entry.get("sha256")
            for item, entry in zip(self._items, held, strict=True)
        )


def _sha256(item: LineSource) -> str:
    with item.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def items_of(source: Any) -> tuple[list[Any], tuple[Part, ...] | None]:
    """Files and tables in the order in which they are read, and the part of the data that each is."""
    if not isinstance(source, Mapping):
        return _listed(source), None
    unknown = sorted(str(part) for part in source if part not in PARTS)
    if unknown or "train" not in source:
        wrong = f"got {unknown[0]!r}" if unknown else "train is missing"
        raise InputError(
            f"the parts of the data must be train, valid and test, {wrong}; give columns as a DataFrame or Arrow table"
        )
    named = [(cast(Part, part), item) for part in PARTS if part in source for item in _listed(source[part])]
    files = [item for _, item in named if not is_table(item)]
    if len({str(file) for file in files}) < len(files):
        twice = next(str(file) for place, file in enumerate(files) if file in files[:place])
        raise InputError(f"file {twice} is named for two parts of the data; its rows would be trained and tested on")
    return [item for _, item in named], tuple(part for part, _ in named)


def _listed(source: Any) -> list[Any]:
    if is_table(source):
        return [source]
    if isinstance(source, (str, os.PathLike)):
        return list(list_files(source))
    if hasattr(source, "collect") and not isinstance(source, Iterable):
        raise InputError(
            f"the rows must be at hand, got a {table_name(source)} that is yet to be computed; collect() it"
        )
    if not isinstance(source, Iterable):
        raise InputError(
            "the rows must be files, a pandas or polars DataFrame, an Arrow table or record batches, "
            f"got {source!r:.80}"
        )
    items = list(source)
    if not any(is_table(item) for item in items):
        wrong = [item for item in items if not isinstance(item, (str, os.PathLike))]
        if wrong:
            raise InputError(f"the rows must be files or tables, got {wrong[0]!r:.80}")
        return list(list_files(items))
    return [one for item in items for one in _listed(item)]
