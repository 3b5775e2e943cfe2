"""What every export holds besides its table: vocabulary, schema and backbone, and a README that says what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref._util.files import write_text
from alpt_ref.data.fields import offsets_of
from alpt_ref.serving import backbone, vocabulary_file
from alpt_ref.serving.source import ExportSource
from alpt_ref.serving.table import ServingTable

README = "README.md"
ALL = (*vocabulary_file.FILES, backbone.FILE, backbone.MODULE, README)
"""Every file that `write` may make."""

_USES = {
    "safetensors": "`table.safetensors` holds codes and step sizes, `model.safetensors` the backbone's parameters; "
    "`model.py` of an export `--to torch` computes with them.",
    "torch": "`model.py` (torch, safetensors) reads the other files.",
    "fbgemm": "`model.py` (torch, safetensors) reads rows with `torch.ops.quantized.embedding_bag_*_unpack`.",
    "tbe": "`model.py` (torch, safetensors, fbgemm-gpu) makes the operator and weighs rows by what float16 left of "
    "their step sizes.",
    "onnx": "`model.onnx` takes `ids`, int64 (rows, fields), and answers `logits` and `probabilities`, float32 "
    "(rows,); the table is in `table.bin` beside it.",
}
_CALLS = {
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
print(session.run(["probabilities"], {"ids": [ids]})[0])""",
    "torch": """from model import ClickModel

print(ClickModel().score([ids]))""",
}


def files_of(source: ExportSource, to: str) -> tuple[str, ...]:
    """Names of the files that `write` makes."""
    names = [*(vocabulary_file.FILES if source.vocabulary is not None else ()), README]
    if _with_backbone(source) and to != "onnx":
        names += [backbone.FILE, *((backbone.MODULE,) if to in backbone.LOOKUPS else ())]
    return tuple(names)


def lacks_of(source: ExportSource) -> tuple[str, ...]:
    """What of vocabulary, schema and backbone an export does not hold, in phrases."""
    if source.kind is None or backbone.exportable(source.kind):
        return source.lacks
    return (*source.lacks, f"the backbone, for {source.kind} models are not exported")


def write(source: ExportSource, to: str, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files of `files_of`; returns what ``export.json`` says of them."""
    if source.vocabulary is not None and source.schema is not None:
        vocabulary_file.write(folder, source.schema, source.vocabulary, source.slots)
    if _with_backbone(source) and to != "onnx":
        assert source.kind is not None
        extra = {"field_offsets": offsets_of(source.sizes)}
        if source.slots is not None:
            extra["slots"] = np.array(source.slots, np.int64)
        if to == "tbe":
            extra["row_weight"] = row_weights(source.table)
        backbone.write_parameters(folder, source.kind, source.dense, extra)
        if to in backbone.LOOKUPS:
            backbone.write_module(folder, to)
    about = {
        "model": source.kind if _with_backbone(source) else None,
        "fields": list(source.names),
        "field_sizes": list(source.sizes),
        "slots": None if source.slots is None else list(source.slots),
        "lacks": list(lacks_of(source)),
    }
    write_text(folder / README, _readme(source, to, {**facts, **about}))
    return about


def row_weights(table: ServingTable) -> Any:
    """``step_size / float16(step_size)`` of each row, float32 (n,)."""
    step_size = table.step_sizes(np.arange(table.n))
    return (step_size / step_size.astype(np.float16).astype(np.float64)).astype(np.float32)


def sentence(lacks: tuple[str, ...] | list[str]) -> str:
    """What the export holds, or lacks, in one sentence.

    Examples
    --------
    >>> sentence([])
    'it holds vocabulary, schema and backbone'
    >>> sentence(["the backbone, for own models are not exported"])
    'it lacks the backbone, for own models are not exported'
    """
    return f"it lacks {'; and '.join(lacks)}" if lacks else "it holds vocabulary, schema and backbone"


def _with_backbone(source: ExportSource) -> bool:
    return bool(source.sizes) and backbone.exportable(source.kind)


def _readme(source: ExportSource, to: str, facts: Mapping[str, Any]) -> str:
    table = source.table
    width = f"{table.bits}-bit codes" if table.bits < 32 else "float32 weights"
    held = sentence(facts["lacks"])
    lines = [
        f"# Click model exported by alpt_ref --to {to}",
        "",
        f"Table of {table.n:,} rows of {table.d} in {width}; values: {facts['values']}. {held[0].upper()}{held[1:]}.",
        "",
        _USES[to],
    ]
    if source.vocabulary is not None:
        lines += [
            "",
            "`encode.py` (Python's standard library alone) turns a raw row, a dict from column to value, into ids; it "
            "reads `vocabulary.json`.",
        ]
    call = _CALLS.get("torch" if to in backbone.LOOKUPS else to)
    if source.vocabulary is not None and facts["model"] and call:
        first = "ids = Encoder().ids(row)"
        if source.slots is not None:
            first, call = "ids, values = Encoder().encode(row)", call.replace("[ids]", "[ids], [values]", 1)
            if to == "onnx":
                call = call.replace("[ids], [values]}", '[ids], "values": numpy.float32([values])}')
                call = f"import numpy\n{call}"
        lines += ["", "```python", "from encode import Encoder", "", first, call, "```"]
    return "\n".join(lines) + "\n"
