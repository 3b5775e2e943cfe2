"""Categories of a field over all pieces of a file: which piece's code is which category of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
