"""What a run is: typed, frozen settings in four sections, each value checked against a stated rule.

``RunConfig()`` is the paper's protocol: DCN with embedding dimension 16, initial embeddings N(0, 0.003²), Adam 1e-3 on
batches of 10,000, at most 15 epochs, every learning rate divided by 10 after epochs 6 and 9. `QUICK` is the smaller
setting of the built-in comparison. Reading and writing of TOML is in `config_io`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, get_type_hints

import msgspec

from alpt_ref.catalog import MODELS, TABLES, optional_settings
from alpt_ref.errors import InputError

Rule = tuple[str, Callable[[Any], bool]]
"""The rule in words (it follows "must be") and its test."""


def _choice(*allowed: Any) -> Rule:
    words = [f"{value}" for value in allowed]
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    return text, lambda value: any(value == one and type(value) is type(one) for one in allowed)


def _whole(low: int, high: int = 2**63 - 1) -> Rule:
    text = f"a whole number of at least {low}" if high == 2**63 - 1 else f"a whole number from {low} to {high}"
    return text, lambda value: low <= value <= high


def _optional(rule: Rule) -> Rule:
    return f"{rule[0]}, or none", lambda value: value is None or rule[1](value)


_FLOAT32_MAX, _FLOAT32_TINY = 3.4e38, 1.5e-45  # the kernels compute in float32: infinity or 0 there is no setting
_POSITIVE: Rule = ("a finite number above 0 (in float32)", lambda value: _FLOAT32_TINY <= value <= _FLOAT32_MAX)
_NOT_NEGATIVE: Rule = ("a finite number of at least 0 (in float32)", lambda value: 0 <= value <= _FLOAT32_MAX)
_FRACTION: Rule = ("a number above 0 and at most 1", lambda value: 0 < value <= 1)
_EPOCHS: Rule = ("a number from 0 to 1e6", lambda value: 0 <= value <= 1e6)
_WIDTHS: Rule = (
    "one or more whole numbers from 1 to 2**31 - 1",
    lambda value: len(value) > 0 and all(1 <= width < 2**31 for width in value),
)
_RISING: Rule = (
    "rising whole numbers of at least 1",
    lambda value: all(a < b for a, b in zip((0, *value), value, strict=False)),
)
_INIT_STEP: Rule = (
    "lsq, range or a finite number above 0",
    lambda value: value in ("lsq", "range") if isinstance(value, str) else math.isfinite(value) and value > 0,
)
OPTIMIZERS = ("adam", "adagrad", "sgd")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Checks every field on construction, so that no invalid configuration can exist."""

    section: ClassVar[str] = ""
    rules: ClassVar[Mapping[str, Rule]] = {}

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for key in self.__struct_fields__:
            value = check(f"{self.section}.{key}", getattr(self, key), types[key], self.rules.get(key))
            msgspec.structs.force_setattr(self, key, value)


def check(name: str, value: Any, type_: Any, rule: Rule | None) -> Any:
    """Return `value` as `type_`, or raise `InputError` naming the setting, the rule and the value."""
    words = rule[0] if rule is not None else {str: "text", bool: "true or false"}.get(type_, f"of type {type_}")
    try:
        converted = msgspec.convert(value, type_)
    except msgspec.ValidationError:
        raise InputError(f"{name} must be {words}, got {value!r}") from None
    if rule is not None and not rule[1](converted):
        raise InputError(f"{name} must be {words}, got {value!r}")
    return converted


class DataConfig(_Section, frozen=True):
    """Where the rows come from and how raw ones are encoded.

    `path` names a store, or raw files, folders or patterns, one or several, read in this order. `on_bad_row`,
    `max_bad_rows` (the largest share that is skipped), `min_count` (none: the format's own) and `vocabulary` shape the
    encoding of a raw file, `rows` to `positive_rate` the synthetic set; `seed` draws the synthetic set or the split.
    With `folds` (raw files; 0: none) the rows are cut into as many parts, the same for every seed: part
    ``seed % folds`` tests, the next validates.
    """

    section: ClassVar[str] = "data"
    rules: ClassVar[Mapping[str, Rule]] = {
        "source": _choice("synthetic", "store", "criteo", "avazu", "libfm", "movielens"),
        "path": ("text, or a list of texts", lambda value: isinstance(value, str) or len(value) > 0),
        "on_bad_row": _choice("error", "skip"),
        "max_bad_rows": ("a share from 0 to 1", lambda value: 0 <= value <= 1),
        "min_count": _optional(_whole(1)),
        "vocabulary": _choice("train", "all"),
        "seed": _whole(0),
        "folds": ("0 (random splits) or a whole number of at least 3", lambda value: value == 0 or value >= 3),
        "rows": _whole(10),
        "fields": _whole(1),
        "features": _whole(1),
        "exponent": _NOT_NEGATIVE,
        "rank": _whole(1),
        "linear_std": _NOT_NEGATIVE,
        "interaction_std": _NOT_NEGATIVE,
        "positive_rate": ("a number above 0 and below 1", lambda value: 0 < value < 1),
    }

    source: str = "synthetic"
    path: str | tuple[str, ...] = ""
    on_bad_row: Literal["error", "skip"] = "error"
    max_bad_rows: float = 0.1
    min_count: int | None = None
    vocabulary: str = "train"
    seed: int = 0
    folds: int = 0
    rows: int = 100_000
    fields: int = 10
    features: int = 10_000
    exponent: float = 1.1
    rank: int = 4
    linear_std: float = 1.0
    interaction_std: float = 0.9
    positive_rate: float = 0.25

    @property
    def store(self) -> str | None:
        """The folder of the encoded store that is read, if one is."""
        return str(self.path) if self.source == "store" else None


