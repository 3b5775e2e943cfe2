"""The grid of a comparison: methods × bits × varied settings, each entry a complete run configuration."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from alpt_ref._util.parts import find, split_label
from alpt_ref.catalog import TABLES, comparison_labels
from alpt_ref.errors import InputError
from alpt_ref.training.config import SECTIONS, RunConfig, canonical, config_hash
from alpt_ref.training.config_io import update

METHODS = comparison_labels()
DEFAULT_METHODS = ("fp32", "lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
BITS = (8, 4, 2)
SEEDS = (0, 1, 2, 3, 4)
_OF_THE_GRID = {
    "table.method": "--methods",
    "table.rounding": "--methods",
    "table.bits": "--bits",
    "train.seed": "--seeds",
}
Vary = Mapping[str, Sequence[Any]]
"""Dotted setting -> the values that it takes: ``{"table.step_lr": [2e-6, 2e-5]}``."""


class MethodSetting(NamedTuple):
    """A method and its bits; `bits` is None for a float32 method (fp32, hashing, pruning)."""

    label: str
    bits: int | None

    def __str__(self) -> str:
        """``fp32`` or ``alpt-sr 4-bit``."""
        return self.label if self.bits is None else f"{self.label} {self.bits}-bit"


FP32 = MethodSetting("fp32", None)


class GridEntry(NamedTuple):
    """One row of a comparison: a method at its bits under one combination of the varied settings.

    `varied` holds those of them that the method has a use for; `reference` is the name of FP32 under the same
    combination.
    """

    setting: MethodSetting
    varied: Mapping[str, Any]
    config: RunConfig
    reference: str

    @property
    def name(self) -> str:
        """``alpt-sr 4-bit step_lr=2e-05``."""
        return name_of(self.setting, self.varied)


def name_of(setting: MethodSetting, varied: Mapping[str, Any]) -> str:
    """Name of the runs of a setting under a combination of varied settings."""
    return " ".join([str(setting), *(f"{short_key(key)}={value_text(value)}" for key, value in varied.items())])


def short_key(key: str) -> str:
    """``table.step_lr`` -> ``step_lr``; with its section where two sections have a setting of that name."""
    name = key.partition(".")[2]
    return key if sum(name in one.__struct_fields__ for one in SECTIONS.values()) > 1 else name


def value_text(value: Any) -> str:
    """A varied value as it is shown, and as the command line takes it."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def make_settings(methods: Iterable[str], bits: Iterable[int]) -> tuple[MethodSetting, ...]:
    """Every method at every number of bits that it can have; fp32 comes first, always, as the reference."""
    settings = [FP32]
    for label in methods:
        has_bits = "bits" in find("table", split_label(label)[0], "methods").settings
        settings += [MethodSetting(label, one) for one in bits] if has_bits else [MethodSetting(label, None)]
    return tuple(dict.fromkeys(settings))


def configure(base: RunConfig, setting: MethodSetting) -> RunConfig:
    """`base` with the setting's method, rounding and bits."""
    method, rounding = split_label(setting.label)
    changes: dict[str, Any] = {"bits": setting.bits, "rounding": rounding}
    return base.replace("table", method=method, **{name: value for name, value in changes.items() if value})


def make_grid(base: RunConfig, settings: Sequence[MethodSetting], vary: Vary | None = None) -> tuple[GridEntry, ...]:
    """Every setting under every combination of varied values; a setting that none of them concerns is there once.

    Raises
    ------
    InputError
        A varied setting or a value does not exist, is a dimension of the grid already, or changes no result.
    """
    vary = vary or {}
    _check_vary(base, settings, vary)
    entries: dict[str, GridEntry] = {}
    concerned: set[str] = set()
    for values in itertools.product(*vary.values()):
        combination = dict(zip(vary, values, strict=True))
        reference = name_of(FP32, _varied(base, FP32, combination)[1])
        for setting in settings:
            config, used = _varied(base, setting, combination)
            concerned |= set(used)
            entry = GridEntry(setting, used, config, reference)
            entries.setdefault(entry.name, entry)
    for key in vary:
        if key not in concerned:
            raise InputError(f"--vary {key} would change nothing: no method of this comparison has a use for it")
    return tuple(sorted(entries.values(), key=lambda entry: settings.index(entry.setting)))


def _varied(
    base: RunConfig, setting: MethodSetting, combination: Mapping[str, Any]
) -> tuple[RunConfig, dict[str, Any]]:
    """The run of a setting with all values of a combination that it has a use for, and these values.

    They are put in at once, since one setting may depend on another.
    """
    config = configure(base, setting)
    changes: dict[str, dict[str, Any]] = {}
    for key, value in combination.items():
        section, _, name = key.partition(".")
        if name in getattr(config, section).__struct_fields__:  # another distribution's method has settings of its own
            changes.setdefault(section, {})[name] = value
    config = update(config, changes, source="--vary")
    plain = canonical(config)
    used = {key: value for key, value in combination.items() if key.partition(".")[2] in plain[key.partition(".")[0]]}
    return config, used


def _check_vary(base: RunConfig, settings: Sequence[MethodSetting], vary: Vary) -> None:
    for key, values in vary.items():
        section, dot, name = key.partition(".")
        if not (dot and name):
            raise InputError(f"--vary must look like section.key=value,value, got {key!r}")
        if section == "data":
            raise InputError(f"--vary cannot change {key}: all runs of a comparison see the same data")
        if key in _OF_THE_GRID:
            raise InputError(
                f"--vary cannot change {key}, which is a dimension of the grid already: {_OF_THE_GRID[key]}"
            )
        if isinstance(values, str) or not len(values):
            raise InputError(f"--vary {key} must have at least one value, got {values!r}")
        if len(set(map(repr, values))) < len(values):
            raise InputError(f"--vary {key} must have different values, got {', '.join(map(value_text, values))}")
        configs = [configure(base, setting) for setting in settings]
        if section not in SECTIONS or not any(name in getattr(one, section).__struct_fields__ for one in configs):
            update(base, {section: {name: values[0]}}, source="--vary")  # raises, naming the nearest


_HASHED = ("fp32", "lpt", "alpt", "hashing", "pruning", "pact", "lsq")
"""Methods whose settings every comparison's hash has held since 0.1; a later one counts where a setting of its own is
not the default, so that a new method closes no folder."""


def base_hash(base: RunConfig) -> str:
    """Hash of what all cells share: everything but method, bits, rounding and seed."""
    without = ("table.method", "table.bits", "table.rounding", "train.seed")
    own = dict.fromkeys((*_HASHED, *filter(lambda name: _has_own(base, name), TABLES), base.table.method))
    hashes = [config_hash(base.replace("table", method=method), without=without) for method in own]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _has_own(base: RunConfig, method: str) -> bool:
    """Whether a method since 0.1 has settings that no earlier one has, and one of them was changed."""
    known = {name for one in _HASHED for name in TABLES[one].settings}
    default = RunConfig().table
    names = () if method in _HASHED else [name for name in TABLES[method].settings if name not in known]
    return any(getattr(base.table, name, None) != getattr(default, name, None) for name in names)
