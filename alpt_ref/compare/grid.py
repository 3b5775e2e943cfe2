"""The grid of a comparison: (method, bits) × seeds, each cell a complete run configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..catalog import comparison_labels
from ..config import RunConfig, config_hash
from ..errors import InputError

METHODS = comparison_labels()
BITS = (8, 4, 2)
SEEDS = (0, 1, 2, 3, 4)


class Setting(NamedTuple):
    """A method and its bits; `bits` is None for fp32."""

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
    """Every method at every number of bits; fp32 comes first and is always there, as the reference."""
    settings = [FP32]
    for label in methods:
        if label not in METHODS:
            raise InputError(f"methods must be among {', '.join(METHODS)}, got {label!r}")
        if label != "fp32":
            settings += [Setting(label, one) for one in bits]
    return tuple(dict.fromkeys(settings))


def configure(base: RunConfig, setting: Setting) -> RunConfig:
    """`base` with the setting's method, rounding and bits."""
    if setting.bits is None:
        return base.replace("table", method="fp32")
    method, rounding = setting.label.split("-")
    return base.replace("table", method=method, rounding=rounding, bits=setting.bits)


def make_cells(base: RunConfig, settings: Sequence[Setting], seeds: Sequence[int]) -> list[Cell]:
    """All cells, seed by seed, so that an interrupted comparison has complete pairs."""
    if not seeds:
        raise InputError("seeds must name at least one seed, got none")
    configs = [(setting, configure(base, setting)) for setting in settings]
    return [
        Cell(setting, config.replace("train", seed=seed))
        for seed in dict.fromkeys(seeds)
        for setting, config in configs
    ]


def base_hash(base: RunConfig) -> str:
    """Hash of what all cells share: everything but method, bits, rounding and seed."""
    shared = base.replace("table", method="alpt")
    return config_hash(shared, without=("table.method", "table.bits", "table.rounding", "train.seed"))