class ModelConfig(_Section, frozen=True):
    """The dense part: backbone, its sizes and its optimiser. `hidden` and `cross_layers` matter where they exist.

    `dim` is the embedding dimension; for fm and deepfm the number of factors, the linear weight comes on top.
    `precision` of matrix products on a GPU: with tf32 their factors keep 10 bits of mantissa.
    """

    section: ClassVar[str] = "model"
    rules: ClassVar[Mapping[str, Rule]] = {
        "kind": _choice(*MODELS),
        "dim": _whole(1, 2**18 - 1),
        "hidden": _WIDTHS,
        "cross_layers": _whole(1),
        "optimizer": _choice("adam", "sgd"),
        "lr": _POSITIVE,
        "weight_decay": _NOT_NEGATIVE,
        "precision": _choice("float32", "tf32"),
    }

    kind: str = "dcn"
    dim: int = 16
    hidden: tuple[int, ...] = (1024, 512, 256)
    cross_layers: int = 3
    batch_norm: bool = True
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    precision: str = "float32"

    @property
    def normalises(self) -> bool:
        """Whether the backbone has batch normalisation."""
        return self.batch_norm and "batch_norm" in MODELS[self.kind].settings


class TableConfig(_Section, frozen=True):
    """The embedding table: method, number format and optimiser. Settings that a method does not have are ignored.

    Pruning begins after `prune_warmup` epochs and reaches `sparsity` after `prune_epochs` more, fractions included.
    """

    section: ClassVar[str] = "table"
    rules: ClassVar[Mapping[str, Rule]] = {
        "method": _choice(*TABLES),
        "bits": _choice(2, 4, 8, 16),
        "rounding": _choice("sr", "dr"),
        "optimizer": _choice(*OPTIMIZERS),
        "lr": _POSITIVE,
        "weight_decay": _NOT_NEGATIVE,
        "init_std": _NOT_NEGATIVE,
        "granularity": _choice("row", "field", "table"),
        "init_step": _INIT_STEP,
        "init_range": _POSITIVE,
        "step_lr": _NOT_NEGATIVE,
        "grad_scale": _choice("bdq", "dq", "none"),
        "step_domain": _choice("linear", "log"),
        "min_step": _optional(_POSITIVE),
        "clip_lr": _NOT_NEGATIVE,
        "hash_ratio": _whole(2, 2**31 - 1),
        "sparsity": ("a number of at least 0 and below 1", lambda value: 0 <= value < 1),
        "prune_warmup": _EPOCHS,
        "prune_epochs": _EPOCHS,
        "prune_every": _whole(1),
    }

    method: str = "alpt"
    bits: int = 8
    rounding: str = "sr"
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    init_std: float = 0.003
    granularity: str = "row"
    init_step: float | str = "lsq"
    init_range: float = 0.1
    step_lr: float = 2e-5
    grad_scale: str = "bdq"
    step_domain: str = "linear"
    min_step: float | None = None
    two_pass: bool = True
    clip_lr: float = 1e-3
    hash_ratio: int = 2
    sparsity: float = 0.5
    prune_warmup: float = 0.0
    prune_epochs: float = 1.0
    prune_every: int = 10

    @property
    def label(self) -> str:
        """``fp32``, ``lsq``, or method and rounding where it is a setting of the method: ``lpt-dr``, ``alpt-sr``."""
        return f"{self.method}-{self.rounding}" if "rounding" in TABLES[self.method].settings else self.method

    @property
    def code_bits(self) -> int | None:
        """Width of the codes; None for a method without."""
        return self.bits if "bits" in TABLES[self.method].settings else None


