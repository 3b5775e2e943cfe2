"""What atheris runs, in a process of its own: ``python -m tests.data.atheris_target KIND FOLDER [libFuzzer options]``.

The same property as `test_fuzz.py` and `test_fuzz_schema.py`, on bytes chosen by the branches which they reach:
a reader refuses with one sentence, or every line is encoded or reported, whatever the size of the pieces.
"""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path
from typing import Any

import atheris
import pyarrow.csv  # noqa: F401  # before the first input, whose time it would be counted in

with atheris.instrument_imports(include=["alpt_ref.data"]):
    from alpt_ref.data.formats.readers import reader_of
    from alpt_ref.data.formats.sources import COMPRESSED
    from alpt_ref.data.raw import RawClicks, read_raw

    from .test_fuzz import READERS, count_lines, outcome
    from .test_fuzz_schema import SCHEMA, count_rows

warnings.simplefilter("ignore")  # ids that stand in several fields are no finding
KIND, PATH = sys.argv[1], Path(sys.argv[2]) / "clicks"


def read(size: int) -> RawClicks:
    """The file's rows, in pieces of so many bytes; bad ones left out."""
    if KIND in READERS:
        return READERS[KIND](PATH, on_bad_row="skip", max_bad_rows=1, chunk_bytes=size)
    named: dict[str, Any] = {"schema": SCHEMA} if KIND == "text" else {"kind": KIND}
    return read_raw(reader_of(PATH, on_bad_row="skip", max_bad_rows=1, chunk_bytes=size, **named))


def one_input(data: bytes) -> None:
    """Read a file with these bytes; any exception is a finding."""
    PATH.write_bytes(data)
    first, second = (outcome(functools.partial(read, size)) for size in (7, 1 << 20))
    if isinstance(first, str) or isinstance(second, str):
        assert first == second
        return
    assert first.info == second.info
    assert first.rows + first.bad_rows.count == first.info["rows_read"]
    if not any(data.startswith(magic) for magic in COMPRESSED):
        count = count_lines if KIND in READERS else count_rows
        assert first.info["rows_read"] == count(KIND, data)


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[3:]], one_input)
    atheris.Fuzz()
