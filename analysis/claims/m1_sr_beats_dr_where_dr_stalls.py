r"""M1: trained on clicks, LPT(SR) has the lower test logloss than LPT(DR) where theory says that DR stalls.

Reason, not proof: lazy Adam's first step on a row is eta, so for eta/Delta < 1/2 nearest rounding undoes it (D3), while
SR moves in the mean as full precision does (X1). From 1/2 on DR moves too and the claim says nothing: those cells are
outside its region, and the table `eta_over_delta` shows what happens there.

Data: stored runs of `alpt-ref reproduce`, paired by seed.
"""

from __future__ import annotations

from alpt_ref.studies.claims import Pair, on_stored_runs
from alpt_ref.studies.reproduce import Study
from alpt_ref.studies.sweep import STALLS_BELOW, SweepPoint, name_of
from alpt_ref.verification import Assumption, Cell, Control, product

PLAN = "eta_over_delta"


def cells(study: Study) -> list[Cell]:
    return product(bits=study.bits, ratio=study.ratios)


def pair(cell: Cell, broken: bool) -> Pair:
    sr, dr = (name_of("lpt", SweepPoint(cell["bits"], side, cell["ratio"])) for side in ("sr", "dr"))
    return (PLAN, dr, sr) if broken else (PLAN, sr, dr)


CLAIM = on_stored_runs(
    id="m1",
    title="SR beats DR on click data where the learning rate is below half a step",
    statement=r"$\eta/\Delta < \frac{1}{2}:\quad E\,[L(\mathrm{LPT(SR)}) - L(\mathrm{LPT(DR)})] \leq 0$",
    plain=(
        "For eta/Delta < 1/2 LPT(SR) has a test logloss at most that of LPT(DR), same data, weights and order, constant"
        " learning rate; at larger eta/Delta nothing is claimed (see the table eta_over_delta)"
    ),
    kind="upper",
    plans=(PLAN,),
    grid=cells,
    pair=pair,
    metric="logloss",
    pairs=5,
    assumptions=(
        Assumption(
            f"eta/Delta < {STALLS_BELOW:g}, where DR undoes a first step",
            lambda cell, constants: cell["ratio"] < STALLS_BELOW,
        ),
    ),
    control=Control("exchanged", "SR and DR exchanged", where=lambda cell: cell.get("ratio", 0.0) < STALLS_BELOW / 2),
)
