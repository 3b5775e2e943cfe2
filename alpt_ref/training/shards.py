"""The files of a checkpoint that several ranks have written: the rows of the table lie in one file a rank.

``shard-RRRRR-of-NNNNN.safetensors`` holds the table's arrays with the rows of rank R alone, by their names in a
checkpoint of one process, and ``table/rows`` (int64), the rows of the whole table that they are. Arrays without one
entry a row are the same in every file. Earlier states of the table (``best/table/...``) lie there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
PLACES = ("", "best/", "last_good/")
"""Where a table's state may lie in a checkpoint: now, and earlier."""
_NAME = re.compile(r"shard-(\d{5})-of-(\d{5})\.safetensors")
ROW_ARRAYS = "row_arrays"
"""In the meta values of a checkpoint by ranks: names of the table's arrays that have one entry a row."""


def shard_name(rank: int, ranks: int) -> str:
    """File of one rank.

    Examples
    --------
    >>> shard_name(1, 4)
    'shard-00001-of-00004.safetensors'
    """
    return f"shard-{rank:05d}-of-{ranks:05d}.safetensors"


def is_shard(file: str) -> bool:
    """Whether a file has the name of a shard."""
    return _NAME.fullmatch(file) is not None


def shard_files(files: Iterable[str]) -> list[str]:
    """The shards among the files of a checkpoint, in the order of their ranks; `ValueError` unless all are there."""
    found = sorted(filter(is_shard, files))
    if found and found != [shard_name(rank, len(found)) for rank in range(len(found))]:
        raise ValueError(f"of the shards there are {', '.join(found)} only")
    return found


def written_by(files: Iterable[str]) -> int:
    """How many ranks have written a checkpoint of these files; without shards it was one process.

    Examples
    --------
    >>> written_by(["arrays.safetensors", shard_name(0, 2), shard_name(1, 2)]), written_by(["arrays.safetensors"])
    (2, 1)
    """
    return max(1, len(shard_files(files)))


def is_table(name: str) -> bool:
    """Whether an array of a checkpoint belongs to the table."""
    return any(name.startswith(f"{place}table/") for place in PLACES)


def table_arrays(arrays: Mapping[str, NDArray[Any]]) -> tuple[Arrays, Arrays]:
    """Arrays of the table, and the others."""
    return (
        {name: array for name, array in arrays.items() if is_table(name)},
        {name: array for name, array in arrays.items() if not is_table(name)},
    )


def shard_part(arrays: Mapping[str, NDArray[Any]], place: str) -> Arrays:
    """The table's state at one of `PLACES`, under the names of `EmbeddingTable.state`."""
    begin = f"{place}table/"
    return {name.removeprefix(begin): array for name, array in arrays.items() if name.startswith(begin)}


def assembled(shards: Iterable[Mapping[str, NDArray[Any]]], n: int, per_row: Iterable[str]) -> Arrays:
    """The arrays of a table of `n` rows from the shards of all ranks.

    Raises
    ------
    ValueError
        They do not hold every row once.

    Examples
    --------
    >>> one = {"table/weights": np.array([2.0, 3.0]), "table/rows": np.array([2, 0])}
    >>> two = {"table/weights": np.array([5.0]), "table/rows": np.array([1])}
    >>> assembled([one, two], 3, ["weights"])["table/weights"].tolist()
    [3.0, 5.0, 2.0]
    """
    names = frozenset(per_row)
    whole: Arrays = {}
    times = np.zeros(n, np.int64)
    for shard in shards:
        for place in PLACES:
            own = shard_part(shard, place)
            if not own:
                continue
            rows = own.pop("rows")
            if place == "":
                times[rows] += 1
            for name, array in own.items():
                key = f"{place}table/{name}"
                if name not in names:
                    whole[key] = array
                    continue
                if key not in whole:
                    whole[key] = np.zeros((n, *array.shape[1:]), array.dtype)
                whole[key][rows] = array
    if (times != 1).any():
        raise ValueError(f"its shards hold row {int(np.flatnonzero(times != 1)[0])} not once")
    return whole
