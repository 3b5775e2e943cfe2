"""The sections ``[table]`` and ``[model]``: the settings that stand in the `Options` of methods and backbones.

A section has the settings that every part shares and those of every built-in part, so that the part may be changed and
changed back; a setting that the chosen part does not have is ignored. For a part of another distribution the section's
class is a subclass that has that part's settings too (`section_class`).
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import msgspec

from alpt_ref._util.parts import find, name_of
from alpt_ref._util.settings import NAME, NOT_NEGATIVE, POSITIVE, Settings, choice, extended, nearest, whole
from alpt_ref.catalog import MODELS, TABLES, Entry
from alpt_ref.errors import InputError
from alpt_ref.models import options as models
from alpt_ref.tables import options as tables


class PartSettings(Settings, frozen=True):
    """Settings of which one, the `chooser`, names a part that has settings of its own."""

    chooser: ClassVar[str] = ""
    part: ClassVar[str] = ""
    common: ClassVar[tuple[str, ...]] = ()
    """Settings that every part has, the chooser included."""

    def __post_init__(self) -> None:
        """Check every field, and that the part exists."""
        name = getattr(self, self.chooser)
        if isinstance(name, type):
            msgspec.structs.force_setattr(self, self.chooser, name_of(name))
        super().__post_init__()
        _ = self.entry

    @property
    def entry(self) -> Entry:
        """The chosen part."""
        return entry_of(self.part, getattr(self, self.chooser), f"{self.prefix}{self.chooser}")

    def own(self) -> dict[str, Any]:
        """The settings of the chosen part that not every part has, by name."""
        return {name: getattr(self, name) for name in self.entry.settings if name not in self.common}

    def __reduce__(self) -> Any:
        """Pickle as values: the class is made anew where it is read."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        name = values[self.chooser]
        if name.startswith("__main__:") or "<locals>" in name:
            raise InputError(
                f"{self.prefix}{self.chooser} {name!r} cannot be used in other processes, which have no such class; "
                "move it to a module that can be imported, or use one process (jobs=1)"
            )
        return _rebuilt, (self.part, values)

    def __deepcopy__(self, memo: Any) -> Self:
        """Frozen, so it is its own copy."""
        return self


class _TableSettings(PartSettings, frozen=True):
    """The embedding table: method, number format and optimiser. Settings that a method does not have are ignored.

    Pruning begins after `prune_warmup` epochs and reaches `sparsity` after `prune_epochs` more, fractions included.
    """

    prefix: ClassVar[str] = "table."
    chooser: ClassVar[str] = "method"
    part: ClassVar[str] = "table"
    common: ClassVar[tuple[str, ...]] = ("method", *tables.CommonOptions.__struct_fields__)

    method: Annotated[str, NAME, "A built-in method, the name of an installed one, or module:Class."] = "alpt"

    @property
    def label(self) -> str:
        """``fp32``, ``lsq``, or method and rounding where it is a setting of the method: ``lpt-dr``, ``alpt-sr``."""
        return f"{self.method}-{self.rounding}" if "rounding" in self.entry.settings else self.method  # type: ignore[attr-defined]

    @property
    def code_bits(self) -> int | None:
        """Width of the codes; None for a method without."""
        return self.bits if "bits" in self.entry.settings else None  # type: ignore[attr-defined]


class _ModelSettings(PartSettings, frozen=True):
    """The dense part: backbone, its sizes and its optimiser. `hidden` and `cross_layers` matter where they exist.

    `dim` is the embedding dimension; for fm and deepfm the number of factors, the linear weight comes on top.
    `precision` on a GPU: with tf32 the factors of matrix products keep 10 bits of mantissa; with bf16 they and the
    activations are bfloat16.
    """

    prefix: ClassVar[str] = "model."
    chooser: ClassVar[str] = "kind"
    part: ClassVar[str] = "model"
    common: ClassVar[tuple[str, ...]] = ("kind", "dim", "optimizer", "lr", "weight_decay", "precision")

    kind: Annotated[str, NAME, "A built-in backbone, the name of an installed one, or module:Class."] = "dcn"
    dim: Annotated[int, whole(1, 2**18 - 1), "Embedding dimension; for fm and deepfm the number of factors."] = 16
    optimizer: Annotated[str, choice("adam", "sgd"), "Of the dense parameters."] = "adam"
    lr: Annotated[float, POSITIVE, "Learning rate of the dense parameters."] = 1e-3
    weight_decay: Annotated[float, NOT_NEGATIVE, "Decoupled weight decay of the dense parameters."] = 0.0
    precision: Annotated[
        str,
        choice("float32", "tf32", "bf16"),
        "On a GPU. tf32: factors of products keep 10 bits of mantissa; bf16: these and activations are bfloat16.",
    ] = "float32"

    @property
    def normalises(self) -> bool:
        """Whether the backbone has batch normalisation, to which a batch of one row is nothing but zeros."""
        return bool(self.own().get("batch_norm", False))


