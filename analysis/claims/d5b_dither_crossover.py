r"""D5: where "SR beats DR" stops. The ratio of their squared errors on a quadratic, against the gradient noise.

Statements and proofs: `alpt_ref.theory.crossover`; what holds after T updates and what only as T grows is said there.

SR wins while the noise is below about a fifth of a step, once it has forgotten its start: after 10 updates both are
still on their way, and the ratio is near 1. From a third of a step on **DR is the better of the two**: its error
variance is 1/12 of a squared step where SR's averages 1/6; with uniform noise one step wide 1/(2 eta lambda) times.
Measured exactly, with the dense chain of `_noisy_chain`; between the two sides nothing is claimed, only drawn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.theory import Noise
from alpt_ref.theory.crossover import loud_ratio, quiet_ratio, whole_width_ratio
from alpt_ref.theory.setting import NoiseKind
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DITHER
from ._noisy_chain import NoisyQuadratic
from ._pictures import along

START, MINIMUM = -60, 0.3
KINDS: tuple[NoiseKind, ...] = ("normal", "uniform", "two-point")
TIME_CONSTANTS = 12
"""A long run makes this many times ``1/(eta lambda)`` updates: its start counts for a millionth of SR's error or less.
Twice as many where DR is SR without noise: E e^2 forgets like q^T there, through its mean, and not like q^(2T)."""
SHORT = 10
WHOLE = 1.0 / math.sqrt(12.0)
"""Standard deviation of uniform noise one step wide."""
SETTLED = 1e-5
"""Relative: what the start still counts for after a long run, where the statement is about the limit."""


def long_run(rate: float) -> int:
    return math.ceil(TIME_CONSTANTS / rate)


def cells(budget: str) -> list[Cell]:
    rates = [0.02, 0.05, 0.1] if budget == "full" else [0.05, 0.1]
    sides: dict[str, list[float]] = {
        "quiet": [0.0, 0.05, 0.1, 0.15],
        "loud": [0.5, 0.6, 0.8, 1.0, 1.5, 2.0],
        "whole": [WHOLE],
    }
    return [
        cell
        for side, sigmas in sides.items()
        for rate in rates
        for updates in {"quiet": [SHORT, long_run(rate)], "loud": [long_run(rate)], "whole": [2 * long_run(rate)]}[side]
        for cell in product(side=[side], rate=[rate], sigma=sigmas, updates=[updates])
    ]


def of(cell: Cell, kind: NoiseKind, sigma: float) -> NoisyQuadratic:
    bits = 7 if cell["rate"] >= 0.05 else 8  # wide enough that clipping is below 1e-9
    return NoisyQuadratic(cell["rate"], Noise(kind if sigma else "none", sigma), MINIMUM, bits)


def side_noise(cell: Cell) -> NoiseKind:
    return "normal" if cell["side"] == "loud" else "uniform"


def constants(cell: Cell) -> Constants:
    return {"largest": math.sqrt(3.0) * cell["sigma"], "start": START - MINIMUM}


def bound(cell: Cell, constants: Constants) -> Any:
    rate, sigma = cell["rate"], cell["sigma"]
    if cell["side"] == "quiet":
        noise = Noise("uniform", sigma) if sigma else Noise()
        return quiet_ratio(rate=rate, noise=noise, updates=cell["updates"], start=constants["start"]), math.inf
    if cell["side"] == "loud":
        return loud_ratio(rate=rate, sigma=sigma, start=constants["start"], updates=cell["updates"])
    return around(whole_width_ratio(rate=rate, minimum=MINIMUM))


def around(value: float) -> tuple[float, float]:
    return value * (1.0 - SETTLED), value * (1.0 + SETTLED)


def at_once(cell: Cell, constants: Constants) -> Any:
    """The limit, whatever the number of updates."""
    return bound({**cell, "updates": long_run(cell["rate"])}, constants)


def quiet_with(wide: float = 1.0, less: bool = False, linear: float = 1.0, mean: float = 1.0) -> Any:
    """The quiet bound times `wide`, with noise left out of R, or with other parts of SR's recursion."""

    def value(cell: Cell, constants: Constants) -> Any:
        rate, largest = cell["rate"], 0.0 if less else constants["largest"]
        moment, sizes = constants["start"] ** 2, mean * constants["largest"] / 2.0
        for _ in range(cell["updates"]):
            rounding = min(linear * rate * math.sqrt(moment) + sizes, 0.25)
            moment = (1.0 - rate) ** 2 * moment + cell["sigma"] ** 2 + rounding
        return wide * ((0.5 - largest) / rate - 1.0) ** 2 / moment, math.inf

    return value


def loud_with(of_dr: float, of_sr: float) -> Any:
    """The limit with other variances of the two roundings, a thousandth wide on each side."""

    def value(cell: Cell, constants: Constants) -> Any:
        ratio = (cell["sigma"] ** 2 + of_dr) / (cell["sigma"] ** 2 + of_sr)
        return 0.999 * ratio, 1.001 * ratio

    return value


def whole_with(factor: float, theta: float, rate: bool) -> Any:
    """Another factor, theta(1 - theta) or rate in the limit of the whole width."""

    def value(cell: Cell, constants: Constants) -> Any:
        memory = whole_width_ratio(rate=cell["rate"], minimum=MINIMUM) / (4.0 * MINIMUM * (1.0 - MINIMUM))
        return around(factor * theta * (memory if rate else 1.0))

    return value


