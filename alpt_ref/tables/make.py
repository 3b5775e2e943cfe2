"""`make_table`: a table from a method's name (or class) and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from alpt_ref._util.parts import find, name_of
from alpt_ref._util.settings import Setting, checked, settings_of
from alpt_ref.catalog import TABLES, Entry, optional_settings
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.tables.base import EmbeddingTable, TableSpec

if TYPE_CHECKING:
    from alpt_ref.tables.alpt import AdaptiveTable
    from alpt_ref.tables.eco import EcoTable
    from alpt_ref.tables.full import FullTable
    from alpt_ref.tables.hashing import HashedTable
    from alpt_ref.tables.lpt import LowPrecisionTable
    from alpt_ref.tables.lsq import LsqTable
    from alpt_ref.tables.pact import PactTable
    from alpt_ref.tables.pruning import PrunedTable
    from alpt_ref.tables.rowmax import RowmaxTable

Table = TypeVar("Table", bound=EmbeddingTable)

_SPEC = tuple(name for name in TableSpec.__dataclass_fields__ if name not in ("n", "d", "options"))
_SHORTHAND = ("prune_start", "prune_updates")


@overload
def make_table(
    method: Literal["fp32"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> FullTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["lpt"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> LowPrecisionTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["alpt"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> AdaptiveTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["hashing"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> HashedTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["pruning"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> PrunedTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["pact"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> PactTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["lsq"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> LsqTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["eco"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> EcoTable: ...  # fmt: skip
@overload
def make_table(
    method: Literal["rowmax"], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> RowmaxTable: ...  # fmt: skip
@overload
def make_table(
    method: type[Table], n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> Table: ...  # fmt: skip
@overload
def make_table(
    method: str, n: int, d: int, *,
    bits: int | None = ..., rounding: str | None = ..., optimizer: str = ..., lr: float = ...,
    seed: int = ..., device: str = ..., **options: Any,
) -> EmbeddingTable: ...  # fmt: skip
def make_table(
    method: str | type[EmbeddingTable],
    n: int,
    d: int,
    *,
    bits: int | None = None,
    rounding: str | None = None,
    optimizer: str = "adam",
    lr: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> EmbeddingTable:
    """Embedding table with `n` rows and `d` columns.

    Parameters
    ----------
    method : {"fp32", "lpt", "alpt", "hashing", "pruning", "pact", "lsq", "eco", "rowmax"}, str or table class
        A built-in method, the name of an installed one, ``"package.module:Class"``, or the class.
    n : int
        Features, in ``[1, 2**48)``.
    d : int
        Embedding dimension, in ``[1, 2**18)``.
    bits : {2, 4, 8, 16}, optional
        Code width (LPT, ALPT, PACT, LSQ, ECO, rowmax).
    rounding : {"sr", "dr"}, optional
        Default ``"sr"`` for LPT, ALPT, ECO and rowmax.
    optimizer : {"adam", "dense_adam", "adagrad", "sgd", "momentum"}
        Lazy Adam, Adam on all rows at every step (fp32, lpt and alpt, on the CPU), row-wise Adagrad, SGD or lazy
        momentum.
    lr : float
        Learning rate of the rows.
    seed : int
        Of initial weights and stochastic rounding, in ``[0, 2**64)``.
    device : {"cpu", "cuda"}
    **options
        The other fields of `TableSpec`, and settings of the method's `Options`. ``init_step=("range", beta)`` stands
        for ``init_step="range", init_range=beta``; `prune_start` and `prune_updates` give pruning's schedule in
        updates. What is a setting of other built-in methods only is ignored.

    Returns
    -------
    EmbeddingTable
        With `lookup`, `apply_gradients`, `codes`, `step_size`, `nbytes`, `state`.

    Raises
    ------
    InputError
        If an argument is unknown or breaks its rule.

    Examples
    --------
    >>> table = make_table("alpt", 1000, 16, bits=4)
    >>> table.nbytes("serving")  # eight bytes of codes and four of step size per row
    12000
    """
    entry = find("table", _canonical_name(method), "method")
    given: dict[str, Any] = {"optimizer": optimizer, "lr": lr, "seed": seed, "device": device, **options}
    given |= {name: value for name, value in (("bits", bits), ("rounding", rounding)) if value is not None}
    able = get_backend(device).name != "cuda" or entry.cuda
    cls: type[EmbeddingTable] = table_class(entry)
    spec = _spec(entry, cls, n, d, given)
    if not able:
        raise InputError(f"method {entry.name!r} runs on device 'cpu' only; on 'cuda' there are {on_cuda()}")
    return cls(spec) if not entry.built_in else entry.load(device)(spec)


def make_spec(method: str, n: int, d: int, **given: Any) -> TableSpec:
    """What `make_table` hands to the class of a method, from the same arguments."""
    entry = find("table", _canonical_name(method), "method")
    return _spec(entry, table_class(entry), n, d, given)


def _spec(entry: Entry, cls: type[EmbeddingTable], n: int, d: int, given: dict[str, Any]) -> TableSpec:
    settings, given = _settings(entry, cls, given)
    known = {name: given.pop(name) for name in _SPEC if name in given}
    _refuse_unknown(given, settings)
    return TableSpec(n, d, settings, **known)


def _canonical_name(method: Any) -> str:
    name = name_of(method) if isinstance(method, (str, type)) else f"{method}"
    return name.lower() if name.lower() in TABLES else name


def on_cuda() -> str:
    """Methods that run on a GPU, in words."""
    return ", ".join(name for name, entry in TABLES.items() if entry.cuda)


def table_class(entry: Entry) -> type[EmbeddingTable]:
    """The entry's class on the CPU; InputError unless it is a table."""
    cls = entry.load()
    if not (isinstance(cls, type) and issubclass(cls, EmbeddingTable)):
        raise InputError(f"table method {entry.name!r} must be a subclass of EmbeddingTable, {entry.home} is {cls!r}")
    return cls


def _settings(entry: Entry, cls: type[EmbeddingTable], given: dict[str, Any]) -> tuple[msgspec.Struct, dict[str, Any]]:
    """The method's options from the keywords that mean them, and the other keywords."""
    options = cls.Options
    translate = getattr(options, "from_keywords", None)
    if translate is not None:
        given = translate(entry.name, given)
    declared = settings_of(options)
    for name in getattr(options, "required", ()):
        if name not in given:
            raise InputError(f"{name} must be {declared[name].words} for method {entry.name!r}, got None")
    own = {name: given.pop(name) for name in declared if name in given and name not in _SPEC}
    values = {name: checked(declared[name], _lowered(declared[name], value)) for name, value in own.items()}
    return options(**values), given


def _lowered(setting: Setting, value: Any) -> Any:
    """A choice may be written in any case."""
    choices: tuple[Any, ...] = () if setting.rule is None else setting.rule.choices
    return value.lower() if isinstance(value, str) and value.lower() in choices else value


def _refuse_unknown(given: Mapping[str, Any], options: msgspec.Struct) -> None:
    """InputError for a keyword that no table knows."""
    ignored = {*optional_settings(TABLES), *_SHORTHAND}
    unknown = sorted(set(given) - ignored)
    if unknown:
        known = sorted({*_SPEC, *options.__struct_fields__, *ignored})
        raise InputError(f"unknown table option {unknown[0]!r}; known are {known}")
