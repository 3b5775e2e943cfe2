"""The table methods and backbones by name: where each lives and which settings it reads. Loads none of them.

A new method or backbone is its file and one entry here; configuration, run hash, `make_table`, `make_model` and
``alpt-ref compare`` follow from the entry.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

_GRID = ("bits", "granularity", "init_step", "init_range", "min_step")
_QUANTISED = (*_GRID, "rounding")
_PRUNING = ("sparsity", "prune_warmup", "prune_epochs", "prune_every")
_LEARNED = ("step_lr", "grad_scale", "step_domain", "two_pass")


@dataclass(frozen=True)
class Entry:
    """One named part.

    Attributes
    ----------
    home : str
        ``"module:Class"`` below this package.
    settings : tuple of str
        Settings of its configuration section that it reads, beyond those that every part reads.
    roundings : tuple of str
        Roundings that a comparison runs it with; empty for a method without.
    cuda : str
        ``home`` of a table's twin on the GPU; empty where there is none.
    """

    home: str
    settings: tuple[str, ...] = ()
    roundings: tuple[str, ...] = ()
    cuda: str = ""

    def load(self, device: str = "cpu") -> Any:
        """The class, or its twin on the GPU."""
        module, name = (self.cuda if device == "cuda" else self.home).split(":")
        return getattr(importlib.import_module(f".{module}", __package__), name)


TABLES: dict[str, Entry] = {
    "fp32": Entry("tables.full:FullTable", cuda="tables.cuda.tables:CudaFullTable"),
    "lpt": Entry("tables.lpt:LowPrecisionTable", _QUANTISED, ("dr", "sr"), "tables.cuda.tables:CudaLowPrecisionTable"),
    "alpt": Entry(
        "tables.alpt:AdaptiveTable", (*_QUANTISED, *_LEARNED), ("dr", "sr"), "tables.cuda.alpt:CudaAdaptiveTable"
    ),
    "hashing": Entry("tables.hashing:HashedTable", ("hash_ratio",)),
    "pruning": Entry("tables.pruning:PrunedTable", _PRUNING),
    "pact": Entry("tables.pact:PactTable", (*_GRID, "clip_lr")),
    "lsq": Entry("tables.lsq:LsqTable", (*_GRID, "step_lr", "grad_scale", "step_domain")),
}

MODELS: dict[str, Entry] = {
    "logistic": Entry("models.logistic:Logistic"),
    "fm": Entry("models.fm:Fm"),
    "dnn": Entry("models.dnn:Dnn", ("hidden", "batch_norm")),
    "deepfm": Entry("models.deepfm:DeepFm", ("hidden", "batch_norm")),
    "dcn": Entry("models.dcn:Dcn", ("cross_layers", "hidden", "batch_norm")),
}


def optional_settings(entries: dict[str, Entry]) -> tuple[str, ...]:
    """Every setting that some part reads and another does not, each once."""
    return tuple(dict.fromkeys(name for entry in entries.values() for name in entry.settings))


def comparison_labels() -> tuple[str, ...]:
    """``method`` or ``method-rounding`` for every table that a comparison can run."""
    return tuple(
        name if not rounding else f"{name}-{rounding}"
        for name, entry in TABLES.items()
        for rounding in (entry.roundings or ("",))
    )