def on(side: str, **values: tuple[float, ...]) -> Any:
    """Whether a cell is of this side and has one of these values."""
    return lambda cell: cell["side"] == side and all(cell[key] in allowed for key, allowed in values.items())


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    other = "sr" if broken == "stochastic" else "dr"
    errors: dict[str, list[float]] = {}
    for kind in KINDS:
        run = of(cell, kind, cell["sigma"])
        errors[kind] = [run.error_after(rounding, START, cell["updates"]) for rounding in (other, "sr")]
    ratio = {kind: values[0] / values[1] for kind, values in errors.items()}
    extra = {"DR": {kind: values[0] for kind, values in errors.items()}, "ratio": ratio, **sweep(cell)}
    return exact(ratio[side_noise(cell)], rtol=1e-6, extra=extra)


def sweep(cell: Cell) -> dict[str, Any]:
    """Of one cell of each rate, the ratios over the whole range of noise, for the figure."""
    if cell["side"] != "quiet" or cell["sigma"] != 0.0 or cell["updates"] == SHORT:
        return {}
    sigmas = np.geomspace(0.02, 2.0, 40)
    kinds: tuple[NoiseKind, ...] = ("normal", "two-point")
    ratios: dict[str, Any] = {"sweep": sigmas}
    for kind in kinds:
        runs = [of(cell, kind, float(sigma)) for sigma in sigmas]
        both = [[run.error_after(rounding, START, cell["updates"]) for rounding in ("dr", "sr")] for run in runs]
        ratios[f"sweep {kind}"] = np.array([deterministic / stochastic for deterministic, stochastic in both])
    return ratios


def _outside(cell: Cell, constants: Constants) -> bool:
    """Of the quiet side alone: the others forget every start."""
    return bool(
        cell["side"] != "quiet" or abs(constants["start"]) >= (0.5 - constants["largest"]) / cell["rate"] >= 1.0
    )


QUIET, LOUD, SAME = (theorem(one) for one in (quiet_ratio, loud_ratio, whole_width_ratio))
LONG = tuple(long_run(rate) for rate in (0.02, 0.05, 0.1))
DECIDES = (0.6, 0.8, 1.0)
CLAIM = Claim(
    id="d5b",
    left_out=DITHER,
    title="Where “SR beats DR” stops: ratio of their squared errors against the gradient noise",
    statement="\n".join(one.statement for one in (QUIET, LOUD, SAME)),
    plain=" ".join(f"{one.plain.rstrip('.')}." for one in (QUIET, LOUD, SAME)),
    source=QUIET.source,
    kind="identity",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(Assumption("where the noise is small: R >= 1 and the start lies outside R", _outside),),
    control=(
        Control(
            "stochastic",
            "SR in place of DR: the ratio is 1, outside every range",
            where=lambda cell: cell["updates"] != SHORT,
        ),
        Control(
            "sr-always-wins",
            "the short form: SR's error is never larger",
            bound=lambda cell, constants: (1.0, math.inf),
            where=lambda cell: cell["side"] != "quiet",
        ),
        Control(
            "at-once",
            "the limit after 10 updates: SR's start left out",
            bound=at_once,
            where=on("quiet", updates=(SHORT,), sigma=(0.0, 0.05)),
            removes=("quiet: q^(2T) e_1^2",),
        ),
        Control(
            "radius-without-noise",
            "R = 1/(2 eta lambda) in spite of noise",
            bound=quiet_with(less=True),
            where=on("quiet", updates=LONG, sigma=(0.15,)),
            removes=("quiet: R",),
        ),
        Control(
            "twice-the-ratio",
            "twice the bound",
            bound=quiet_with(2.0),
            where=on("quiet", updates=LONG, sigma=(0.0,)),
            removes=("quiet: (R - 1)^2/m_T^2",),
        ),
        Control(
            "half-the-drift",
            "half of eta lambda m in SR's rounding",
            bound=quiet_with(linear=0.5),
            where=on("quiet", updates=LONG, sigma=(0.0,)),
            removes=("quiet: eta lambda m",),
        ),
        Control(
            "drift-alone",
            "SR's rounding without E|n|",
            bound=quiet_with(mean=0.0),
            where=on("quiet", updates=LONG[:2], sigma=(0.05,)),
            removes=("quiet: E|n|",),
        ),
        Control(
            "both-1/6",
            "1/6 for DR too",
            bound=loud_with(1 / 6, 1 / 6),
            where=on("loud", sigma=DECIDES),
            removes=("loud: 1/12",),
        ),
        Control(
            "both-1/12",
            "1/12 for SR too",
            bound=loud_with(1 / 12, 1 / 12),
            where=on("loud", sigma=DECIDES),
            removes=("loud: 1/6",),
        ),
        Control(
            "exchanged",
            "1/6 for DR and 1/12 for SR",
            bound=loud_with(1 / 6, 1 / 12),
            where=on("loud", sigma=DECIDES),
            removes=("loud: (s^2 + 1/12)/(s^2 + 1/6)",),
        ),
        Control(
            "half-of-whole",
            "half of the ratio for noise one step wide",
            bound=whole_with(2.0, MINIMUM * (1 - MINIMUM), True),
            where=on("whole"),
            removes=("whole: 4 theta(1 - theta) (1 - q^2)", "whole: 4"),
        ),
        Control(
            "any-minimum",
            "theta(1 - theta) = 1/4 for every minimum",
            bound=whole_with(4.0, 0.25, True),
            where=on("whole"),
            removes=("whole: theta(1 - theta)",),
        ),
        Control(
            "no-memory",
            "the ratio without 1 - q^2",
            bound=whole_with(4.0, MINIMUM * (1 - MINIMUM), False),
            where=on("whole"),
            removes=("whole: 1 - q^2",),
        ),
    ),
    figure=along("sigma", "noise (steps)", "squared error, DR over SR", "rate"),
)
