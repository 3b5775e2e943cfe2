"""The grid of a comparison: (method, bits) × seeds, each cell a complete run configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from alpt_ref._util.parts import find, split_label
from alpt_ref.catalog import TABLES, comparison_labels
from alpt_ref.errors import InputError
from alpt_ref.studies.folds import require_different_folds
from alpt_ref.training.config import RunConfig, config_hash

METHODS = comparison_labels()
DEFAULT_METHODS = ("fp32", "lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
BITS = (8, 4, 2)
SEEDS = (0, 1, 2, 3, 4)


class Setting(NamedTuple):
    """A method and its bits; `bits` is None for a float32 method (fp32, hashing, pruning)."""

    label: str
    bits: int | None

    def __str__(self) -> str:
        """``fp32`` or ``alpt-sr 4-bit``."""
        return self.label if self.bits is None else f"{self.label} {self.bits}-bit"


FP32 = Setting("fp32", None)


class Cell(NamedTuple):
    """One run of the grid."""

    setting: Setting
    config: RunConfig

    def __str__(self) -> str:
        """``alpt-sr 4-bit seed 2``."""
        return f"{self.setting} seed {self.config.train.seed}"


def make_settings(methods: Iterable[str], bits: Iterable[int]) -> tuple[Setting, ...]:
    """Every method at every number of bits that it can have; fp32 comes first, always, as the reference."""
    settings = [FP32]
    for label in methods:
        has_bits = "bits" in find("table", split_label(label)[0], "methods").settings
        settings += [Setting(label, one) for one in bits] if has_bits else [Setting(label, None)]
    return tuple(dict.fromkeys(settings))


def configure(base: RunConfig, setting: Setting) -> RunConfig:
    """`base` with the setting's method, rounding and bits."""
    method, rounding = split_label(setting.label)
    changes: dict[str, Any] = {"bits": setting.bits, "rounding": rounding}
    return base.replace("table", method=method, **{name: value for name, value in changes.items() if value})


def make_cells(base: RunConfig, settings: Sequence[Setting], seeds: Sequence[int]) -> list[Cell]:
    """All cells, seed by seed, so that an interrupted comparison has complete pairs."""
    if not seeds:
        raise InputError("seeds must name at least one seed, got none")
    require_different_folds(base.data.folds, seeds)
    configs = [(setting, configure(base, setting)) for setting in settings]
    return [
        Cell(setting, config.replace("train", seed=seed))
        for seed in dict.fromkeys(seeds)
        for setting, config in configs
    ]


def base_hash(base: RunConfig) -> str:
    """Hash of what all cells share: everything but method, bits, rounding and seed."""
    without = ("table.method", "table.bits", "table.rounding", "train.seed")
    own = dict.fromkeys((*TABLES, base.table.method))  # an installed method's settings are not those of the others
    hashes = [config_hash(base.replace("table", method=method), without=without) for method in own]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
