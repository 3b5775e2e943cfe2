r"""D1: deterministic rounding, convex f, constant learning rate.

Proof. With v the clipped update before rounding, eps = w' - v: |w' - w*|^2 = |v - w*|^2 + 2 <eps, w' - w*> - |eps|^2.
R4 gives |eps| <= min(sqrt(d) step/2, eta |g|), and |w' - w*| <= D: the cross term is at most 2 D times that.
Telescope over t = 1..T as in S1, drop the last distance, divide by 2 eta T.

Measured exactly (one Markov chain a coordinate). The control holds DR to the bound that SR obeys (S1).
"""

from __future__ import annotations

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.setting import Schedule
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import ALONG, CONVEX, RELATIVE, instance, measured_average

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        problem=["kink", "bowl", "huber", "elastic"],
        sigma=[0.0, 0.5],
        d=[1, 3, 8] if full else [1, 3],
        reach=[0.05, 0.2, 0.45, 0.9, 2.0, 6.0, 20.0] if full else [0.05, 0.45, 2.0, 8.0],
        longest=[20_000 if full else 2_000],
    )


def horizons(cell: Cell) -> list[int]:
    return [1, 10, 100, int(cell["longest"])]


def constants(cell: Cell) -> Constants:
    return instance(cell).constants()


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in (*KEYS, "D")}
    return [stalling.dr_convex_constant(T=T, **known) for T in horizons(cell)]


def stochastic_bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in KEYS}
    return [bounds.sr_convex_constant(T=T, **known) for T in horizons(cell)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    made = instance(cell)
    run = made.evolve(Schedule("constant", made.eta), int(cell["longest"]), "dr")
    return measured_average(run, made, horizons(cell))


CLAIM = Claim(
    id="d1",
    title="Deterministic rounding, convex, constant learning rate",
    statement=(
        r"$\frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2}"
        r" + D\,\min\left(\frac{\sqrt{d}\,\Delta}{2\eta},\; G\right)$"
    ),
    plain=(
        "DR, f convex, eta constant: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2"
        " + D min(sqrt(d) Delta/(2 eta), G); D bounds every |w_t - w*|, D1 the first"
    ),
    source=RELATIVE,
    kind="upper",
    grid=grid,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(CONVEX, *ALONG),
    control=(
        Control(
            "held-to-s1",
            "DR held to the bound of SR (S1), whose floor does not grow as the learning rate shrinks",
            bound=stochastic_bound,
            where=lambda cell: cell["reach"] < 0.5 and cell["sigma"] == 0.0,
        ),
        Control("shrunk", "95 % of the bound, where it is reached: a stalled |w|", shrink=0.95),
    ),
)
