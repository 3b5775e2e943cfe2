r"""R1: stochastic rounding is unbiased, up to the resolution of its random word.

Statement and proof: `alpt_ref.theory.lattice.lattice_bias` (a weight, between the values of codes) and
`alpt_ref.theory.identities.sr_bias` (a move, in steps).

Three ways to count. ``all``: every word of a small generator, through the scalar rules. ``chosen``: all 2^32 words,
through the public `quantize` and `dequantize`: places are found where the generator gives a word of one's choice
(`_words`), and the decision is bisected. ``drawn``: the mean error with the words that the package draws.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import quantizer
from alpt_ref.scalar.code_range import code_range, lowest_code
from alpt_ref.theory.lattice import lattice_bias, lattice_neighbours, lattice_value, lattice_words
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, exact, product, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_calls import unbiased
from ._rounding import WORD_BIAS, count_moves, count_values, generator_of, nearest
from ._words import code_at, count_words, place_of

PARTS = (0.0625, 0.25, 0.5, 0.8125)
RUNS, ROWS, COLUMNS = 64, 32768, 16
WITHIN = 2.0**-9
"""Bias, in steps, that counts as none where the package draws the words: half of what `WORD_BIAS` does."""
SHIFT = 1 << 12
"""What the control takes off every word that is chosen: 2^-20 of the distance between two values."""
STEP_SIZES = (0.1, 1 / 3, 0.0625, "random", "per row")
WEIGHTS = 12
"""Weights of each cell whose words are chosen: two of each of six kinds."""


def grid(budget: str) -> list[Cell]:
    """All words of a small generator; chosen words under any step size; and the package's own."""
    quick = budget == "quick"
    word_bits = [10, 16] if quick else [10, 16, 20, 24]
    counted = product(words=["all"], of=["weight", "move"], word_bits=word_bits, code_bits=[4, 8])
    widths = [8, 16] if quick else [2, 4, 8, 16]
    counted += product(words=["chosen"], step_size=STEP_SIZES, word_bits=[32], code_bits=widths)
    drawn = [0.1] if quick else [0.1, 1.0]
    return counted + product(words=["drawn"], step_size=drawn, word_bits=[32], code_bits=[8] if quick else [4, 8, 16])


