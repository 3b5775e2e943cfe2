"""What is exported or served: a run, a checkpoint or a packed run, or a table that was exported or quantised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import path_of
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import offsets_of
from alpt_ref.errors import InputError
from alpt_ref.models import make_model
from alpt_ref.quantizer import pack
from alpt_ref.serving import safetensors
from alpt_ref.serving.folder import MARKER, verified
from alpt_ref.serving.table import FLOAT_BITS, ServingTable, blocks, in_order
from alpt_ref.serving.vocabulary_file import schema_of_data
from alpt_ref.tables.state_keys import current_state
from alpt_ref.training.build import build
from alpt_ref.training.checkpoint import Checkpoint, read_checkpoint
from alpt_ref.training.config import RunConfig, config_hash

if TYPE_CHECKING:
    from alpt_ref.data.schema import Schema
    from alpt_ref.data.vocabulary import Vocabulary
    from alpt_ref.models.base import Model
    from alpt_ref.tables.base import EmbeddingTable


@dataclass(frozen=True)
class ExportSource:
    """A table and, where it comes from a run, what turns raw rows into scores.

    Attributes
    ----------
    table : ServingTable
    kind : str or None
        The backbone's, with its parameters `dense`.
    names, sizes : tuples
        Of the fields, in the order of ids.
    vocabulary, schema : optional
        How raw rows become ids.
    slots : tuple of int, optional
        Places of each field, where fields hold several values or values beside ids.
    lacks : tuple of str
        What of vocabulary, schema and backbone is not here, and why: phrases after "it lacks".
    """

    table: ServingTable
    kind: str | None = None
    dense: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    sizes: tuple[int, ...] = field(default=(), repr=False)
    vocabulary: Vocabulary | None = field(default=None, repr=False)
    schema: Schema | None = field(default=None, repr=False)
    slots: tuple[int, ...] | None = field(default=None, repr=False)
    lacks: tuple[str, ...] = field(
        default=("vocabulary, schema and backbone, for it was made of a table alone",), repr=False
    )


def load(path: str | Path) -> ExportSource:
    """The table (and backbone) at `path`.

    Parameters
    ----------
    path : path
        Output folder of a run, a checkpoint's folder, a packed run, a folder or file with a table that ``alpt-ref
        quantize`` wrote, or an export to safetensors or torch, with all that it holds.

    Raises
    ------
    InputError
        There is nothing of the kind, or it is damaged.
    """
    path = path_of(path, "path")
    if not path.exists():
        raise InputError(f"{path} does not exist; name a run, a checkpoint or a quantised table")
    if path.is_file():
        return ExportSource(safetensors.read(path))
    if (path / MARKER).exists():
        from alpt_ref.serving import exported

        if exported.holds_codes(path):
            return exported.read(path).source
        return ExportSource(safetensors.read(verified(path, safetensors.FILE)))
    return of_checkpoint(read_trained(path))


def read_trained(path: str | Path) -> Checkpoint:
    """The checkpoint of a run, or the packed run, at `path`; see `read_checkpoint` and `packed.read`."""
    from alpt_ref.serving import packed

    folder = path_of(path, "run")
    return packed.read(folder) if (folder / packed.MARKER).exists() else read_checkpoint(folder)


def of_checkpoint(checkpoint: Checkpoint) -> ExportSource:
    """All that serving needs of a checkpoint."""
    meta, kind = checkpoint.meta, checkpoint.config.model.kind
    names = tuple(str(name) for name in meta.get("field_names", ()))
    sizes = tuple(int(size) for size in meta.get("field_sizes", ()))
    vocabulary, schema, lacks = _encoding(checkpoint, names)
    slots = tuple(map(int, meta["slots"])) if "slots" in meta else None
    if slots is None and schema is not None and not schema.single:
        slots = (1,) * len(sizes)  # no row of the training data had more or fewer
    table, dense = serving_table(checkpoint), checkpoint.part("model")
    return ExportSource(table, kind, dense, names, sizes, vocabulary, schema, slots, lacks)


def _encoding(
    checkpoint: Checkpoint, names: tuple[str, ...]
) -> tuple[Vocabulary | None, Schema | None, tuple[str, ...]]:
    """Vocabulary and schema of a run, and what is lacking of them."""
    from alpt_ref.serving.raw_rows import vocabulary_of

    if checkpoint.vocabulary is None and checkpoint.meta.get("encoder") is None:
        return None, None, (f"a vocabulary and a schema, for {checkpoint.meta['dataset']} has ids alone",)
    try:
        vocabulary = vocabulary_of(checkpoint, None)
    except InputError:
        return None, None, ("vocabulary and schema, which an unfinished run does not hold: name a finished one",)
    schema, lack = schema_of_data(checkpoint.meta.get("info", {}), names)
    return vocabulary if schema is not None else None, schema, (lack,) if lack else ()


def serving_table(checkpoint: Checkpoint) -> ServingTable:
    """What a checkpoint needs to answer lookups.

    Codes and step sizes of LPT, ALPT, ECO and rowmax (with its biases), and float32 weights, are taken unchanged. The
    table of any other method is restored: it becomes its codes and step sizes where it has them (and reads just that,
    which is tested for methods of other distributions), else the float32 values of its lookup.
    """
    config, meta, arrays = checkpoint.config, checkpoint.meta, checkpoint.part("table")
    if "packed" in meta:
        return _packed_table(meta, arrays)
    about = {"method": config.table.method, "config": config_hash(config), "dataset": str(meta["dataset"])}
    d, bits = int(meta["d"]), config.table.bits
    arrays = current_state(arrays)
    if config.table.entry.built_in and {"packed", "step_size"} <= arrays.keys():
        quantised = {"rounding": config.table.rounding, "granularity": config.table.granularity}
        owners, bias = _owners(config, meta), arrays.get("bias")
        table = ServingTable(d, bits, arrays["packed"], arrays["step_size"], owners, about | quantised, bias)
    elif config.table.method == "fp32" and "weights" in arrays:
        table = ServingTable(d, FLOAT_BITS, arrays["weights"], about=about)
    else:
        restored = _restored_table(config, meta, arrays)
        codes, step_size = restored.codes(), restored.step_size
        coded = None
        if codes is not None and step_size is not None and restored.bits is not None:
            quantised = {"rounding": restored.rounding or "dr", "granularity": config.table.granularity}
            packed, owners = pack(codes, restored.bits), _owners(config, meta)
            coded = ServingTable(d, restored.bits, packed, np.array(step_size), owners, about | quantised)
        if coded is not None and (config.table.entry.built_in or _reads_like(coded, restored)):
            table = coded
        else:
            table = ServingTable(d, FLOAT_BITS, _looked_up(restored), about=about)
    if table.n != meta["n"]:
        raise InputError(f"the checkpoint's table has {table.n} rows, its manifest says {meta['n']}; name another one")
    return table


def _packed_table(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ServingTable:
    """The table that a packed run holds, which nothing has to be restored for."""
    facts, step_size = meta["packed"], arrays.get("step_size")
    own = step_size is not None and len(step_size) == len(meta["field_sizes"])
    owners = field_offsets(meta) if own else None
    about = in_order(facts["about"])
    return ServingTable(
        int(meta["d"]), int(facts["bits"]), arrays["data"], step_size, owners, about, arrays.get("bias")
    )


def _reads_like(coded: ServingTable, table: EmbeddingTable) -> bool:
    """Whether codes times step sizes are what the table reads, bit for bit."""
    parts = (np.arange(first, last) for first, last in blocks(table.n, table.d))
    return all(np.array_equal(coded.lookup(rows), table.lookup(rows)) for rows in parts)


def _owners(config: RunConfig, meta: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """Field offsets where step sizes belong to fields."""
    return field_offsets(meta) if config.table.granularity == "field" else None


def field_offsets(meta: Mapping[str, Any]) -> NDArray[np.int64]:
    """First row of each field, and n."""
    if not meta.get("field_sizes"):
        raise InputError("the checkpoint does not say how many rows each field has; train again with this release")
    return offsets_of(tuple(int(size) for size in meta["field_sizes"]))


def _restored_table(config: RunConfig, meta: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> EmbeddingTable:
    """The table as it was trained; a dataset of one row stands for the data, of which only the sizes matter now."""
    sizes, none = tuple(int(size) for size in meta["field_sizes"]), np.zeros(1, np.uint8)
    names = tuple(str(name) for name in meta["field_names"])
    row = offsets_of(sizes)[None, :-1].astype(np.uint32)
    table, _ = build(config, ClickDataset(str(meta["dataset"]), row, none, none, names, sizes))
    table.load_state(arrays)
    return table


def _looked_up(table: EmbeddingTable) -> NDArray[np.float32]:
    values = np.empty((table.n, table.d), np.float32)
    for first, last in blocks(table.n, table.d):
        values[first:last] = table.lookup(np.arange(first, last))
    return values


def restored_model(checkpoint: Checkpoint) -> Model:
    """The backbone with its trained parameters."""
    settings, kind = checkpoint.config.model, checkpoint.config.model.kind
    model = make_model(kind, int(checkpoint.meta["fields"]), settings.dim, **settings.own())
    model.load_state(checkpoint.part("model"))
    return model
