"""Export to PyTorch: ``table.safetensors`` and a short module, ``embedding.py``, that reads it.

The module needs torch and safetensors, not this package. Its values are those of `table.lookup` bit for bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alpt_ref._util.files import write_text
from alpt_ref.serving import safetensors
from alpt_ref.serving.table import ServingTable

MODULE = "embedding.py"
FILES = (safetensors.FILE, MODULE)

SOURCE = '''"""Embedding table exported by alpt_ref: `QuantizedEmbedding()(ids)` is step_size * code (..., d)."""

import pathlib

import safetensors
import torch


class QuantizedEmbedding(torch.nn.Module):
    def __init__(self, file=pathlib.Path(__file__).with_name("table.safetensors")):
        super().__init__()
        with safetensors.safe_open(file, "pt") as stored:
            self.bits, self.d = (int(stored.metadata()[name]) for name in ("bits", "d"))
            for name in stored.keys():
                self.register_buffer(name, stored.get_tensor(name))

    def forward(self, ids):
        if ids.numel() and (ids.min() < 0 or ids.max() >= len(self.codes)):  # indexing would count -1 from the end
            raise IndexError(f"ids must be in [0, {len(self.codes)}), got {int(ids.min())} to {int(ids.max())}")
        codes = self.codes[ids]
        if self.bits == 32:
            return codes
        if self.bits < 8:  # several codes per byte, low bits first, two's complement
            shifts = torch.arange(0, 8, self.bits, dtype=torch.uint8, device=codes.device)
            codes = (codes.unsqueeze(-1) >> shifts & (2**self.bits - 1)).flatten(-2)[..., : self.d]
            codes = (codes ^ 2 ** (self.bits - 1)).float() - 2 ** (self.bits - 1)
        if hasattr(self, "field_offsets"):
            step_size = self.step_size[torch.bucketize(ids, self.field_offsets, right=True) - 1]
        else:
            step_size = self.step_size[ids] if len(self.step_size) > 1 else self.step_size.expand(ids.shape)
        return codes.float() * step_size.unsqueeze(-1)
'''
PLAIN = "        return codes.float() * step_size.unsqueeze(-1)\n"
WITH_BIAS = """        unsigned = codes.float() + 2 ** (self.bits - 1)
        return unsigned * step_size.unsqueeze(-1) + self.bias[ids].unsqueeze(-1)
"""


def write(table: ServingTable, folder: Path) -> dict[str, Any]:
    """Write ``table.safetensors`` and ``embedding.py``."""
    facts = safetensors.write(table, folder)
    write_text(folder / MODULE, SOURCE if table.bias is None else SOURCE.replace(PLAIN, WITH_BIAS))
    return facts
