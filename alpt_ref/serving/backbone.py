"""The backbone beside an exported table: ``model.safetensors`` (parameters) and ``model.py`` (a PyTorch module).

The module needs torch and safetensors (and fbgemm-gpu where the table is FBGEMM's operator), not this package. It
computes logits as the papers define the backbones, batch norm with its running statistics, and probabilities; an id
outside its field is refused.

FBGEMM's inference operator has step sizes in float16. The module gives it the weight ``step_size / float16(step_size)``
for each row (``row_weight`` in ``model.safetensors``): the product is the step size but for one rounding, and scores
are those of the other exports within 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import write_text
from alpt_ref._version import __version__
from alpt_ref.models.ops_base import EPS
from alpt_ref.serving.arithmetic import FORWARDS
from alpt_ref.serving.container import tensor_file

FILE, MODULE = "model.safetensors", "model.py"
FORMAT, FORMAT_VERSION = "alpt_ref backbone", "1"
BESIDES = ("field_offsets", "row_weight", "slots")
"""Tensors of the file that are no parameters."""

SOURCE = f'''"""Click model exported by alpt_ref: `ClickModel().score(ids)`: probabilities of ids (rows, fields)."""

import importlib.util
import pathlib

import safetensors
import torch

HERE = pathlib.Path(__file__).parent

{{LOOKUP}}

class ClickModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        with safetensors.safe_open(HERE / "model.safetensors", "pt") as stored:
            self.kind, self.parts = stored.metadata()["kind"], sorted(stored.keys())
            for name in self.parts:
                self.register_buffer(name.replace(".", "_"), stored.get_tensor(name))
        self.rows = lookup(self)

    def part(self, name):
        return getattr(self, name.replace(".", "_"))

    def deep(self, x):
        layer = 0
        while (name := f"mlp.{{layer}}.") + "linear.weight" in self.parts:
            x = x @ self.part(name + "linear.weight")
            if name + "norm.weight" in self.parts:
                gain, shift, mean, variance = (
                    self.part(f"{{name}}norm.{{key}}").double()
                    for key in ("weight", "bias", "running_mean", "running_var")
                )
                scale = gain / (variance + {EPS!r}).sqrt()
                shift = shift - mean * scale
                x = (x * scale.float() + shift.float()).relu()
            else:
                x = (x + self.part(name + "linear.bias")).relu()
            layer += 1
        return x

    def unit(self, x):
        return x @ self.part("output.weight") + self.part("output.bias")

    def machine(self, x):
        factors = x[:, :, :-1]
        pairs = factors[:, 1:] * factors.cumsum(1)[:, :-1]
        return x[:, :, -1].sum(1) + pairs.sum((1, 2))

    def forward(self, ids, values=None):
        first, end = self.field_offsets[:-1], self.field_offsets[1:]
        if "slots" in self.parts:
            first, end = first.repeat_interleave(self.slots), end.repeat_interleave(self.slots)
        if ids.shape[1:] != first.shape or ((ids < first) | (ids >= end)).any():
            raise IndexError(f"ids must be (rows, {{len(first)}}), from {{first.tolist()}} to below {{end.tolist()}}")
        x = self.rows(ids)
        if "slots" in self.parts:
            if values is None or values.shape != ids.shape:
                raise IndexError(f"values must say what each id counts, {{tuple(ids.shape)}}, as encode.py gives them")
            fields = torch.eye(len(self.slots)).repeat_interleave(self.slots, 1)
            x = fields @ (x * values.unsqueeze(2))
        if self.kind == "logistic":
            return x.sum((1, 2)) + self.part("bias")
        if self.kind == "fm":
            return self.machine(x) + self.part("bias")
        if self.kind == "deepfm":
            return self.machine(x) + self.unit(self.deep(x[:, :, :-1].flatten(1)))
        first = x = x.flatten(1)
        if self.kind == "dnn":
            return self.unit(self.deep(x))
        for weight, bias in zip(self.part("cross.weight"), self.part("cross.bias")):
            x = first * (x @ weight).unsqueeze(1) + bias + x
        return self.unit(torch.cat([x, self.deep(first)], 1))

    @torch.no_grad()
    def score(self, ids, values=None):
        values = None if values is None else torch.as_tensor(values, dtype=torch.float32)
        return torch.sigmoid(self(torch.as_tensor(ids), values).double()).float()
'''


_BESIDE = """
def beside(name):
    spec = importlib.util.spec_from_file_location(f"alpt_{name}_{abs(hash(HERE))}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


"""
LOOKUPS = {
    "torch": _BESIDE
    + """def lookup(model):
    model.embedding = beside("embedding").QuantizedEmbedding()
    return model.embedding
""",
    "fbgemm": """
def lookup(model):
    with safetensors.safe_open(HERE / "table.safetensors", "pt") as stored:
        fused, about = stored.get_tensor("fused"), stored.metadata()
    width = "byte" if about["bits"] == "8" else about["bits"] + "bit"
    unpack, d = getattr(torch.ops.quantized, f"embedding_bag_{width}_unpack"), int(about["d"])
    return lambda ids: unpack(fused[ids.flatten()])[:, :d].view(*ids.shape, d)
""",
    "tbe": _BESIDE
    + """def lookup(model):
    with safetensors.safe_open(HERE / "table.safetensors", "pt") as stored:
        d = int(stored.metadata()["d"])
    operator = beside("embedding").load()

    def rows(ids):
        flat = ids.flatten()
        bags = torch.arange(len(flat) + 1, dtype=torch.int32)
        return operator(flat.int(), bags, model.row_weight[flat])[:, :d].reshape(*ids.shape, d)

    return rows
""",
}
"""Format -> source of ``lookup``, which gives ``ids (rows, fields) -> (rows, fields, d)``."""


def exportable(kind: str | None) -> bool:
    """Whether the arithmetic of this kind of backbone is written out here."""
    return kind in FORWARDS


def write_parameters(folder: Path, kind: str, dense: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write ``model.safetensors``: parameters and buffers under their names, the kind in the metadata."""
    arrays = {name: np.ascontiguousarray(array) for name, array in (*dense.items(), *extra.items())}
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, "version": __version__, "kind": kind}
    with tensor_file(folder / FILE, shapes, about) as file:
        for name, array in arrays.items():
            file.append(name, array)


def write_module(folder: Path, to: str) -> None:
    """Write ``model.py`` for the table of an export."""
    source = SOURCE.replace("{LOOKUP}", LOOKUPS[to].strip("\n") + "\n")
    if to == "fbgemm":
        source = source.replace("import importlib.util\n", "")
    write_text(folder / MODULE, source)
