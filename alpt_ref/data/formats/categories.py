"""Categories of a field over all pieces of a file: which piece's code is which category of the whole."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import AlptWarning


class CategoryWarning(AlptWarning):
    """Values may stand for other categories than is meant: the same ones spelled in two ways, or ids out of order."""


def join_categories(pieces: Sequence[Any]) -> tuple[Any, list[NDArray[np.int32]]]:
    """One dictionary for several.

    Parameters
    ----------
    pieces : sequence of Arrow arrays of strings
        Distinct texts of each piece of the file. Compared by their bytes: no hash stands for a text.

    Returns
    -------
    Arrow array of large strings
        All distinct texts in order of first appearance.
    list of int32 arrays
        Per piece: where its texts stand in the former.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    large = [piece.cast(pa.large_utf8()) for piece in pieces]  # all texts of a field may exceed 2 GiB
    coded = pc.dictionary_encode(pa.chunked_array(large, type=pa.large_utf8()))
    chunks = coded.chunks or [pc.dictionary_encode(pa.array([], type=pa.large_utf8()))]
    where = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks])
    edges = np.cumsum([len(piece) for piece in pieces])  # Arrow leaves empty chunks out
    return chunks[-1].dictionary, np.split(where, edges[:-1])


def warn_of_shared_ids(field_names: Sequence[str], categories: Sequence[Any]) -> None:
    """CategoryWarning where one text is a category of several fields of a format whose rows are sets (libFM).

    Parameters
    ----------
    field_names : sequence of str
    categories : per field, Arrow array of large strings or list of str
        Distinct texts, all that the files hold.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [pa.array(field, type=pa.large_utf8()) if isinstance(field, list) else field for field in categories]
    counts = pc.value_counts(pa.chunked_array(texts, type=pa.large_utf8()))
    shared = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(shared):
        return
    first = shared[0]
    where = [name for name, field in zip(field_names, texts, strict=True) if pc.index(field, first).as_py() >= 0]
    warnings.warn(
        f"{len(shared):,} of {len(counts):,} ids stand in several fields, such as id {first.as_py()} in {where[0]} and "
        f"{where[1]}: a field is a position in the row, so that an id is another category in each, also where a row "
        "has it twice; where the position should not matter, write the ids of every row in one order, each once",
        CategoryWarning,
        stacklevel=3,
    )
