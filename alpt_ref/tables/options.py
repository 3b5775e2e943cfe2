"""The settings of the built-in table methods: one struct per method, its `Options`; loads neither Numba nor NumPy.

Everything else follows from here: the ``[table]`` section of a configuration, ``--set table.X`` on the command line,
the run hash, `make_table`'s keywords and the table of settings in the documentation.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import msgspec

from alpt_ref._util.settings import NOT_NEGATIVE, POSITIVE, Rule, choice, optional, whole
from alpt_ref.errors import InputError

EPOCHS = Rule("a number from 0 to 1e6", lambda value: 0 <= value <= 1e6)
INIT_STEP = Rule(
    "lsq, range or a finite number above 0",
    lambda value: value in ("lsq", "range") if isinstance(value, str) else math.isfinite(value) and value > 0,
)
MOMENTUM = Rule("a number from 0.001 to 0.9999", lambda value: 0.001 <= value <= 0.9999)
SPARSITY = Rule("a number of at least 0 and below 1", lambda value: 0 <= value < 1)


NO_REPLAY = "which does not make up for the steps that a row misses; use fp32, lpt or alpt, or optimizer 'adam'"


class CommonOptions(msgspec.Struct, frozen=True):
    """Settings that every table method has; they are fields of `TableSpec`."""

    optimizer: Annotated[
        str,
        choice("adam", "dense_adam", "adagrad", "sgd", "momentum"),
        "Lazy Adam (rows of the batch only), Adam on all rows at every step, row-wise Adagrad, SGD or lazy momentum.",
    ] = "adam"
    lr: Annotated[float, POSITIVE, "Learning rate of the rows."] = 1e-3
    weight_decay: Annotated[float, NOT_NEGATIVE, "Decoupled weight decay of the rows of the batch."] = 0.0
    init_std: Annotated[float, NOT_NEGATIVE, "Initial embeddings are N(0, init_std**2)."] = 0.003


class NoOptions(msgspec.Struct, frozen=True):
    """A method without settings of its own."""


Rounding = Annotated[str, choice("sr", "dr"), "Stochastic or nearest (deterministic) rounding of an update."]


class MethodOptions(msgspec.Struct, frozen=True):
    """Base of the built-in methods' options; a third party's may be any frozen msgspec.Struct."""

    required: ClassVar[tuple[str, ...]] = ()
    """Settings that `make_table` must be given; a configuration has their default."""
    optimizers: ClassVar[tuple[str, ...]] = ()
    """Optimisers that the method works with; empty: all."""
    why: ClassVar[str] = ""
    """Why not with others, in words that follow "since"."""
    replays: ClassVar[bool] = False
    """Whether the method makes up for moves that rows miss, as ``optimizer = "dense_adam"`` needs."""

    @classmethod
    def from_keywords(cls, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The settings that keywords of `make_table` mean.

        Raises
        ------
        InputError
            A width or rounding of codes is given to a method that has none.
        """
        bits, rounding = given.pop("bits", None), given.pop("rounding", None)
        if bits is not None or rounding is not None:
            raise InputError(
                f"bits and rounding must be left out for method {method!r}, got bits={bits}, rounding={rounding!r}"
            )
        return given


class FullOptions(MethodOptions, frozen=True):
    """FP32 has no settings of its own."""

    replays: ClassVar[bool] = True


