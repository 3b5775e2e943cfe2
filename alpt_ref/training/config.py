"""What a run is: typed, frozen settings in four sections, each value checked against a stated rule.

``RunConfig()`` is the paper's protocol: DCN with embedding dimension 16, initial embeddings N(0, 0.003²), Adam 1e-3 on
batches of 10,000, at most 15 epochs, every learning rate divided by 10 after epochs 6 and 9. `QUICK` is the smaller
setting of the built-in comparison. Reading and writing of TOML is in `config_io`.

The sections ``table`` and ``model`` have the settings of every built-in method and backbone, which stand in their
`Options`, and those of the chosen one where another distribution brings it: `sections` puts them together.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar

import msgspec

from alpt_ref._util.parts import identity
from alpt_ref._util.settings import NAME, POSITIVE, Rule, Settings, changed_repr, choice, optional, whole
from alpt_ref.catalog import FORMATS, TABLES
from alpt_ref.errors import InputError
from alpt_ref.tables.options import check_optimizer
from alpt_ref.training.data_settings import DataConfig as DataConfig
from alpt_ref.training.sections import ModelConfig as ModelConfig
from alpt_ref.training.sections import TableConfig as TableConfig
from alpt_ref.training.sections import changed, fitted

FRACTION = Rule("a number above 0 and at most 1", lambda value: 0 < value <= 1)
CLASS_WEIGHT = Rule(
    "balanced or a finite number above 0 (in float32), or none",
    lambda value: value is None or (value == "balanced" if isinstance(value, str) else POSITIVE.test(value)),
)
RISING = Rule(
    "rising whole numbers of at least 1",
    lambda value: all(a < b for a, b in zip((0, *value), value, strict=False)),
)


class TrainConfig(Settings, frozen=True):
    """The loop: batches, epochs, schedule, early stopping, seed.

    `monitor` is the validation metric of early stopping, of the epoch whose state is tested, and of the plateau.
    `patience`: stop after this many epochs without a better one (none: run all epochs). `test_epoch`: which state is
    tested, the best epoch's or the last's. The schedules are described in `schedule`. `threads`: none means all cores;
    no result depends on it. `device`: results on a GPU are reproducible too, but differ from the CPU's in the last
    bits.
    """

    prefix: ClassVar[str] = "train."

    batch_size: Annotated[int, whole(1), "Samples in a batch."] = 10_000
    eval_batch_size: Annotated[int, whole(1), "Samples in a batch of an evaluation."] = 10_000
    epochs: Annotated[int, whole(1), "Passes over the training rows."] = 15
    schedule: Annotated[
        str,
        choice("milestones", "constant", "cosine", "plateau"),
        "How every learning rate falls: after epochs named beforehand, never, as half a cosine over all steps, or "
        "whenever validation has not improved.",
    ] = "milestones"
    milestones: Annotated[
        tuple[int, ...], RISING, "Epochs after which every learning rate is multiplied by decay_factor."
    ] = (6, 9)
    decay_factor: Annotated[float, FRACTION, "Of the learning rates at a milestone or on a plateau."] = 0.1
    plateau_patience: Annotated[
        int, whole(1), "Epochs in a row without a better validation metric that make a plateau."
    ] = 1
    warmup: Annotated[int, whole(0), "Steps in which every learning rate rises linearly to its full value."] = 0
    monitor: Annotated[
        str, choice("auc", "logloss"), "Validation metric of patience, test_epoch and plateau_patience."
    ] = "auc"
    group: Annotated[
        str | None, optional(NAME), "Field whose values group the rows of the grouped AUC (GAUC); none: no such metric."
    ] = None
    patience: Annotated[
        int | None,
        optional(whole(1)),
        "Epochs without a better validation metric before training stops; none: never.",
    ] = None
    test_epoch: Annotated[str, choice("best", "last"), "Test the epoch of the best validation metric, or the last."] = (
        "best"
    )
    class_weight: Annotated[
        float | str | None,
        CLASS_WEIGHT,
        "Weight in training of a row with a click where one without has 1; balanced: both classes weigh the same.",
    ] = None
    seed: Annotated[int, whole(0), "Initial weights, order of rows, rounding."] = 0
    threads: Annotated[int | None, optional(whole(1)), "Cores to use; none: all. No result depends on it."] = None
    max_gradient_norm: Annotated[
        float | None,
        optional(POSITIVE),
        "Largest 2-norm of all gradients of a step, dense and embeddings', which are scaled down to it; none: any.",
    ] = None
    device: Annotated[str, choice("cpu", "cuda"), "Where to compute."] = "cpu"
    sharded: Annotated[bool, "Train in slices, which several processes may share (`alpt_ref.distributed`)."] = False
    slices: Annotated[
        int, whole(1), "Slices of a batch where sharded: the bits depend on them, not on the number of processes."
    ] = 8
    reduce: Annotated[
        str,
        choice("ordered", "fast"),
        "Sums over slices where sharded: in slice order, or with one slice a process, whose number the bits then "
        "depend on.",
    ] = "ordered"


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run: data, model, table, training.

    Examples
    --------
    >>> config = RunConfig().replace("table", method="lpt", bits=4).replace("train", epochs=2)
    >>> config.table.label, config.table.bits
    ('lpt-sr', 4)
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    table: TableConfig = TableConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        """Check what depends on more than one section."""
        for name, type_ in SECTIONS.items():
            if not isinstance(getattr(self, name), type_):
                raise InputError(f"{name} must be a {type_.__name__}, got {getattr(self, name)!r}")
        for name in ("model", "table"):
            msgspec.structs.force_setattr(self, name, fitted(getattr(self, name)))
        table = self.table.entry
        if self.model.kind == "logistic" and self.model.dim != 1:
            raise InputError(f"model.dim must be 1 for model.kind 'logistic', got {self.model.dim}; set model.dim=1")
        if "init_step" in table.settings and self.table.init_step == "lsq" and self.table.init_std == 0:
            raise InputError(
                "table.init_std must be above 0 for table.init_step 'lsq', got 0; set table.init_step=range"
            )
        check_optimizer(table.options(), self.table.method, self.table.optimizer, "table.")
        if self.train.device == "cuda" and not table.cuda:
            able = ", ".join(name for name, entry in TABLES.items() if entry.cuda)
            raise InputError(f"table.method {self.table.method!r} runs on --device cpu; on cuda there are {able}")
        for name, given in (
            ("table.optimizer = dense_adam", self.table.optimizer == "dense_adam"),
            ("train.max_gradient_norm", self.train.max_gradient_norm is not None),
        ):
            if given and self.train.device == "cuda":
                raise InputError(f"{name} runs on --device cpu only; leave it out on cuda")
        if self.model.precision == "bf16" and self.train.device == "cpu":
            raise InputError("model.precision = bf16 runs on --device cuda only; leave it out on cpu")
        if self.train.sharded:
            self._require_shardable()
        if self.train.batch_size == 1 and self.model.normalises:
            raise InputError(
                "train.batch_size must be at least 2 with model.batch_norm, got 1: a row less its own mean is 0, from "
                "which nothing is learned; set model.batch_norm=false or a larger batch"
            )
        if self.data.source in ("store", "files", *FORMATS) and not (self.data.path or self.data.train):
            raise InputError(f"data.path must name the file or folder of data.source {self.data.source!r}")
        if (self.data.source == "files") != (self.data.schema is not None):
            raise InputError(
                "data.schema must name a schema where data.source is 'files', and nowhere else, got "
                f"{self.data.schema!r} with data.source {self.data.source!r}; give --schema NAME or FILE.toml with "
                "--input (or --train, --valid, --test)"
            )
        if self.data.source in ("synthetic", "store", "movielens") and self.data.train:
            raise InputError(f"data.train is about raw files, data.source is {self.data.source!r}; leave it out")
        if self.data.source in ("synthetic", "movielens") and self.data.path:
            raise InputError(
                f"data.path {self.data.path!r} is not read where data.source is {self.data.source!r}; name the kind "
                "of file as data.source (--criteo, --avazu, --libfm, --format, --data), or leave the path out"
            )
        if self.data.source == "store" and not isinstance(self.data.path, str):
            raise InputError(f"data.path must be one folder for data.source 'store', got {list(self.data.path)}")

    def _require_shardable(self) -> None:
        """`InputError` for what does not train in slices."""
        if self.table.method not in SHARDED_TABLES:
            raise InputError(
                f"train.sharded takes table.method {', '.join(SHARDED_TABLES)}, got {self.table.method!r}; leave it out"
            )
        if not self.model.entry.built_in:
            raise InputError(
                "train.sharded takes the built-in backbones, whose sums over rows can be cut into slices, got "
                f"model.kind {self.model.kind!r}; leave it out"
            )
        if self.train.max_gradient_norm is not None:
            raise InputError("train.max_gradient_norm needs the whole batch in one place; leave out train.sharded")
        if self.train.batch_size < self.train.slices:
            raise InputError(
                f"train.batch_size must be at least train.slices {self.train.slices}, got {self.train.batch_size}; set "
                "a larger batch or fewer slices"
            )

    def __repr__(self) -> str:
        """The sections, and in them the settings, that differ from their defaults."""
        return changed_repr(self)

    def replace(self, section: str, **changes: Any) -> RunConfig:
        """The same run with some settings of one section changed (and checked).

        Settings of another distribution's method exist once the method is chosen, in the same call or before.
        """
        part = changed(getattr(self, section), changes, source="the configuration")
        return msgspec.structs.replace(self, **{section: part})


SECTIONS: dict[str, type[Settings]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "table": TableConfig,
    "train": TrainConfig,
}


def canonical(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The settings that can change a result, as JSON-able dicts: no thread count, no setting the method ignores.

    The data section is left out too: a dataset is known by its fingerprint, not by how it was found. A method or
    backbone of another distribution is known by its source and version as well.
    """
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    del plain["data"]
    plain["train"].pop("threads")
    _drop_idle(plain["train"], config.train)
    if plain["train"]["device"] == "cpu":  # a run has the hash that it had before there was another device
        plain["train"].pop("device")
        plain["model"].pop("precision")
    for name, part in (("table", config.table), ("model", config.model)):
        settings = plain[name]
        for key in set(settings) - {*part.common, *part.entry.settings}:
            del settings[key]
    for name, code in code_of(config).items():
        plain[name.partition(".")[0]]["code"] = dict(code)
    if plain["table"].get("init_step", "range") != "range":
        plain["table"].pop("init_range", None)
    return plain


