r"""R2: the variance of stochastic rounding, ``Delta^2 p (1 - p)`` with ``p = frac(x/Delta)``; at most ``Delta^2/4``.

Statement and proof: `alpt_ref.theory.identities.sr_variance`.

Of moves, in steps, counted over all words of a small generator; and of the public `quantize` under any step size, where
the two values around a weight are not exactly a step apart, counted over all 2^32 words (`_words`).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from alpt_ref import quantizer
from alpt_ref.scalar.code_range import code_range
from alpt_ref.theory.identities import sr_variance
from alpt_ref.theory.lattice import lattice_neighbours, lattice_value, lattice_words
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_calls import variance
from ._rounding import WORD_BIAS, WORD_BITS, count_values, generator_of, nearest
from ._words import code_at, count_words, place_of

PARTS = 32


def grid(budget: str) -> list[Cell]:
    """Step sizes, and the whole step in which x lies."""
    quick = budget == "quick"
    moves = product(
        step_size=[0.1, 1.0] if quick else [1e-4, 0.1, 1.0, 30.0], code=[-3, 2] if quick else [-8, -3, 0, 6]
    )
    return moves + product(step_size=[0.1], code_bits=[8, 16] if quick else [2, 4, 8, 16], weights=[3])


def positions(cell: Cell) -> Any:
    """x in steps: the fractions ``0, 1/32, .. 1``, which 16 random bits represent exactly."""
    return (cell["code"] + np.arange(PARTS + 1) / PARTS).astype(np.float32)


def weights(cell: Cell) -> list[tuple[np.float32, float, float]]:
    """Weights anywhere between two neighbouring values, the distance of these, and the weight's place between them."""
    generator, found = generator_of(cell["code_bits"]), []
    lowest, highest = code_range(cell["code_bits"])
    for code in [int(one) for one in generator.integers(lowest, highest, (cell["weights"],))]:
        low, high = (lattice_value(one, cell["step_size"]) for one in (code, code + 1))
        w = np.float32(generator.uniform(float(low), float(high)))
        found.append((w, float(high - low), float((Fraction(float(w)) - low) / (high - low))))
    return found


def bound(cell: Cell, constants: Constants) -> Any:
    """``Delta^2 p(1 - p)`` at each fraction, or for each weight."""
    return of(cell, sr_variance)


def of(cell: Cell, variance: Callable[[Any], Any]) -> Any:
    """Another function of p in place of ``p(1 - p)``, times ``Delta^2``."""
    if "code_bits" in cell:
        gap, p = np.array([one[1:] for one in weights(cell)]).T
        return np.asarray(gap**2 * variance(p))
    x = positions(cell).astype(np.float64)
    return cell["step_size"] ** 2 * variance(x - np.floor(x))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Variance over all words, at each fraction or of each weight."""
    if "code_bits" in cell:
        return counted(cell, seed, broken)
    x = positions(cell)
    if broken == "nearest rounding":  # counted as if its error were random
        variance = (nearest(x) - x.astype(np.float64)) ** 2
    else:
        _, variance = count_values(x, 4, WORD_BITS, less=WORD_BIAS if broken == "biased words" else 0)
    labels = [f"p = {part}/{PARTS}" for part in range(PARTS + 1)]
    square = cell["step_size"] ** 2
    return exact(square * variance, rtol=1e-12, atol=1e-15 * square, labels=labels)


def counted(cell: Cell, seed: int, broken: str | None) -> Measurement:
    """Variance of the public `quantize` over all 2^32 words, for each weight."""
    generator, step_size, bits = generator_of(seed), cell["step_size"], cell["code_bits"]
    spec = quantizer.QuantSpec(bits, "dr" if broken == "nearest rounding" else "sr")
    variances = []
    for w, gap, _ in weights(cell):
        away = lattice_neighbours(float(w), step_size, bits)[1]
        less = WORD_BIAS if broken == "biased words" else 0
        guess = min(lattice_words(float(w), step_size, bits) + less, 1 << 32)

        def goes_away(word: int, w: np.float32 = w, away: int = away, less: int = less) -> bool:
            return code_at(place_of(max(word - less, 0), generator), w, step_size, spec) == away

        part = count_words(goes_away, guess) / 2**32
        variances.append(gap**2 * part * (1.0 - part))
    square = step_size**2
    return exact(variances, rtol=0.0, atol=2.0**-31 * square, labels=[f"w = {w:.9g}" for w, *_ in weights(cell)])


def figure(axes: Any, result: Any) -> None:
    """The parabola, what was counted, and the biased generator."""
    p = np.linspace(0, 1, 101)
    axes.plot(p, p * (1 - p), "k-", label=r"$p(1-p)$")
    shown = (("SR, all words", result.cells[0], "o"), ("control: words too small", result.controls[0].cells[0], "x"))
    for label, cell, marker in shown:
        values = [point.value / cell.cell["step_size"] ** 2 for point in cell.points]
        axes.plot(np.linspace(0, 1, len(values)), values, marker, markersize=4, label=label)
    axes.set(xlabel=r"fraction $p$ of $x/\Delta$", ylabel=r"variance of SR ($\Delta^2$)")
    axes.legend(fontsize=8)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return variance(CLAIM, quantizer)


THEOREM = theorem(sr_variance)
CLAIM = Claim(
    id="r2",
    title="variance of stochastic rounding",
    statement=THEOREM.statement,
    plain=THEOREM.plain + "; counted over all words, not sampled.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    of_quantizer=of_quantizer,
    control=(
        Control("biased words", "every word is 2^-8 too small"),
        Control("nearest rounding", "squared error of DR in place of the variance of SR", where=lambda c: "code" in c),
        Control("without 1 - p", "Delta^2 p", bound=lambda cell, constants: of(cell, lambda p: p), removes=("1 - p",)),
        Control(
            "without p", "Delta^2 (1 - p)", bound=lambda cell, constants: of(cell, lambda p: 1 - p), removes=("p",)
        ),
        Control(
            "halved",
            "half of it",
            bound=lambda cell, constants: 0.5 * bound(cell, constants),
            removes=("Delta^2 p(1 - p)",),
        ),
        Control(
            "an eighth",
            "at most Delta^2/8",
            bound=lambda cell, constants: (0.0, cell["step_size"] ** 2 / 8),
            removes=("Delta^2/4",),
        ),
    ),
    figure=figure,
)