class TrainConfig(_Section, frozen=True):
    """The loop: batches, epochs, schedule, early stopping, seed.

    `patience`: stop after this many epochs without a better validation AUC (none: run all epochs). `test_epoch`: which
    state is tested, the epoch of the best validation AUC or the last. `threads`: none means all cores; no result
    depends on it. `device`: results on a GPU are reproducible too, but not the CPU's bits.
    """

    section: ClassVar[str] = "train"
    rules: ClassVar[Mapping[str, Rule]] = {
        "batch_size": _whole(1),
        "eval_batch_size": _whole(1),
        "epochs": _whole(1),
        "milestones": _RISING,
        "decay_factor": _FRACTION,
        "patience": _optional(_whole(1)),
        "test_epoch": _choice("best", "last"),
        "seed": _whole(0),
        "threads": _optional(_whole(1)),
        "device": _choice("cpu", "cuda"),
    }

    batch_size: int = 10_000
    eval_batch_size: int = 10_000
    epochs: int = 15
    milestones: tuple[int, ...] = (6, 9)
    decay_factor: float = 0.1
    patience: int | None = None
    test_epoch: str = "best"
    seed: int = 0
    threads: int | None = None
    device: str = "cpu"


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run: data, model, table, training."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    table: TableConfig = TableConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        """Check what depends on more than one section."""
        for name, type_ in SECTIONS.items():
            if not isinstance(getattr(self, name), type_):
                raise InputError(f"{name} must be a {type_.__name__}, got {getattr(self, name)!r}")
        if self.model.kind == "logistic" and self.model.dim != 1:
            raise InputError(f"model.dim must be 1 for model.kind 'logistic', got {self.model.dim}; set model.dim=1")
        has_step = "init_step" in TABLES[self.table.method].settings
        if has_step and self.table.init_step == "lsq" and self.table.init_std == 0:
            raise InputError(
                "table.init_std must be above 0 for table.init_step 'lsq', got 0; set table.init_step=range"
            )
        if self.train.device == "cuda" and not TABLES[self.table.method].cuda:
            able = ", ".join(name for name, entry in TABLES.items() if entry.cuda)
            raise InputError(f"table.method {self.table.method!r} runs on --device cpu; on cuda there are {able}")
        if self.train.batch_size == 1 and self.model.normalises:
            raise InputError(
                "train.batch_size must be at least 2 with model.batch_norm, got 1: a row less its own mean is 0, from "
                "which nothing is learned; set model.batch_norm=false or a larger batch"
            )
        if self.data.source in ("store", "criteo", "avazu", "libfm") and not self.data.path:
            raise InputError(f"data.path must name the file or folder of data.source {self.data.source!r}")
        if self.data.source == "store" and not isinstance(self.data.path, str):
            raise InputError(f"data.path must be one folder for data.source 'store', got {list(self.data.path)}")

    def replace(self, section: str, **changes: Any) -> RunConfig:
        """The same run with some settings of one section changed (and checked)."""
        part = msgspec.structs.replace(getattr(self, section), **changes)
        return msgspec.structs.replace(self, **{section: part})


SECTIONS: dict[str, type[_Section]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "table": TableConfig,
    "train": TrainConfig,
}


def canonical(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The settings that can change a result, as JSON-able dicts: no thread count, no setting the method ignores.

    The data section is left out too: a dataset is known by its fingerprint, not by how it was found.
    """
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    del plain["data"]
    plain["train"].pop("threads")
    table, model = plain["table"], plain["model"]
    if plain["train"]["device"] == "cpu":  # a run has the hash that it had before there was another device
        plain["train"].pop("device")
        model.pop("precision")
    if table["init_step"] != "range":
        table.pop("init_range")
    for settings, name, entries in ((table, "method", TABLES), (model, "kind", MODELS)):
        for key in set(optional_settings(entries)) - set(entries[settings[name]].settings):
            settings.pop(key, None)
    return plain


def config_hash(config: RunConfig, *, without: tuple[str, ...] = ()) -> str:
    """SHA-256 (hexadecimal) of `canonical`, less the dotted settings in `without`; equal hash, equal run."""
    plain = canonical(config)
    for name in without:
        section, key = name.split(".")
        plain[section].pop(key, None)
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


QUICK = RunConfig(
    data=DataConfig(source="synthetic", rows=150_000, fields=10, features=400, rank=2),
    model=ModelConfig(hidden=(64, 32)),
    train=TrainConfig(batch_size=500, epochs=4, milestones=(3,)),
)
"""The built-in comparison: the synthetic set and a small DCN, sized to end in under three minutes on two cores."""

PRESETS: dict[str, RunConfig] = {"paper": RunConfig(), "quick": QUICK}
