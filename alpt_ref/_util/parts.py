"""Parts by any name: built-in, installed by another distribution, or ``package.module:Class``.

An installed part is an entry point that a distribution declares in one of `catalog.GROUPS`, for example
``[project.entry-points."alpt_ref.tables"]`` with ``mine = "package.module:MyTable"``. A ``module:Class`` name that a
*file* of a run or store contains is imported only if the caller has named it too (`allow`): opening somebody's folder
runs no code of theirs.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from alpt_ref.catalog import BUILT_IN, FORMATS, GROUPS, MODELS, NOUNS, PACKAGE, TABLES, Entry, comparison_labels
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BUILT_IN_SOURCES = ("synthetic", "store", "files", *FORMATS, "movielens")
"""Values of ``data.source`` that need no look at what is installed."""
_OBJECT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def names(kind: str) -> tuple[str, ...]:
    """Every name of a kind: built-in ones, then installed ones."""
    return (*BUILT_IN[kind], *sorted(set(installed(kind)) - set(BUILT_IN[kind])))


# --- installed entry points -------------------------------------------------------------------------------------------


def installed(kind: str) -> dict[str, list[Entry]]:
    """What installed distributions declare for a kind, by name: normally one entry a name. Nothing is imported."""
    return _installed(kind, tuple(sys.path))


@cache
def _installed(kind: str, path: tuple[str, ...]) -> dict[str, list[Entry]]:
    from importlib.metadata import entry_points

    found: dict[str, list[Entry]] = {}
    for point in entry_points(group=GROUPS[kind]):
        entry = Entry(point.name, point.value.partition("[")[0].strip(), distribution=_made_by(point), kind=kind)
        if entry not in found.setdefault(point.name, []):  # one distribution may be found twice on the path
            found[point.name].append(entry)
    return found


def _made_by(point: EntryPoint) -> str:
    return "" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def check_shadows(kind: str, name: str) -> None:
    """InputError where an installed part has the name of a built-in one, or two have one name."""
    found = installed(kind).get(name, [])
    noun = NOUNS.get(kind, kind)
    if found and name in BUILT_IN[kind]:
        raise InputError(
            f"{noun} {name!r} of distribution {found[0].distribution} has the name of a built-in one; "
            "uninstall it or rename its entry point"
        )
    if len(found) > 1:
        both = " and ".join(sorted(entry.distribution for entry in found))
        raise InputError(f"{noun} {name!r} is declared twice, by {both}; uninstall one of them")


# --- by any name ------------------------------------------------------------------------------------------------------

_BY_CALLER: dict[str, Any] = {}
"""``module:Class`` names that the caller of this process has given; the class where the class itself was given."""


def is_object_name(name: str) -> bool:
    """Whether it has the form ``package.module:Class``."""
    return _OBJECT.fullmatch(name) is not None


def allow(name: str) -> None:
    """Let files of runs and stores name this ``module:Class``: it may be imported in this process from now on.

    Parameters
    ----------
    name : str
        For example ``"package.module:MyTable"``.

    Raises
    ------
    InputError
        It is of another form.

    Examples
    --------
    >>> allow("my_package.tables:MyTable")
    """
    if not is_object_name(name):
        raise InputError(f"a class must be named as package.module:Class, got {name!r}")
    _BY_CALLER.setdefault(name, None)


def name_of(part: Any) -> str:
    """The name of a part: a name as it is; a class's name, else ``module:Class``, which is then allowed.

    Raises
    ------
    InputError
        It is neither.
    """
    if isinstance(part, str):
        return part
    if not isinstance(part, type):
        raise InputError(f"a table or a model must be named, or be its class, got {type(part).__name__}")
    home = f"{part.__module__}:{part.__qualname__}"
    for entry in (*TABLES.values(), *MODELS.values()):
        if entry.home == home:
            return entry.name
    for name, entries in {**installed("table"), **installed("model")}.items():
        if [entry.home for entry in entries] == [home]:
            return name
    _BY_CALLER[home] = part
    return home


def find(kind: str, name: str, what: str, also: tuple[str, ...] = ()) -> Entry:
    """The part of this name, which the caller has given; `what` names the setting in messages, `also` other values.

    Raises
    ------
    InputError
        There is none; the sentence lists the names and the nearest one. Or an installed part has the name of another.
    """
    built_in = {"table": TABLES, "model": MODELS}.get(kind, {})
    if name in built_in:
        check_shadows(kind, name)
        return built_in[name]
    if name in _BY_CALLER or is_object_name(name):
        _BY_CALLER.setdefault(name, None)
        return Entry(name, name, distribution=_distribution_of(name), kind=kind, given=_BY_CALLER[name])
    found = installed(kind).get(name)
    if not found:
        raise unknown(kind, name, what, also)
    check_shadows(kind, name)
    return found[0]


def split_label(label: str, what: str = "methods") -> tuple[str, str]:
    """``alpt-sr`` -> ("alpt", "sr"), ``fp32`` -> ("fp32", ""): a comparison's method and rounding.

    Raises
    ------
    InputError
        There is no such method, or it is to be named with its rounding.
    """
    method, dash, rounding = label.rpartition("-")
    if dash and rounding in ("sr", "dr") and (method in names("table") or is_object_name(method)):
        entry = find("table", method, what)
        if rounding in entry.roundings:
            return method, rounding
    labels = comparison_labels()
    if label in labels:
        return label, ""
    if label in TABLES or not (label in names("table") or is_object_name(label)):
        installed_names = tuple(name for name in names("table") if name not in TABLES)
        raise InputError(
            f"{what} must be among {', '.join((*labels, *installed_names))} or module:Class, got {label!r}"
        )
    find("table", label, what)
    return label, ""


def unknown(kind: str, name: Any, what: str, also: tuple[str, ...] = ()) -> InputError:
    """The sentence on a name that means nothing."""
    known = tuple(dict.fromkeys((*also, *names(kind))))
    close = difflib.get_close_matches(f"{name}", known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return InputError(f"{what} must be {', '.join(known)} or module:Class, got {name!r}{hint}")


def require_named(kind: str, name: Any, what: str, source: str) -> None:
    """InputError where a file's ``module:Class`` name is neither installed nor given by the caller (`allow`)."""
    if not isinstance(name, str) or not is_object_name(name) or name in _BY_CALLER:
        return
    if any(entry.home == name for entries in installed(kind).values() for entry in entries):
        return
    raise InputError(
        f"{source} names the class {name!r} as {what}, which is no installed plug-in and is not imported because a "
        f"file says so; if you trust it, name it yourself with --allow {name} (in Python: alpt_ref.allow)"
    )