SHARDED_TABLES = ("fp32", "lpt", "alpt")
"""Table methods that train in slices."""


def _drop_idle(plain: dict[str, Any], train: TrainConfig) -> None:
    """Take out what the schedule does not read, and settings of later releases at the value that means "as before"."""
    before = {
        "schedule": "milestones", "warmup": 0, "monitor": "auc", "group": None, "class_weight": None,
        "max_gradient_norm": None,
    }  # fmt: skip
    for name, value in before.items():
        if plain[name] == value:
            plain.pop(name)
    if not train.sharded:
        for name in ("sharded", "slices", "reduce"):
            plain.pop(name)
    elif train.reduce == "fast":
        plain.pop("slices")  # one a process
    read = {"milestones": {"milestones", "decay_factor"}, "plateau": {"plateau_patience", "decay_factor"}}
    for name in {"milestones", "decay_factor", "plateau_patience"} - read.get(train.schedule, set()):
        plain.pop(name)


def code_of(config: RunConfig) -> dict[str, dict[str, str]]:
    """Source hash and distribution of method and backbone where they are not built in, as ``{"table.method": ...}``."""
    parts = {"table.method": config.table.entry, "model.kind": config.model.entry}
    return {name: identity(entry) for name, entry in parts.items() if not entry.built_in}


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
