"""A function that the user names, ``module:function`` or ``file.py:function``, for verbs that run somebody's code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alpt_ref._util.parts import is_object_name
from alpt_ref._util.python_file import capture_error, load_attribute
from alpt_ref.errors import InputError

__all__ = ["load_function"]


def load_function(name: str, what: str = "the function") -> Callable[..., Any]:
    """The function of this name; its module is imported, from the current folder too, and its file is run.

    Parameters
    ----------
    name : str
        ``package.module:function``, or ``path/to/file.py:function``.
    what : str
        What the sentence of an error calls it.

    Raises
    ------
    InputError
        The name has another form, there is nothing of that name, it cannot be loaded, or it is no function.

    Examples
    --------
    >>> load_function("math:floor")(1.5)
    1
    """
    place, colon, attribute = name.rpartition(":")
    if colon and place.endswith(".py") and attribute.isidentifier():
        file = Path(place)
        if not file.is_file():
            raise InputError(f"{what} {name!r}: there is no file {place}")
        _see(file.parent)
        value = load_attribute(file, attribute)
    elif is_object_name(name):
        value = _from_module(name, what, place, attribute)
    else:
        raise InputError(f"{what} must be named module:function or file.py:function, got {name!r}")
    if not callable(value):
        raise InputError(f"{what} {name!r} must be a function, got {type(value).__name__}")
    return value  # type: ignore[no-any-return]


def _see(folder: Path) -> None:
    """Let modules of a folder be imported, as Python does for the folder of a script."""
    place = str(folder.resolve())
    if place not in sys.path and not (place == str(Path.cwd()) and "" in sys.path):
        sys.path.append(place)  # last, so that no file beside the user's hides a library


def _from_module(name: str, what: str, place: str, attribute: str) -> Any:
    _see(Path())
    with capture_error() as caught:
        value = importlib.import_module(place)
    if caught.message:
        raise InputError(f"{what} {name!r} cannot be loaded: {caught.message}")
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise InputError(f"{what} {name!r}: {place} has no {attribute}")
        value = getattr(value, part)
    return value
