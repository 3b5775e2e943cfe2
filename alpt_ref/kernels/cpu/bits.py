"""Bits of 64-bit words: how many are set, and where the lowest one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def _count_ones(typing_context: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic
def _lowest_one(typing_context: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _python_ones(word: Any) -> int:
    return int(word).bit_count()


def _python_lowest(word: Any) -> int:
    return (int(word) & -int(word)).bit_length() - 1


count_ones: Any = _python_ones if config.DISABLE_JIT else _count_ones
"""``count_ones(word)``, int64, inside a kernel; `word` is uint64."""
lowest_one: Any = _python_lowest if config.DISABLE_JIT else _lowest_one
"""``lowest_one(word)``: place of the lowest set bit of a word that is not zero, int64."""
