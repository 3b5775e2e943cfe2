"""The built-in table methods, backbones, datasets and text formats by name: where each lives. Loads none of them.

A new built-in part is its file and one entry here. Parts of other distributions need no entry: they are found by
`alpt_ref._util.parts`, and are an `Entry` as well.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alpt_ref.errors import InputError

PACKAGE = __name__.rpartition(".")[0]
GROUPS = {
    "table": f"{PACKAGE}.tables",
    "model": f"{PACKAGE}.models",
    "dataset": f"{PACKAGE}.datasets",
    "format": f"{PACKAGE}.formats",
}
"""What can be added, and the entry-point group that adds it."""
NOUNS = {"table": "table method", "model": "backbone", "format": "text format"}


@dataclass(frozen=True)
class Entry:
    """One named part.

    Attributes
    ----------
    name : str
        As a configuration has it.
    home : str
        ``"module:Class"``.
    own_options : str
        ``"module:Class"`` of a built-in part's `Options`, in a module that loads nothing heavy; else empty.
    cuda : str
        ``home`` of a table's twin on the GPU; empty where there is none.
    distribution : str
        Name and version of what installed it; empty for a built-in part and where nothing did.
    kind : str
        A key of `GROUPS`.
    given : type or None
        The class itself, where the caller has given it.
    """

    name: str
    home: str
    own_options: str = ""
    cuda: str = ""
    distribution: str = ""
    kind: str = "table"
    given: Any = None

    @property
    def built_in(self) -> bool:
        """Whether it belongs to this package."""
        return bool(self.own_options)

    def load(self, device: str = "cpu") -> Any:
        """The class, or its twin on the GPU.

        Raises
        ------
        InputError
            It cannot be imported; the sentence names the distribution.
        """
        home = self.cuda if device == "cuda" else self.home
        if self.built_in:
            return _attribute(home)
        if self.given is not None:
            return self.given
        try:
            return _attribute(home)
        except Exception as error:
            source = f" of distribution {self.distribution}" if self.distribution else ""
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(
                f"{NOUNS.get(self.kind, self.kind)} {self.name!r}{source} cannot be loaded from {home} ({reason}); "
                f"{'mend or uninstall it' if source else 'check the name, and that its module can be imported'}"
            ) from None

    def options(self) -> Any:
        """The struct that declares its settings; None for a part without."""
        if self.built_in:
            return _attribute(self.own_options)
        return getattr(self.load(), "Options", None)

    @property
    def settings(self) -> tuple[str, ...]:
        """Settings of its configuration section that it reads, beyond those that every part reads."""
        options = self.options()
        return () if options is None else tuple(options.__struct_fields__)

    @property
    def roundings(self) -> tuple[str, ...]:
        """Roundings that a comparison runs it with; empty for a method without."""
        return ("dr", "sr") if "rounding" in self.settings else ()


def _attribute(home: str) -> Any:
    module, _, path = home.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _table(name: str, home: str, options: str, cuda: str = "") -> Entry:
    twin = cuda and f"{PACKAGE}.tables.cuda.{cuda}"
    return Entry(name, f"{PACKAGE}.tables.{home}", f"{PACKAGE}.tables.options:{options}", twin)


def _model(name: str, home: str, options: str) -> Entry:
    return Entry(name, f"{PACKAGE}.models.{home}", f"{PACKAGE}.models.options:{options}", kind="model")


TABLES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _table("fp32", "full:FullTable", "FullOptions", "tables:CudaFullTable"),
        _table("lpt", "lpt:LowPrecisionTable", "LptOptions", "tables:CudaLowPrecisionTable"),
        _table("alpt", "alpt:AdaptiveTable", "AlptOptions", "alpt:CudaAdaptiveTable"),
        _table("hashing", "hashing:HashedTable", "HashingOptions"),
        _table("pruning", "pruning:PrunedTable", "PruningOptions"),
        _table("pact", "pact:PactTable", "PactOptions"),
        _table("lsq", "lsq:LsqTable", "LsqOptions"),
        _table("eco", "eco:EcoTable", "EcoOptions"),
        _table("rowmax", "rowmax:RowmaxTable", "RowmaxOptions"),
    )
}
"""The built-in table methods."""

MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _model("logistic", "logistic:Logistic", "PlainOptions"),
        _model("fm", "fm:Fm", "PlainOptions"),
        _model("dnn", "dnn:Dnn", "DnnOptions"),
        _model("deepfm", "deepfm:DeepFm", "DnnOptions"),
        _model("dcn", "dcn:Dcn", "DcnOptions"),
    )
}
"""The built-in backbones."""

DATASETS = ("synthetic", "movielens")
FORMATS = ("criteo", "avazu", "libfm", "libsvm", "libffm")
BUILT_IN: dict[str, tuple[str, ...]] = {
    "table": tuple(TABLES), "model": tuple(MODELS), "dataset": DATASETS, "format": FORMATS,
}  # fmt: skip
"""Built-in names by kind."""


def optional_settings(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Every setting that some part reads and another does not, each once."""
    return tuple(dict.fromkeys(name for entry in entries.values() for name in entry.settings))


def comparison_labels() -> tuple[str, ...]:
    """``method`` or ``method-rounding`` for every built-in table that a comparison can run."""
    return tuple(
        name if not rounding else f"{name}-{rounding}"
        for name, entry in TABLES.items()
        for rounding in (entry.roundings or ("",))
    )
