"""Quantisers that are wrong on purpose, at least one for each property of `check_quantizer`, which must find them.

`self_test` runs them all. Each breaks one thing in `alpt_ref.testing.quantizer.reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alpt_ref.quantizer.lattices import Uniform
from alpt_ref.testing.quantizer import defects
from alpt_ref.testing.quantizer.check import check_quantizer
from alpt_ref.testing.quantizer.reference import Quantizer, reference, words_of
from alpt_ref.testing.quantizer.report import Report

__all__ = ["BROKEN", "Broken", "self_test"]

STEP = defects.STEP


@dataclass(frozen=True)
class Broken:
    """A broken quantiser.

    Attributes
    ----------
    name : what is wrong, in a word or two
    fails : the property that it breaks
    make : the quantiser on a lattice
    rounding : what it promises
    bits : width at which it is checked
    effort : enough to find it
    options : further arguments of `check_quantizer`
    """

    name: str
    fails: str
    make: Callable[[Uniform], Quantizer]
    rounding: str = "sr"
    bits: int = 8
    effort: float = 0.01
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, effort: float | None = None, seed: int = 0, *, whole: bool = False) -> Report:
        """The report on it: of its property alone, or the whole."""
        lattice = Uniform(STEP, self.bits)
        return check_quantizer(
            self.make(lattice),
            lattice,
            rounding=self.rounding,
            only=() if whole else (self.fails,),
            require=(self.fails,),
            effort=self.effort if effort is None else effort,
            seed=seed,
            name=self.name,
            **self.options,
        )


def self_test(seed: int = 0) -> dict[str, Report]:
    """Check every broken quantiser.

    Returns
    -------
    dict
        Reports by name.

    Raises
    ------
    AssertionError
        One was not found: `check_quantizer` itself is broken.
    """
    reports = {one.name: one.check(seed=seed) for one in BROKEN}
    missed = [one.name for one in BROKEN if one.fails not in reports[one.name].failed]
    if missed:
        raise AssertionError(f"check_quantizer does not find: {', '.join(missed)}")
    return reports


_TINY = np.float32(2.0**-126)

BROKEN = (
    Broken("values of another step size", "on_grid", defects.changed(lambda x, r, _: r * np.float32(1 + 2.0**-22))),
    Broken("one in a thousand two steps", "neighbour", defects.two_steps),
    Broken(
        "threshold 2^-20 of a step late",
        "fixed_points",
        defects.chance(lambda p, x, _: p + 2.0**-20),
        bits=16,
        effort=0.2,
    ),
    Broken("clipped half a step late", "saturation", defects.late(0.5)),
    Broken("clipped a code late", "saturation", defects.late(1.0)),
    Broken(
        "the quotient overflows",
        "saturation",
        defects.changed(lambda x, r, _: np.where(np.isinf(x / np.float32(STEP)), np.float32(np.nan), r)),
    ),
    Broken(
        "zeros become NaN", "fixed_points", defects.changed(lambda x, r, _: r if x.any() else r * np.float32(np.nan))
    ),
    Broken(
        "subnormals away from zero",
        "subnormal",
        defects.changed(lambda x, r, _: np.where((np.abs(x) < _TINY) & (x > 0), np.float32(STEP), r)),
    ),
    Broken("NaN becomes 0", "nan_policy", defects.changed(lambda x, r, _: np.where(np.isnan(x), np.float32(0), r))),
    Broken("words in memory order", "layout", defects.in_memory_order),
    Broken(
        "x without strides",
        "layout",
        defects.changed(lambda x, r, _: r if all(x.strides) or len(x) < 2 else np.zeros_like(r)),
    ),
    Broken("writes to x", "input_untouched", defects.clips_in_place),
    Broken("writes to x of few rows", "input_untouched", defects.writes_to_few),
    Broken("draw 0 is no seed", "repeatable", defects.no_draw_0),
    Broken("counts its calls", "repeatable", defects.counts_its_calls),
    Broken(
        "words from the last row on",
        "row_prefix",
        defects.words(lambda draw, shape: words_of(draw, shape)[::-1]),
    ),
    Broken("words row by row", "column_prefix", reference),
    Broken("state shared by threads", "threads", defects.shared_state),
    Broken(
        "words mirrored beyond the middle",
        "monotone",
        lambda lattice: (
            lambda x, draw: np.where(
                np.floor(2 * x / lattice.step_size) % 2 == 0,
                reference(lattice)(x, draw),
                reference(lattice, words=lambda d, shape: ~words_of(d, shape))(x, draw),
            )
        ),
    ),
    Broken("threshold 2^-10 of a step early", "unbiased", defects.chance(lambda p, x, _: p - 2.0**-10), effort=0.02),
    Broken(
        "threshold 2^-20 of a step early", "unbiased", defects.chance(lambda p, x, _: p - 2.0**-20), bits=16, effort=1.0
    ),
    Broken(
        "words cut to 20 bits",
        "unbiased",
        defects.chance(lambda p, x, _: np.floor(p * 2.0**20) / 2.0**20),
        bits=16,
        effort=1.0,
    ),
    Broken("the tail of eight is not drawn", "unbiased", defects.words(defects.undrawn_tail)),
    Broken(
        "one cell in 256 a tenth too low",
        "unbiased",
        defects.chance(lambda p, x, c: p - 0.1 * p * (c == 37)),
        effort=1.0,
    ),
    Broken("evenly spread words", "variance", defects.words(defects.systematic)),
    Broken("one word a row", "independence", defects.words(lambda draw, shape: words_of(draw, (*shape[:-1], 1)))),
    Broken("odd last column is a copy", "independence", defects.words(defects.copied_tail)),
    Broken("words repeat after 2^16 elements", "independence", defects.words(defects.period_of_elements), effort=0.02),
    Broken("columns 64 apart are alike", "independence", defects.words(defects.same_far_columns), effort=0.02),
    Broken(
        "draws repeat after 2^16", "independence", defects.words(lambda draw, shape: words_of(draw % (1 << 16), shape))
    ),
    Broken("ties by sign", "ties", defects.tie_by_sign, rounding="dr"),
    Broken(
        "ties away from zero, not stated",
        "ties",
        defects.chance(lambda p, x, _: p - 1e-9 * (x < 0), "dr"),
        rounding="dr",
    ),
    Broken("half a step added in float32", "beside_ties", defects.float32_half, rounding="dr"),
    Broken("values that move again", "round_trip", defects.changed(lambda x, r, _: r * np.float32(1 + 2.0**-10))),
    Broken("clipped at one end", "gradient", reference, options={"gradient": defects.gradient}),
    Broken("float64 comes back", "dtype", defects.changed(lambda x, r, _: r.astype(np.float64))),
)
"""All of them."""
