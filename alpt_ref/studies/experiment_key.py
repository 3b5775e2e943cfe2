"""What tells one experiment's cell from another: a digest of everything that its numbers depend on.

A user's function counts by its byte code and by what it refers to (defaults, closure, globals: numbers, text, arrays,
further functions), an object by its class and attributes. What Python cannot look into (a compiled extension) counts by
its name. A `Problem` also counts by what it returns at fixed points, which sees what the code does not show.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref._util.code_parts import parts_of
from alpt_ref.studies.cell_code import library_versions
from alpt_ref.theory import Problem

_DEPTH = 24
_STDLIB = Path(sysconfig.get_paths()["stdlib"]).resolve()
_OF_CLASSES = (
    *(types.FunctionType, functools.partial, bool, int, float, complex, str, bytes, np.ndarray, np.generic),
    *(list, tuple, dict, set, frozenset),
)
"""Kinds of class attributes that count."""
_NO_PART = ("__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__annotations__")
_NO_NUMBER = ("__init__.py", "catalog.py", "errors.py", "_version.py")


def digest(value: Any) -> str:
    """SHA-256 of a value: equal values give equal digests in every process.

    Examples
    --------
    >>> digest({"a": 1.0, "b": np.ones(2)}) == digest({"b": np.ones(2), "a": 1.0})
    True
    >>> digest(lambda x: x + 1) == digest(lambda x: x + 2)
    False
    """
    found = hashlib.sha256()
    for part in _parts(value, _DEPTH, set()):
        found.update(part + b"\0")
    return found.hexdigest()


def _parts(value: Any, depth: int, seen: set[int]) -> Any:
    if depth == 0 or (id(value) in seen and not isinstance(value, (str, int, float, bytes, type(None)))):
        yield b"again"
        return
    inside = seen | {id(value)}
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value)
        yield f"array {plain.dtype.str} {plain.shape}".encode()
        yield repr(value.tolist()).encode() if plain.dtype.hasobject else plain.tobytes()
    elif isinstance(value, (bool, int, float, complex, str, bytes, type(None), np.generic)):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, Mapping):
        yield b"mapping"
        for key in sorted(value, key=repr):
            yield from _parts(key, depth - 1, inside)
            yield from _parts(value[key], depth - 1, inside)
    elif isinstance(value, (list, tuple)):
        yield f"sequence {len(value)}".encode()
        for one in value:
            yield from _parts(one, depth - 1, inside)
    elif isinstance(value, (set, frozenset)):
        yield from _parts(sorted(value, key=repr), depth - 1, inside)
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), depth - 1, inside)
    elif isinstance(value, types.MethodType):
        yield from _parts((value.__func__, value.__self__), depth - 1, inside)
    elif isinstance(value, types.FunctionType):
        yield from _function(value, depth - 1, inside)
    elif isinstance(value, types.ModuleType):
        yield f"name {value.__name__} {_of_file(getattr(value, '__file__', None))}".encode()
    elif isinstance(value, types.BuiltinFunctionType):
        yield f"name {getattr(value, '__module__', '')}:{value.__qualname__}".encode()
    elif isinstance(value, type):
        yield from _class(value, depth - 1, inside)
    elif isinstance(value, Problem):
        yield from _problem(value, depth - 1, inside)
    elif hasattr(value, "py_func"):  # compiled by Numba
        yield from _parts(value.py_func, depth - 1, inside)
    elif dataclasses.is_dataclass(value):
        yield from _parts(type(value), depth - 1, inside)
        yield from _parts({one.name: getattr(value, one.name) for one in dataclasses.fields(value)}, depth - 1, inside)
    else:
        yield from _parts(type(value), depth - 1, inside)
        yield from _parts(_state(value), depth - 1, inside)


def _state(value: object) -> Any:
    """What an object holds: its attributes, its slots, and what it gives to pickle if it says so itself."""
    kind = type(value)
    names = [name for one in kind.__mro__ for name in _slots(one) if hasattr(value, name)]
    held = {**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in names}}
    own = kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__
    if own or not (held or hasattr(value, "__dict__")):
        try:
            reduced = value.__reduce_ex__(2)
        except Exception:  # nothing is known about it but its text
            return held or repr(value)
        if isinstance(reduced, tuple):
            return [held, *reduced[1:3], *(list(one) for one in reduced[3:] if one is not None)]
        return [held, reduced]
    return held


def _slots(cls: type) -> tuple[str, ...]:
    names = vars(cls).get("__slots__", ())
    found = (names,) if isinstance(names, str) else tuple(names)
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


def _function(function: types.FunctionType, depth: int, seen: set[int]) -> Any:
    home = function.__module__ or ""
    there = getattr(sys.modules.get(home), function.__name__, None) is function
    if there and home.partition(".")[0] in ("alpt_ref", "numpy", "scipy"):  # `code` has it, or its version
        yield f"name {function.__module__}:{function.__qualname__}".encode()
        return
    yield from _code(function.__code__)
    yield _of_file(function.__code__.co_filename).encode()
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    yield from _parts((function.__defaults__, function.__kwdefaults__, cells), depth, seen)
    used = sorted(
        {name for code in _all_codes(function.__code__) for name in code.co_names} & set(function.__globals__)
    )
    yield from _parts({name: function.__globals__[name] for name in used}, depth, seen)


@functools.cache
def _of_file(file: str | None) -> str:
    """Digest of a Python file of the user's and of what it imports; nothing for libraries and typed-in code."""
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        return ""
    path = Path(file).resolve()
    if any(part in path.parts for part in ("site-packages", "dist-packages")) or path.is_relative_to(_STDLIB):
        return ""
    return parts_of([path], lambda name: True).digest


def _all_codes(code: types.CodeType) -> list[types.CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return [code, *(deeper for one in inner for deeper in _all_codes(one))]


def _code(code: types.CodeType) -> Any:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars)).encode()
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _code(one)
        else:
            yield repr(sorted(one, key=repr) if isinstance(one, frozenset) else one).encode()


def _class(cls: type, depth: int, seen: set[int]) -> Any:
    yield f"class {cls.__module__}:{cls.__qualname__}".encode()
    for one in cls.__mro__:
        if one.__module__.partition(".")[0] in ("alpt_ref", "builtins", "abc", "typing", "numpy"):
            yield f"name {one.__module__}:{one.__qualname__}".encode()
            continue
        for name, value in sorted(vars(one).items()):
            if isinstance(value, (staticmethod, classmethod)):
                value = value.__func__
            if isinstance(value, _OF_CLASSES) and name not in _NO_PART:
                yield name.encode()
                yield from _parts(value, depth, seen)


def _problem(problem: Problem, depth: int, seen: set[int]) -> Any:
    points = np.random.Generator(np.random.Philox(key=3)).standard_normal((4, problem.dim)) * 0.5
    facts = (problem.dim, problem.name, problem.given, problem.convex, problem.minimum, problem.f_star, problem.how)
    yield from _parts((facts, problem.value(points), problem.gradient(points)), depth, seen)
    yield from _parts((problem._functions, problem._sampled), depth, seen)


@functools.cache
def code() -> str:
    """SHA-256 over this package's code behind a simulation, and the libraries that decide its bits."""

    def skip(name: str) -> bool:
        return name in _NO_NUMBER or "/cuda/" in name or name.startswith(("cli/", "training/", "tables/", "models/"))

    parts = parts_of(["alpt_ref.theory.montecarlo"], skip).digest
    return hashlib.sha256(f"{parts} {sorted(library_versions().items())}".encode()).hexdigest()
