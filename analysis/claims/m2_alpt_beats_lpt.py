r"""M2: at few bits a learned step size has the lower test logloss than a fixed one, under the decaying learning rate.

An observation of the published experiments, put to the test on stored runs of `alpt-ref reproduce`, paired by seed. No
bound proves it: the learned step size follows the gradient of the nearest-rounded loss, which does not see the variance
of SR.
"""

from __future__ import annotations

from alpt_ref.reproduce import Study
from alpt_ref.reproduce.claims import Pair, on_stored_runs
from alpt_ref.verify import Cell, Control, product

PLAN, SCHEDULE = "schedule", "decaying"


def cells(study: Study) -> list[Cell]:
    return product(bits=[4, 2])


def pair(cell: Cell, broken: bool) -> Pair:
    first = "lpt-sr 2-bit" if broken else f"alpt-sr {cell['bits']}-bit"
    return PLAN, f"{SCHEDULE} {first}", f"{SCHEDULE} lpt-sr {cell['bits']}-bit"


CLAIM = on_stored_runs(
    id="m2",
    title="A learned step size lowers the test logloss at 4 and 2 bits, decaying learning rate",
    statement=r"$m \in \{4, 2\}:\quad E\,[L(\mathrm{ALPT(SR)}) - L(\mathrm{LPT(SR)})] \leq 0$",
    plain=(
        "At 4 and 2 bits ALPT(SR) has a test logloss at most that of LPT(SR), same data, weights and order, under a"
        " decaying learning rate"
    ),
    kind="upper",
    plans=(PLAN,),
    grid=cells,
    pair=pair,
    metric="logloss",
    pairs=5,
    control=Control(
        "half-the-bits", "LPT(SR) at 2 bits in place of ALPT(SR) at 4", where=lambda cell: cell.get("bits", 4) == 4
    ),
)
