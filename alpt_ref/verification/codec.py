"""How stored cells become JSON and come back bit for bit: arrays as base64, infinity by name, order of keys fixed."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

_ARRAY, _FLOAT = "__array__", "__float__"


def to_plain(value: Any) -> Any:
    """Only what JSON has: NumPy scalars become numbers, arrays base64 text, infinity and NaN are named.

    Raises
    ------
    TypeError
        `value` holds something else, for example a function or a key that is not text.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise TypeError(f"an array of {value.dtype} cannot be stored; use numbers")
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        text = base64.b64encode(little.tobytes()).decode()
        return {_ARRAY: text, "dtype": little.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: to_plain(item) for key, item in value.items()}
    raise TypeError(f"{value!r} cannot be stored; use numbers, text, lists, arrays and dicts with text keys")


def from_plain(value: Any) -> Any:
    """The inverse of `to_plain`; raises ValueError, KeyError or TypeError for what it did not write."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _FLOAT in value:
        return float(value[_FLOAT])
    if _ARRAY in value:
        flat = np.frombuffer(base64.b64decode(value[_ARRAY], validate=True), np.dtype(value["dtype"]))
        array = flat.reshape(value["shape"])
        return array.astype(array.dtype.newbyteorder("="))  # a writable copy in native order
    return {key: from_plain(item) for key, item in value.items()}


def canonical(value: Any) -> str:
    """One text for one value: keys sorted, no spaces; what keys and checksums are taken over."""
    return json.dumps(to_plain(value), sort_keys=True, allow_nan=False, separators=(",", ":"))