class GridOptions(MethodOptions, frozen=True):
    """The grid of quantised tables: code width, how many step sizes there are and where they begin."""

    required: ClassVar[tuple[str, ...]] = ("bits",)

    bits: Annotated[int, choice(2, 4, 8, 16), "Width of the codes."] = 8
    granularity: Annotated[
        str, choice("row", "field", "table"), "One step size for each row, for each field, or for the table."
    ] = "row"
    init_step: Annotated[
        float | str,
        INIT_STEP,
        "First step size: lsq (2 mean|w| / sqrt(q_max)), range (init_range / 2^(bits-1)) or a number.",
    ] = "lsq"
    init_range: Annotated[float, POSITIVE, "With init_step = range: how far weights are expected to reach."] = 0.1
    min_step: Annotated[
        float | None, optional(POSITIVE), "Floor of learned step sizes; none: a hundredth of the first step size."
    ] = None

    @classmethod
    def from_keywords(cls, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The settings that keywords of `make_table` mean; ``init_step=("range", beta)`` sets `init_range` too."""
        rounds = "rounding" in cls.__struct_fields__
        rounding = given.get("rounding") if rounds else given.pop("rounding", None)
        if rounding is not None and not rounds and f"{rounding}".lower() != "dr":
            raise InputError(f"rounding must be 'dr' or left out for method {method!r}, got {rounding!r}")
        rule = given.get("init_step")
        if isinstance(rule, (tuple, list)):
            if len(rule) != 2 or rule[0] != "range":
                raise InputError(f"init_step must be 'lsq', a number or ('range', beta), got {rule!r}")
            given |= {"init_step": "range", "init_range": rule[1]}
        return given


class LptOptions(GridOptions, frozen=True):
    """LPT: a grid, and the rounding of an update."""

    replays: ClassVar[bool] = True

    rounding: Rounding = "sr"


class EcoOptions(GridOptions, frozen=True):
    """ECO: a grid, the rounding of an update, and the momentum that takes its error back."""

    optimizers: ClassVar[tuple[str, ...]] = ("adam", "momentum")
    why: ClassVar[str] = "the rounding error is kept in the momentum, which the others do not have"

    rounding: Rounding = "sr"
    momentum: Annotated[
        float,
        MOMENTUM,
        "b of lazy momentum, beta1 of lazy Adam: the share (1 - b) b^k of an error returns at update k+1.",
    ] = 0.9


class RowmaxOptions(MethodOptions, frozen=True):
    """rowmax: the grid of a row follows from the row, after each update anew."""

    required: ClassVar[tuple[str, ...]] = ("bits",)

    bits: Annotated[int, choice(2, 4, 8, 16), "Width of the codes."] = 8
    rounding: Rounding = "sr"
    grid: Annotated[
        str,
        choice("affine", "symmetric"),
        "What the codes of a row span: its minimum to its maximum (FBGEMM), or plus and minus its max|w| (torchao).",
    ] = "affine"

    @classmethod
    def from_keywords(cls, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The settings are the keywords."""
        return given


class LsqOptions(GridOptions, frozen=True):
    """LSQ: a grid with learned step sizes."""

    step_lr: Annotated[float, NOT_NEGATIVE, "Learning rate of the step size."] = 2e-5
    grad_scale: Annotated[
        str,
        choice("bdq", "dq", "none"),
        "Scale of the step size's gradient: 1/sqrt(b d q_max), 1/sqrt(d q_max) or 1.",
    ] = "bdq"
    step_domain: Annotated[str, choice("linear", "log"), "Learn the step size itself, or its logarithm."] = "linear"


class AlptOptions(LsqOptions, frozen=True):
    """ALPT: learned step sizes and a rounding, without float32 weights."""

    replays: ClassVar[bool] = True

    rounding: Rounding = "sr"
    two_pass: Annotated[
        bool, "Take the step size's gradient from a second pass on the updated weights (Algorithm 1), or the first."
    ] = True


class PactOptions(GridOptions, frozen=True):
    """PACT: a grid whose range, the clip, is learned."""

    clip_lr: Annotated[float, NOT_NEGATIVE, "Learning rate of the clip."] = 1e-3


class HashingOptions(MethodOptions, frozen=True):
    """Quotient-remainder hashing."""

    hash_ratio: Annotated[int, whole(2, 2**31 - 1), "Features that share a remainder."] = 2


class PruningOptions(MethodOptions, frozen=True):
    """Gradual magnitude pruning; the schedule is in epochs, fractions included."""

    sparsity: Annotated[float, SPARSITY, "Share of the weights that is zero in the end."] = 0.5
    prune_warmup: Annotated[float, EPOCHS, "Epochs before the first pruning."] = 0.0
    prune_epochs: Annotated[float, EPOCHS, "Epochs from there until `sparsity` is reached."] = 1.0
    prune_every: Annotated[int, whole(1), "Updates from one pruning to the next."] = 10

    @classmethod
    def from_keywords(cls, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """The settings that keywords of `make_table` mean; `prune_start` and `prune_updates` count updates."""
        for keyword, setting, least in (("prune_start", "prune_warmup", 0), ("prune_updates", "prune_epochs", 1)):
            if keyword in given:
                from alpt_ref._util import check as _check  # loads NumPy

                updates = _check.whole_number(keyword, given.pop(keyword), least)
                given[setting] = updates / given.get("epoch_updates", EPOCH_UPDATES)
        return super().from_keywords(method, given)


EPOCH_UPDATES = 1000
"""Updates of an epoch where nothing says otherwise: a table outside a training run."""


def check_optimizer(options: Any, method: str, optimizer: str, prefix: str = "") -> None:
    """InputError where a method, whose `Options` these are, does not work with an optimiser."""
    able = getattr(options, "optimizers", ())
    if able and optimizer not in able:
        raise InputError(
            f"{prefix}optimizer must be {' or '.join(able)} for method {method!r}, got {optimizer!r}, "
            f"since {options.why}"
        )
    if optimizer == "dense_adam" and not getattr(options, "replays", True):
        raise InputError(f"{prefix}optimizer must not be 'dense_adam' for method {method!r}, {NO_REPLAY}")
