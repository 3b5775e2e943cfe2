r"""R1: stochastic rounding is unbiased, up to the resolution of its random word.

Statement and proof: `alpt_ref.theory.identities.sr_bias`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref import quantizer
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.theory.identities import sr_bias
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product, sampled

from ._rounding import WORD_BIAS, count_values, generator_of, nearest

PARTS = (0.0625, 0.25, 0.5, 0.8125)
RUNS, ROWS, COLUMNS = 64, 32768, 16
WITHIN = 2.0**-9
"""Bias, in steps, that counts as none where the package draws the words: half of what `WORD_BIAS` does."""


def grid(budget: str) -> list[Cell]:
    """All words of a small generator at random values; and the package's own generator."""
    quick = budget == "quick"
    counted = product(words=["all"], word_bits=[10, 16] if quick else [10, 16, 20, 24], code_bits=[4, 8])
    if not quick:
        counted += product(words=["all"], word_bits=[32], code_bits=[8])
    return counted + product(words=["drawn"], word_bits=[32], code_bits=[8] if quick else [4, 8, 16])


def bound(cell: Cell, constants: Constants) -> tuple[float, float]:
    """Bias in steps: the resolution of the word, or what the sampled test takes for none."""
    largest = 2.0 ** -cell["word_bits"] if cell["words"] == "all" else WITHIN
    return -largest, largest


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Lowest and highest counted bias; or the mean error of `quantize` at a few fractions, one value for each run."""
    generator = generator_of(seed)
    top = -lowest_code(cell["code_bits"])
    if cell["words"] == "drawn":
        return _drawn(cell, generator, broken)
    count = {10: 256, 16: 64, 20: 32, 24: 16, 32: 8}[cell["word_bits"]]
    x = generator.uniform(-top, top - 1, count).astype(np.float32)
    x[:2] = -top, top - 1  # the ends of the box belong to it
    if broken == "nearest rounding":
        bias = nearest(x).astype(np.float64) - x.astype(np.float64)
    else:
        less = WORD_BIAS if broken == "biased words" else 0
        bias, _ = count_values(x, cell["code_bits"], cell["word_bits"], less=less)
    extra = {"x": x, "bias": bias}
    return exact([bias.min(), bias.max()], rtol=0.0, atol=1e-12, labels=["lowest bias", "highest bias"], extra=extra)


def _drawn(cell: Cell, generator: np.random.Generator, broken: str | None) -> Measurement:
    parts = np.concatenate([PARTS, np.negative(PARTS)])
    spec = quantizer.QuantSpec(cell["code_bits"], "dr" if broken == "nearest rounding" else "sr")
    errors = np.empty((RUNS, len(parts)))
    for run in range(RUNS):
        key, counter = (int(word) for word in generator.integers(0, 1 << 50, 2))
        w = np.repeat(parts.astype(np.float32), ROWS // len(parts))[:, None].repeat(COLUMNS, axis=1)
        codes = quantizer.quantize(w, 1.0, spec, seed=key, counter=counter)
        errors[run] = codes.reshape(len(parts), -1).mean(axis=1) - parts
    return sampled(errors, labels=[f"x = {part:g}" for part in parts])


def figure(axes: Any, result: Any) -> None:
    """Counted bias against the number of random bits, with the bound."""
    bits = sorted({cell.cell["word_bits"] for cell in result.cells if cell.cell["words"] == "all"})
    axes.fill_between(bits, [2.0**-b for b in bits], [-(2.0**-b) for b in bits], alpha=0.2, label=r"bound $\pm 2^{-r}$")
    for cell in result.cells:
        if cell.cell["words"] == "all" and cell.measurement is not None:
            bias = cell.measurement.extra["bias"]
            axes.plot([cell.cell["word_bits"]] * len(bias), bias, "k.", markersize=3)
    axes.set_yscale("symlog", linthresh=2.0 ** -(bits[-1] + 2))
    axes.set(xlabel="random bits r", ylabel="bias of SR over all words (steps)", xticks=bits)
    axes.legend(fontsize=8)


THEOREM = theorem(sr_bias)
CLAIM = Claim(
    id="r1",
    title="stochastic rounding is unbiased",
    statement=THEOREM.statement,
    plain=f"{THEOREM.plain} Counted over all words of r bits; with the package's own words the mean error is within "
    f"{WITHIN:g} of a step.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control("biased words", "every word is 2^-8 too small", where=lambda cell: cell["words"] == "all"),
        Control("nearest rounding", "DR in place of SR"),
    ),
    figure=figure,
)
