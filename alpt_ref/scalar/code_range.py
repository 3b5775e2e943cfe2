"""The integers that a code of `bits` bits can be: the one place where they follow from the width.

Plain Python on whole numbers, so that a settings class or a test may use it without a compiler;
`alpt_ref.scalar.quantizer` compiles the same functions for kernels.
"""

from __future__ import annotations

from alpt_ref.scalar.types import Int


def lowest_code(bits: Int) -> int:
    """Smallest code of `bits` bits, ``-2**(bits - 1)``.

    Examples
    --------
    >>> lowest_code(8)
    -128
    """
    return -(1 << int(bits - 1))


def highest_code(bits: Int) -> int:
    """Largest code of `bits` bits, ``2**(bits - 1) - 1``.

    Examples
    --------
    >>> highest_code(8)
    127
    """
    return (1 << int(bits - 1)) - 1


def code_range(bits: Int) -> tuple[int, int]:
    """Smallest and largest code of `bits` bits.

    Examples
    --------
    >>> code_range(4)
    (-8, 7)
    """
    return lowest_code(bits), highest_code(bits)


def largest_step_size(bits: Int) -> float:
    """Largest step size under which every code of `bits` bits has a finite value in float32.

    Examples
    --------
    >>> largest_step_size(8)  # 128 of them are float32's largest number
    2.6584558331135067e+36
    """
    return float.fromhex("0x1.fffffep+127") / (1 << int(bits - 1))
