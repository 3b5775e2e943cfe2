"""What is reproduced: the runs that all tables share, the sizes of their axes, and the presets.

A table or figure says which runs it needs by changing `Study.base`; it never names data or seeds. So the same files
serve a laptop and the full Criteo set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from alpt_ref.catalog import comparison_labels
from alpt_ref.errors import InputError
from alpt_ref.studies.grid import MethodSetting, configure
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TableConfig, TrainConfig


class Registered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which seeds an analysis was fixed to have before anything ran: all of them, and how many for tables of variants.

    Adding seeds until a claim is supported supports false ones far more often than its level says; so a claim on a
    study's runs is judged on these seeds alone (`alpt_ref.studies.claims`).
    """

    seeds: tuple[int, ...]
    few: int


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One set of experiments.

    Attributes
    ----------
    name : of the preset, or ``custom``
    base : what every run starts from; method, rounding, bits and seed come from the tables
    seeds : of tables that compare methods; `few` of them (the first) for tables of variants
    bits, dims, ratios, step_rates : axes of the tables: widths of codes, embedding dimensions, values of eta/Delta,
        learning rates of the step size
    table_rates : learning rate of the table by its optimiser
    constant_step : initial step size of the variant that starts from a number
    checkpoints : numbers of epochs at which codes are looked at
    trace : bits of the runs whose codes are looked at
    registered : the seeds that the study's file or preset fixes; None until they are known, and for studies of 0.1
    """

    name: str
    base: RunConfig
    seeds: tuple[int, ...]
    few: int
    bits: tuple[int, ...] = (8, 4, 2)
    dims: tuple[int, ...] = (8, 16, 32)
    ratios: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
    step_rates: tuple[float, ...] = (2e-6, 2e-5, 2e-4)
    table_rates: dict[str, float] = msgspec.field(default_factory=lambda: {"adam": 1e-3, "adagrad": 1e-2, "sgd": 1.0})
    constant_step: float = 0.01
    checkpoints: tuple[int, ...] = (1, 2, 3, 4)
    trace: int = 4
    registered: Registered | None = None

    @property
    def is_registered(self) -> bool:
        """Whether the seeds are those that were fixed before."""
        return self.registered in (None, Registered(self.seeds, self.few))

    @property
    def few_seeds(self) -> tuple[int, ...]:
        """The seeds of tables of variants."""
        return self.seeds[: self.few]

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method of the catalogue with its roundings, FP32 first."""
        return comparison_labels()

    def run(self, label: str, bits: int | None = None, **table: Any) -> RunConfig:
        """`base` with the method (``fp32``, ``alpt-sr``, ``lsq`` ...), its bits and other settings of the table."""
        config = configure(self.base, MethodSetting(label, bits))
        return config.replace("table", **table) if table else config


def _small() -> Study:
    base = RunConfig(
        data=DataConfig(source="synthetic", rows=500_000, fields=10, features=200, rank=2),
        model=ModelConfig(hidden=(64, 32), lr=2e-3),
        table=TableConfig(lr=2e-3),
        train=TrainConfig(batch_size=1000, epochs=4, milestones=(2, 3), threads=1),
    )
    return Study(
        name="small",
        base=base,
        seeds=tuple(range(12)),
        few=5,
        table_rates={"adam": 2e-3, "adagrad": 2e-2, "sgd": 1.0},
    )


def _quick() -> Study:
    """The study of ``reproduce --quick``: runs of half a second, and as many seeds as its four answers need.

    Rows and seeds follow from the power of two-sided paired t-tests for the differences of the stored full study, with
    its standard deviations over seeds times sqrt(5), since a test part of 10,000 rows is a fifth of that study's:
    ``python -m analysis.quick_power``. What needs most is the learned step size at 2 bits: power 0.997 at level 0.05
    with 10 seeds, 0.946 at 0.05/6 (Bonferroni over the six differences in AUC that are shown). SR and DR differ by so
    much at eta/Delta = 0.1 that the few seeds, 5, do. Two epochs rather than three buy test rows, on which the power
    depends, with training time. (Sizes before: 50,000 rows, 3 epochs and 16 seeds, then 12 seeds in all; they were
    changed for power at equal time and for time on two virtual cores, both after results had been seen.)
    """
    small = _small()
    base = small.base.replace("data", rows=100_000, features=100)
    base = base.replace("train", batch_size=250, epochs=2, milestones=(1,))
    return msgspec.structs.replace(
        small, name="quick", base=base, seeds=tuple(range(10)), few=5, dims=(8, 16), ratios=(0.1, 0.5, 2.0),
        step_rates=(2e-5, 2e-4), checkpoints=(1, 2),
    )  # fmt: skip


def _full(name: str) -> Study:
    """The protocol of the published experiments on a store of the full data: hours a run on a few cores."""
    base = RunConfig(data=DataConfig(source="store", path=name))  # the path is replaced by the one given
    return Study(name=name, base=base, seeds=(0, 1, 2, 3, 4), few=3, checkpoints=(1, 3, 6, 9))


PRESETS: dict[str, Callable[[], Study]] = {
    "small": _small,
    "quick": _quick,
    "criteo": lambda: _full("criteo"),
    "avazu": lambda: _full("avazu"),
}
"""Preset -> what makes its study."""


def preset(name: str) -> Study:
    """The study of that name."""
    if name not in PRESETS:
        raise InputError(f"preset must be among {', '.join(PRESETS)}, got {name!r}")
    study = PRESETS[name]()
    return msgspec.structs.replace(study, registered=Registered(study.seeds, study.few))


def with_seeds(study: Study, seeds: tuple[int, ...]) -> Study:
    """The study with other seeds; tables of variants get as many of them as before, if there are."""
    if not seeds:
        raise InputError("seeds must name at least one seed, got none")
    return msgspec.structs.replace(study, seeds=seeds, few=min(study.few, len(seeds)))
