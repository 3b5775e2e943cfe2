"""Checkpoints that ranks write together: each rank its part of the table, rank 0 the rest.

A checkpoint is the folder that `alpt_ref.training.checkpoint` describes, in which the arrays of the table lie in one
file a rank, ``shard-RRRRR-of-NNNNN.safetensors``, with ``table/rows``, the rows that they belong to. Any number of
ranks reads it, one process too; all of them must see the folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from safetensors import SafetensorError

from alpt_ref._util import folders, sealed
from alpt_ref.errors import InputError
from alpt_ref.training import checkpoint
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.checkpoint_files import contents, said_to_be_unwritable
from alpt_ref.training.shards import PLACES, ROW_ARRAYS, is_shard, shard_name, shard_part, table_arrays

if TYPE_CHECKING:
    from alpt_ref.distributed.ranks import RankTable, TorchRanks

Arrays = dict[str, NDArray[Any]]


def write(ranks: TorchRanks, path: Path, content: Checkpoint, row_arrays: Iterable[str]) -> None:
    """Write the folder `path` together; see `checkpoint.write_folder`. `row_arrays`: see `shards`."""
    own, rest = table_arrays(content.arrays)
    meta = {**content.meta, ROW_ARRAYS: sorted(row_arrays)}
    files = contents(Checkpoint(content.config, rest, meta, content.timing))
    with contextlib.ExitStack() as stack:

        def begin() -> Path:
            with said_to_be_unwritable(path):
                return stack.enter_context(folders.new_folder(path))

        def write_own(scratch: Path) -> tuple[str, dict[str, Any]]:
            name = shard_name(ranks.rank, ranks.size)
            with said_to_be_unwritable(path):
                return name, sealed.write_arrays(scratch / name, {k: sealed.storable(k, v) for k, v in own.items()})

        def finish(scratch: Path, shards: dict[str, Any]) -> None:
            with said_to_be_unwritable(path):
                files.write(scratch, shards)
                stack.close()  # it gets its name

        scratch = ranks.once(begin)
        entry = ranks.each(lambda: write_own(scratch))
        shards = dict(ranks.everyone(entry))
        ranks.once(lambda: finish(scratch, shards))


def read(ranks: TorchRanks, path: Path, table: RankTable) -> Checkpoint:
    """The checkpoint in this very folder, with the rows of `table`'s rank.

    The table holds the checkpoint's state afterwards.

    Raises
    ------
    InputError
        On every rank, if it is damaged or does not fit.
    """
    manifest = ranks.each(lambda: checkpoint.read_manifest(path))
    names = [name for name in manifest["files"] if is_shard(name)]
    own = shard_name(table.rank, table.ranks)
    content = ranks.each(lambda: checkpoint.read_folder(path, table=not names))
    whole, arrays = table_arrays(content.arrays)
    held = ranks.each(lambda: _shard(path, own, manifest)) if own in names else None

    def of(place: str) -> Iterator[Arrays]:
        if not names:
            yield shard_part(whole, place)
        for name in names:
            yield shard_part(_shard(path, name, manifest), place)

    places = [place for place in PLACES[1:] if any(name.startswith(place) for name in content.arrays)]
    for place in (*places, ""):  # the run's own state last
        if held is None:
            table.load_shards(of(place))
        else:
            ranks.each(partial(table.load_state, shard_part(held, place)))
        arrays |= {f"{place}table/{name}": array for name, array in table.state().items()}
    return Checkpoint(content.config, arrays, content.meta, content.timing)


def _shard(path: Path, name: str, manifest: dict[str, Any]) -> Arrays:
    """Arrays of one file, its checksum verified."""
    try:
        return sealed.read_arrays(path, name, manifest["files"][name])
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"checkpoint {path} is damaged ({name}: {error})") from None
