"""Export and serving: a trained or imported table for other runtimes, one file per format.

A new format is a file with `FILES` (or a rule for them) and `write`, and an entry in `FORMATS`; what its export holds
besides the table is in `complete`, its PyTorch lookup, if it has one, in `backbone.LOOKUPS`, how `Scorer` reads it back
in `exported`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.serving.packed import pack as pack
    from alpt_ref.serving.scorer import Scorer as Scorer

_HOMES = {"Scorer": "scorer", "pack": "packed"}
"""Names that load on first use."""

FORMATS = ("safetensors", "torch", "fbgemm", "tbe", "onnx")


def export(path: str | Path, to: str, output: str | Path, *, wide: bool = False) -> dict[str, Any]:
    """Export a run, a checkpoint or a quantised table.

    Parameters
    ----------
    path : path
        See `alpt_ref.serving.source.load`.
    to : {"safetensors", "torch", "fbgemm", "tbe", "onnx"}
        See the module of that name.
    output : folder
        Made if absent; an older export of the same kind is replaced. Besides the table it receives vocabulary, schema
        and ``encode.py`` (`vocabulary_file`), the backbone (`backbone`, or ``model.onnx``) and a README.
    wide : bool
        With fbgemm: 4- and 2-bit codes as 8-bit rows, whose float32 scales hold every step size.

    Returns
    -------
    dict
        What ``export.json`` holds: the table (``n``, ``d``, ``bits``, ``table_bytes``, ``about``), how far the exported
        values are from `table.lookup` (``max_abs``, ``max_rel``, and ``values`` in words), what the export ``lacks`` of
        vocabulary, schema and backbone, and the ``files``.

    Raises
    ------
    InputError
        Nothing to export at `path`, a format that cannot hold it, or a folder that cannot be written. Nothing has been
        written then.
    """
    from alpt_ref._util.outputs import check_results_folder
    from alpt_ref.serving import complete, fbgemm, folder, onnx, safetensors, source, tbe, torch

    if to not in FORMATS:
        raise InputError(f"to must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {to!r}")
    if wide and to != "fbgemm":
        raise InputError(f"--wide belongs to --to fbgemm, got --to {to}")
    check_results_folder(output)
    if to == "onnx":
        onnx.check()
    found = source.load(path)
    table = found.table
    if to == "fbgemm":
        fbgemm.check(table, wide=wide)
    elif to == "tbe":
        tbe.check(table)
    known = {"safetensors": safetensors, "torch": torch, "fbgemm": fbgemm, "tbe": tbe}
    files = known[to].FILES if to in known else None
    own = onnx.files_of(found.kind) if files is None else files
    names = (*own, *complete.files_of(found, to))
    target = folder.claim(output, to, onnx.ALL if files is None else files, complete.ALL)
    (target / folder.MARKER).unlink(missing_ok=True)  # from here on the folder is not whole
    for name in {*complete.ALL, onnx.MODEL} - {*names}:  # of an older export that held more
        (target / name).unlink(missing_ok=True)
    if to == "safetensors":
        facts = safetensors.write(table, target)
    elif to == "torch":
        facts = torch.write(table, target)
    elif to == "fbgemm":
        facts = fbgemm.write(table, target, wide=wide)
    elif to == "tbe":
        facts = tbe.write(table, target)
    else:
        facts = onnx.write(table, target, found.kind, found.dense, found.slots)
    about = {"n": table.n, "d": table.d, "bits": table.bits, "table_bytes": table.nbytes(), "about": table.about}
    facts |= complete.write(found, to, target, facts)
    return folder.finish(target, to, names, {**about, **facts})


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