def bound(cell: Cell, constants: Constants) -> tuple[float, float]:
    """Bias in steps: the resolution of the word, or what the sampled test takes for none."""
    largest = WITHIN if cell["words"] == "drawn" else 2.0 ** -cell["word_bits"]
    return -largest, largest


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Lowest and highest counted bias; or the mean error of `quantize` at a few fractions, one value for each run."""
    generator = generator_of(seed)
    if cell["words"] == "drawn":
        return _drawn(cell, generator, broken)
    x, bias = (_chosen if cell["words"] == "chosen" else _all)(cell, generator, broken)
    extra = {"x": x, "bias": bias}
    atol = 1e-12 if cell["words"] == "all" else 0.0
    return exact([bias.min(), bias.max()], rtol=0.0, atol=atol, labels=["lowest bias", "highest bias"], extra=extra)


def _all(cell: Cell, generator: np.random.Generator, broken: str | None) -> tuple[Any, Any]:
    top, bits = -lowest_code(cell["code_bits"]), cell["word_bits"]
    count = {10: 256, 16: 64, 20: 32, 24: 16}[bits]
    less = WORD_BIAS if broken == "biased words" else 0
    if cell["of"] == "move":
        code = generator.integers(-top, top, count).astype(np.int32)
        x = generator.uniform(-3, 3, count).astype(np.float32)
        return x, count_moves(code, x, bits, stochastic=broken != "nearest rounding", less=less)[0]
    x = generator.uniform(-top, top - 1, count).astype(np.float32)
    x[:2] = -top, top - 1  # the ends of the box belong to it
    if broken == "nearest rounding":
        return x, nearest(x).astype(np.float64) - x.astype(np.float64)
    return x, count_values(x, cell["code_bits"], bits, less=less)[0]


def _chosen(cell: Cell, generator: np.random.Generator, broken: str | None) -> tuple[Any, Any]:
    """Weights, and the exact bias of each in units of the distance between its neighbours."""
    bits, rows = cell["code_bits"], cell["step_size"] == "per row"
    weights, biases = [], []
    for number in range(WEIGHTS):
        drawn = float(np.float32(2.0 ** generator.uniform(-20, 20)))
        step_size = drawn if isinstance(cell["step_size"], str) else cell["step_size"]
        w = _weight(number, step_size, bits, generator)
        weights.append(float(w))
        count = _former_count if broken == "rounded quotient" else _public_count
        biases.append(float(count(w, step_size, bits, generator, broken, rows)))
    return np.array(weights), np.array(biases)


def _weight(number: int, step_size: float, bits: int, generator: np.random.Generator) -> np.float32:
    """In turn: a value, next to one, next to a middle, near zero, and twice anywhere in the range."""
    low, high = code_range(bits)
    code = int(generator.integers(low, high))
    lower, upper = (np.float32(float(lattice_value(code + k, step_size))) for k in (0, 1))
    towards = np.float32(generator.choice([lower, upper]))
    anywhere = np.float32(generator.uniform(float(lower), float(upper)))
    near_zero = np.float32(generator.choice([-1.0, 1.0]) * step_size * 2.0 ** -generator.uniform(0, 40))
    middle = np.float32((float(lower) + float(upper)) / 2)
    beside = (np.nextafter(lower, upper, dtype=np.float32), np.nextafter(middle, towards, dtype=np.float32))
    kinds: tuple[np.float32, ...] = (lower, *beside, near_zero, anywhere, anywhere)
    return kinds[number % len(kinds)]


def _public_count(
    w: np.float32, step_size: float, bits: int, generator: np.random.Generator, broken: str | None, rows: bool
) -> Fraction:
    """Bias by counting the words for which `quantize` takes the neighbour further from zero."""
    spec = quantizer.QuantSpec(bits, "dr" if broken == "nearest rounding" else "sr")
    less = SHIFT if broken == "shifted threshold" else 0
    toward, away = lattice_neighbours(float(w), step_size, bits)
    values = quantizer.dequantize(np.array([[toward, away]], np.int16), step_size)[0]
    if [Fraction(float(one)) for one in values] != [lattice_value(one, step_size) for one in (toward, away)]:
        return Fraction(1)  # other values than those of the theorem
    codes = set()

    def goes_away(word: int) -> bool:
        code = code_at(place_of(max(word - less, 0), generator), w, step_size, spec, per_row=rows)
        codes.add(code)
        return code == away

    counted = count_words(goes_away, min(lattice_words(float(w), step_size, bits) + less, 1 << 32))
    if not codes <= {toward, away}:
        return Fraction(1)  # a value between which the weight does not lie
    return lattice_bias(float(w), step_size, bits, counted)


def _former_count(w: np.float32, step_size: float, bits: int, *unused: Any) -> Fraction:
    """Bias of rounding the float32 quotient: ``floor(frac 2^32)`` words go away from its whole part."""
    size = abs(Fraction(float(np.float32(abs(w) / np.float32(step_size)))))
    whole = int(size)
    start, end = lattice_value(whole, step_size), lattice_value(whole + 1, step_size)
    mean = start + (end - start) * Fraction(int((size - whole) * 2**32), 2**32)
    return (mean - abs(Fraction(float(w)))) / (end - start)


def _drawn(cell: Cell, generator: np.random.Generator, broken: str | None) -> Measurement:
    parts, step_size = np.array([*PARTS, *np.negative(PARTS)]), cell["step_size"]
    spec = quantizer.QuantSpec(cell["code_bits"], "sr")
    moved = np.float32(step_size * (2.0**-7 if broken == "moved weights" else 0.0))
    w: NDArray[np.float32] = (parts * np.float32(step_size)).astype(np.float32)
    errors = np.empty((RUNS, len(parts)))
    for run in range(RUNS):
        key, counter = (int(word) for word in generator.integers(0, 1 << 50, 2))
        table = np.repeat(w, ROWS // len(parts))[:, None].repeat(COLUMNS, axis=1)
        codes = quantizer.quantize(table + moved, step_size, spec, seed=key, counter=counter)
        values = quantizer.dequantize(codes, step_size).astype(np.float64) - table
        errors[run] = values.reshape(len(parts), -1).mean(axis=1) / np.float64(np.float32(step_size))
    return sampled(errors, labels=[f"x = {part:g}" for part in parts])


def figure(axes: Any, result: Any) -> None:
    """Counted bias against the number of random bits, with the bound."""
    shown = [cell for cell in result.cells if cell.cell["words"] != "drawn" and cell.measurement is not None]
    bits = sorted({cell.cell["word_bits"] for cell in shown})
    axes.fill_between(bits, [2.0**-b for b in bits], [-(2.0**-b) for b in bits], alpha=0.2, label=r"bound $\pm 2^{-r}$")
    for cell in shown:
        bias = cell.measurement.extra["bias"]
        axes.plot([cell.cell["word_bits"]] * len(bias), bias, "k.", markersize=3)
    axes.set_yscale("symlog", linthresh=2.0 ** -(bits[-1] + 2))
    axes.set(xlabel="random bits r", ylabel="bias of SR over all words (steps)", xticks=bits)
    axes.legend(fontsize=8)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return unbiased(CLAIM, quantizer)


THEOREM = theorem(lattice_bias)
CLAIM = Claim(
    id="r1",
    title="stochastic rounding is unbiased",
    statement=THEOREM.statement,
    plain=f"{THEOREM.plain} Counted over all words: of r bits by the scalar rules (and moves of a table, in steps), of "
    "32 bits by quantize under any step size; with the words that the package draws the mean error is within "
    f"{WITHIN:g} of a step.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    of_quantizer=of_quantizer,
    test=Test(
        normal=f"a run's value is the mean of {ROWS * COLUMNS // 8:,} rounding errors with independent words, each "
        "between -1 and 1 step: normal to within 0.01 by Berry and Esseen's theorem, and 64 of them are averaged again"
    ),
    control=(
        Control("biased words", "every word is 2^-8 too small", where=lambda cell: cell["words"] == "all"),
        Control("shifted threshold", "every word is 2^-20 too small", where=lambda cell: cell["words"] == "chosen"),
        Control(
            "rounded quotient",
            "the quotient w/Delta, rounded to float32, in place of w between its neighbours",
            where=lambda cell: cell["words"] == "chosen" and cell["step_size"] != 0.0625,
        ),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["words"] != "drawn"),
        Control("moved weights", "weights 2^-7 of a step too large", where=lambda cell: cell["words"] == "drawn"),
    ),
    figure=figure,
)