if TYPE_CHECKING:

    class TableConfig(  # what the calls below make, for type checkers
        _TableSettings,
        tables.AlptOptions,
        tables.PactOptions,
        tables.HashingOptions,
        tables.PruningOptions,
        tables.EcoOptions,
        tables.RowmaxOptions,
        tables.CommonOptions,
        frozen=True,
    ):
        """See `_TableSettings`."""

    class ModelConfig(_ModelSettings, models.DcnOptions, frozen=True):
        """See `_ModelSettings`."""

else:

    def _with_built_in(base: type[PartSettings], name: str, *more: type[msgspec.Struct]) -> type[PartSettings]:
        entries = TABLES if base.part == "table" else MODELS
        return extended(base, *more, *(entry.options() for entry in entries.values()), name=name)

    TableConfig = _with_built_in(_TableSettings, "TableConfig", tables.CommonOptions)
    ModelConfig = _with_built_in(_ModelSettings, "ModelConfig")

_BASES: dict[str, type[Any]] = {"table": TableConfig, "model": ModelConfig}


def entry_of(part: str, name: str, what: str) -> Entry:
    """The part of this name; a built-in one without a look at what is installed, which takes time."""
    return {"table": TABLES, "model": MODELS}[part].get(name) or find(part, name, what)


def section_class(part: str, name: str) -> type[Any]:
    """The class of the section that chooses the part `name`."""
    base = _BASES[part]
    entry = entry_of(part, name, f"{base.prefix}{base.chooser}")
    options = entry.options()
    return base if entry.built_in or options is None else _extended(part, entry.name, options)


@functools.cache
def _extended(part: str, name: str, options: Hashable) -> type[Any]:
    if not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        raise InputError(f"Options of {name!r} must be a msgspec.Struct, got {options!r}")
    base = _BASES[part]
    if base.chooser in options.__struct_fields__:
        raise InputError(f"Options of {name!r} must not have a setting {base.chooser!r}, which names the part")
    return extended(base, options)


def changed(section: Any, changes: Mapping[str, Any], *, source: str) -> Any:
    """The section with other values; `source` names their origin in messages.

    Where another part is chosen, a setting that stands at the default of the part before takes the new one's default.

    Raises
    ------
    InputError
        A setting is unknown, or a value breaks its rule.
    """
    if not isinstance(section, PartSettings):
        require_known(type(section), section.prefix, changes, source)
        return msgspec.structs.replace(section, **changes)
    name = name_of(changes.get(section.chooser, getattr(section, section.chooser)))
    type_ = section_class(section.part, name) if isinstance(name, str) else type(section)
    require_known(type_, section.prefix, changes, source)
    if type_ is type(section):
        return msgspec.structs.replace(section, **changes)
    before, after = _defaults(type(section)), _defaults(type_)
    kept = {
        key: getattr(section, key)
        for key in before.keys() & after.keys()
        if before[key] == after[key] or getattr(section, key) != before[key]
    }
    return type_(**{**kept, **changes})


def fitted(section: Any) -> Any:
    """The section in the class that belongs to its part."""
    right: type[Any] = section_class(section.part, getattr(section, section.chooser))
    return section if type(section) is right else changed(section, {}, source="the configuration")


def require_known(type_: type[msgspec.Struct], prefix: str, changes: Mapping[str, Any], source: str) -> None:
    """InputError for a setting that the section does not have, with the nearest name."""
    for key in changes:
        if key not in type_.__struct_fields__:
            raise InputError(f"unknown setting '{prefix}{key}' in {source}; {nearest(key, type_.__struct_fields__)}")


def _defaults(type_: type[msgspec.Struct]) -> dict[str, Any]:
    return dict(zip(type_.__struct_fields__, type_.__struct_defaults__, strict=True))


def _rebuilt(part: str, values: dict[str, Any]) -> Any:
    return section_class(part, values[_BASES[part].chooser])(**values)
