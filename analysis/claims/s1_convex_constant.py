r"""S1: stochastic rounding, convex f, constant learning rate: a floor that does not grow as the learning rate shrinks.

Proof. ``|w' - w*|^2 = |v - w*|^2 + 2 <eps, v - w*> + |eps|^2``; ``E eps = 0`` given v (R1), clipping brings v closer,
R3 bounds ``E|eps|^2``: with ``a_t = E|w_t - w*|^2``, ``2 eta (E f(w_t) - f*) <= a_t - a_{t+1} + eta^2 G^2 + min(eta
step E|g|_1, d step^2/4)``. Sum over t = 1..T, drop ``a_{T+1}``, divide by ``2 eta T``. Sparse form: ``G1 >= E|g_t|_1``
for ``sqrt(d) G``. Updates below a step: ``eta G^2/2`` goes, as ``u^2 + E eps^2 = step |u|`` (R3).

The bound is proved here; its closest published relative is in Li et al. 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Schedule, bounds
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product

from ._instances import RELATIVE
from ._settings import ALONG, CONVEX, against_time, horizons, known, track

KEYS = ("eta", "step_size", "D1", "G", "dim")


def grid(budget: str) -> list[Cell]:
    """Exact problems over small and large updates, the tight one, and regressions by Monte Carlo."""
    full = budget == "full"
    reach = [0.02, 0.1, 0.4, 1.0, 3.0, 10.0] if full else [0.1, 1.0, 10.0]
    cells = [{"problem": "cliff", "reach": 0.4, "T": 10_000}, {"problem": "kink", "reach": 0.01, "T": 100_000}]
    cells += product(problem=["bowls", "slopes", "hubers", "sparse"], reach=reach, T=[30_000 if full else 3_000])
    names = ["logistic", "L1 regression", "one-hot logistic", "one-hot L1"]
    return cells + product(
        problem=names if full else names[:1] + names[3:],
        reach=[0.02, 0.1, 0.5, 2.0] if full else [0.1, 0.5],
        T=[10_000 if full else 1_000],
        runs=[256 if full else 64],
    )


def forms(cell: Cell) -> list[str]:
    """The forms of the bound that apply."""
    return ["dense", "sparse", "small moves"] if cell["reach"] <= 1.0 else ["dense", "sparse"]


def bound(cell: Cell, constants: Constants) -> list[float]:
    """Every form at every horizon."""
    given: dict[str, Any] = {key: constants[key] for key in KEYS}
    small = {key: constants[key] for key in ("eta", "step_size", "D1", "G1", "g_max")}
    made = {
        "dense": lambda T: bounds.sr_convex_constant(T=T, **given),
        "sparse": lambda T: bounds.sr_convex_constant(T=T, **given, G1=constants["G1"]),
        "small moves": lambda T: bounds.sr_convex_constant_small_moves(T=T, **small),
    }
    return [made[form](T) for form in forms(cell) for T in horizons(cell)]


def no_rounding(cell: Cell, constants: Constants) -> list[float]:
    """What full precision would obey: the same without the rounding term."""
    eta, square = constants["eta"], constants["D1"] ** 2
    full = [square / (2 * eta * T) + eta * constants["G"] ** 2 / 2 for T in horizons(cell)]
    return list(np.tile(full, len(forms(cell))))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*``."""
    run = track(cell, Schedule("constant", known(cell)["eta"]), seed, broken=broken)
    return run.measurement(run.average_value, horizons(cell), forms(cell))


CLAIM = Claim(
    id="s1",
    title="SR, convex, constant learning rate",
    statement=r"$\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} + "
    r"\frac{1}{2}\min\left(\sqrt{d}\,\Delta G,\ \frac{d\Delta^2}{4\eta}\right)$",
    plain="SR, f convex, eta constant: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + min(sqrt(d) step G, "
    "d step^2/(4 eta))/2. Sparse form: sup E|g_t|_1 for sqrt(d) G. Updates below one step: without eta G^2/2.",
    source=RELATIVE,
    kind="upper",
    grid=grid,
    constants=known,
    bound=bound,
    measure=measure,
    assumptions=(CONVEX, *ALONG),
    control=(
        Control("shrunk", "0.98 of the bound, where it is reached", 0.98, where=lambda cell: cell["problem"] == "kink"),
        Control("no rounding term", "the bound of full precision", bound=no_rounding),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["problem"] == "cliff"),
    ),
    figure=against_time(r"$\frac{1}{T}\sum_t E f(w_t) - f^*$"),
)
