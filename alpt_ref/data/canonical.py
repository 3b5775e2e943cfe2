"""One rule for the text of a value, whatever held it: the same rows give the same categories from every container.

Type "text": a text stands for itself, a whole number for its digits, a day for ``YYYY-MM-DD``. Fractions and truth
values have no text of their own (0.5 or 0.50, true or 1?), so that a column of them is refused and asks for "number".

Type "number": values are compared as numbers. Digits alone are a whole number of any size, exactly; with a point or an
exponent a number is the nearest float64, as every container of fractions holds it. 3, 3.0, ``"3.0"`` and ``"03"`` are
``"3"``, 0.5 and ``"0.50"`` are ``"0.5"``, true is ``"1"``. A float32 is the shortest decimal that gives it, which is
what a writer of text writes.

A missing value (null, NaN, the empty text) is the empty text.
"""

from __future__ import annotations

import decimal
import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.errors import InputError

_NUMBER = re.compile(r"([+-]?)(?:([0-9]+)|([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,9})?)\Z", re.ASCII)
_WORDS = {"": "", "nan": "", "true": "1", "false": "0"}


@functools.lru_cache(1 << 18)  # a piece of a file has much the same numbers as the one before
def number_text(text: str) -> str | None:
    """Canonical text of a number that is written as a text; None where it is no finite number.

    Blanks around it are no part of it; ``nan`` is missing, ``true`` and ``false`` are 1 and 0, in any case.

    Examples
    --------
    >>> [number_text(text) for text in ("03", "3.0", "+3e0", "0.50", "-0.0", "18446744073709551617", "True", "")]
    ['3', '3', '3', '0.5', '0', '18446744073709551617', '1', '']
    >>> [number_text(text) for text in ("x", "1_0", "0x1", "1,5", "inf", "1e999")]
    [None, None, None, None, None, None]
    """
    text = text.strip(" \t")
    found = _NUMBER.match(text)
    if found is None:
        return _WORDS.get(text.lower())
    if found[2] is None:
        return float_text(float(text))
    digits = found[2].lstrip("0")
    return (found[1].replace("+", "") + digits) if digits else "0"


def float_text(value: float) -> str | None:
    """Canonical text of a float64: whole numbers without a point, NaN empty, None for an infinity.

    Examples
    --------
    >>> [float_text(value) for value in (2.0, -0.0, 0.1, 1e22, 1e-7, float("nan"), float("inf"))]
    ['2', '0', '0.1', '10000000000000000000000', '1e-07', '', None]
    """
    if value != value:
        return ""
    if math.isinf(value):
        return None
    return str(int(value)) if value == int(value) else repr(value)


def log_text(number: str) -> str:
    """Category of a canonical number under Criteo's convention: floor(ln(x)²) above 2, else the whole part.

    Examples
    --------
    >>> [log_text(number) for number in ("", "-1", "2", "2.5", "3", "100", "0.5")]
    ['', '-1', '2', '0', '1', '21', '0']
    """
    if not number:
        return ""
    value = int(number) if number.removeprefix("-").isdigit() else float(number)
    return str(math.floor(math.log(value) ** 2) if value > 2 else int(value))


@functools.lru_cache(1 << 18)
def log_of(text: str) -> str | None:
    """`log_text` of a number that is written as a text; None where it is none."""
    number = number_text(text)
    return None if number is None else log_text(number)


def value_text(value: Any, kind: str) -> str | None:
    """Canonical text of a Python value under the type "text" or "number"; None where it has none.

    Raises
    ------
    InputError
        Values of this type are no categories, or need another `kind`; the sentence continues "column C holds".

    Examples
    --------
    >>> [value_text(value, "text") for value in ("03", 3, None, float("nan"), b"ab")]
    ['03', '3', '', '', 'ab']
    >>> [value_text(value, "number") for value in ("03", 3.0, True, 2**70)]
    ['3', '3', '1', '1180591620717411303424']
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, np.generic) and not isinstance(value, (str, bytes, float)):
        # of a narrow float the shortest decimal of its own width
        value = float(str(value)) if isinstance(value, np.floating) else value.item()
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, str):
        return value if kind == "text" else number_text(value)
    if isinstance(value, float) and value != value:
        return ""
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return ""
    if isinstance(value, int) and (kind == "number" or not isinstance(value, bool)):
        return str(int(value)) if abs(value) < 10**4000 else None
    if kind == "number" and isinstance(value, float):
        return float_text(value)
    if kind == "number" and isinstance(value, decimal.Decimal):
        return number_text(format(value, "f")) if value.is_finite() and abs(value.adjusted()) < 4000 else None
    raise InputError(refusal(type(value).__name__, kind, isinstance(value, (bool, float, decimal.Decimal))))


def refusal(held: str, kind: str, number: bool) -> str:
    """What is wrong with a column of values of the type `held`, and the way out."""
    if number and kind == "text":
        return f'{held} values, which have no one text; give the field type = "number", or convert the column to text'
    return f"{held} values, which are no category; convert the column to text or to numbers"


def texts_of(values: Any, kind: str) -> list[str | None]:
    """Canonical texts of an Arrow array's values, for which it is best to be distinct; None where one has none.

    Parameters
    ----------
    values : Arrow array
        Not dictionary-coded.
    kind : {"text", "number"}

    Raises
    ------
    InputError
        As `value_text`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> texts_of(pa.array([1, None, 2]), "text"), texts_of(pa.array([0.5, 3.0], pa.float32()), "number")
    (['1', '', '2'], ['0.5', '3'])
    """
    import pyarrow as pa

    held, types = values.type, pa.types
    if types.is_null(held):
        return [""] * len(values)
    if is_text(held):
        texts = values.to_pylist()
        if kind == "text":
            return ["" if text is None else text for text in texts]
        return ["" if text is None else number_text(text) for text in texts]
    if types.is_integer(held):
        return ["" if text is None else text for text in values.cast(pa.string()).to_pylist()]
    text_of = _reader(held, kind)
    return ["" if value is None else text_of(value) for value in values.to_pylist()]


def is_text(held: Any) -> bool:
    """Whether an Arrow type is one of texts."""
    import pyarrow as pa

    view = getattr(pa.types, "is_string_view", lambda held: False)
    return bool(pa.types.is_string(held) or pa.types.is_large_string(held) or view(held))


def is_bytes(held: Any) -> bool:
    """Whether an Arrow type is one of bytes, which are texts where they are UTF-8."""
    import pyarrow as pa

    types = pa.types
    view = getattr(types, "is_binary_view", lambda held: False)
    return any(test(held) for test in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, view))


def _reader(held: Any, kind: str) -> Callable[[Any], str | None]:
    """Canonical text of a Python value of an Arrow type; InputError where a column of this type is refused."""
    import pyarrow as pa

    types = pa.types
    if types.is_floating(held):
        if kind == "text":
            raise InputError(refusal(str(held), kind, True))
        narrow = {16: np.float16, 32: np.float32}.get(held.bit_width)
        return float_text if narrow is None else lambda value: float_text(float(str(narrow(value))))
    if types.is_boolean(held):
        if kind == "text":
            raise InputError(refusal(str(held), kind, True))
        return lambda value: "1" if value else "0"
    if types.is_decimal(held):
        if kind == "text" and held.scale > 0:
            raise InputError(refusal(str(held), kind, True))
        return lambda value: number_text(format(value, "f"))
    if is_bytes(held):
        return lambda value: value_text(value, kind)
    if types.is_date(held) and kind == "text":
        return lambda value: str(value.isoformat())
    raise InputError(refusal(str(held), kind, False))
