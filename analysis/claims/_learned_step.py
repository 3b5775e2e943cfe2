"""What M2 and M2b share: a learned against a fixed step size on stored runs, under one learning-rate schedule."""

from __future__ import annotations

from alpt_ref.studies.claims import Pair, on_stored_runs
from alpt_ref.studies.reproduce import Study
from alpt_ref.verification import Cell, Claim, Control, product

PLAN = "schedule"


def learned_against_fixed(name: str, schedule: str) -> Claim:
    """The claim `name`: ALPT(SR) has at most the test logloss of LPT(SR) at 4 and 2 bits under `schedule`."""

    def cells(study: Study) -> list[Cell]:
        return product(bits=[4, 2])

    def pair(cell: Cell, broken: bool) -> Pair:
        first = "lpt-sr 2-bit" if broken else f"alpt-sr {cell['bits']}-bit"
        return PLAN, f"{schedule} {first}", f"{schedule} lpt-sr {cell['bits']}-bit"

    return on_stored_runs(
        id=name,
        title=f"A learned step size lowers the test logloss at 4 and 2 bits, {schedule} learning rate",
        statement=r"$m \in \{4, 2\}:\quad E\,[L(\mathrm{ALPT(SR)}) - L(\mathrm{LPT(SR)})] \leq 0$",
        plain=(
            "At 4 and 2 bits ALPT(SR) has a test logloss at most that of LPT(SR), same data, weights and order, under a"
            f" {schedule} learning rate"
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