@cache
def _distribution_of(name: str) -> str:
    """Name and version of the distribution that a ``module:Class`` belongs to, or nothing."""
    from importlib.metadata import packages_distributions, version

    owners = packages_distributions().get(name.partition(":")[0].partition(".")[0], [])
    return f"{owners[0]} {version(owners[0])}" if owners else ""


# --- which code it is -------------------------------------------------------------------------------------------------


def identity(entry: Entry) -> dict[str, str]:
    """What tells one version of another distribution's class from the next: its source, and the distribution's version.

    Returns
    -------
    dict
        ``source``, SHA-256 of the files that define the class and what it inherits from outside this package, and
        ``distribution``, name and version, or nothing.
    """
    return {"source": _source_hash(entry.load()), "distribution": entry.distribution}


@cache
def _source_hash(cls: Any) -> str:
    digest = hashlib.sha256()
    for one in getattr(cls, "__mro__", (cls,)):
        if one.__module__.partition(".")[0] not in (PACKAGE, "builtins", "abc", "typing"):
            digest.update(f"{one.__module__}:{one.__qualname__}\0".encode() + _source(one) + b"\0")
    return digest.hexdigest()


def _source(cls: Any) -> bytes:
    """The file that defines a class; for a class without one (an interactive session) its functions' code."""
    with contextlib.suppress(OSError, TypeError):  # no file, as in an interactive session
        file = inspect.getsourcefile(cls)
        if cls.__module__ != "__main__" and file is not None and Path(file).is_file():
            return Path(file).read_bytes()
        text = inspect.getsource(cls)
        if re.search(rf"\bclass {re.escape(cls.__name__)}\b", text):  # Python 3.13 gives any lines
            return text.encode()
    return b"\0".join(
        name.encode() + _code(value.__code__) for name, value in sorted(vars(cls).items()) if inspect.isfunction(value)
    )


def _code(code: CodeType) -> bytes:
    constants = (_code(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts)
    return b"\0".join((code.co_code, repr(code.co_names).encode(), *constants))
