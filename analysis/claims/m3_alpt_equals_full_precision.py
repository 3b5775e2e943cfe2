r"""M3: 8-bit ALPT(SR) is equivalent to full precision: two one-sided t-tests, margin 0.001 AUC, stated beforehand.

An observation of the published experiments, verified on stored runs of `alpt-ref reproduce`, paired by seed.
Fewer than ten pairs do not resolve the margin and are not judged. The control is not equivalent: 2-bit LPT(DR).
"""

from __future__ import annotations

from alpt_ref.studies.claims import Pair, on_stored_runs
from alpt_ref.verification import Cell, Control

MARGIN = 0.001


def pair(cell: Cell, broken: bool) -> Pair:
    return ("bits", "lpt-dr 2-bit", "fp32") if broken else ("methods", "alpt-sr", "fp32")


CLAIM = on_stored_runs(
    id="m3",
    title="8-bit ALPT(SR) is equivalent to FP32 in test AUC",
    statement=r"$|E\,[A(\mathrm{ALPT(SR),\ 8\ bits}) - A(\mathrm{FP32})]| \leq 0.001$",
    plain=f"The mean paired difference of 8-bit ALPT(SR) and FP32 in test AUC lies within {MARGIN:g} (TOST)",
    kind="equivalence",
    plans=("methods", "bits"),
    grid=lambda study: [{}],
    pair=pair,
    metric="auc",
    pairs=10,
    margin=MARGIN,
    control=Control("two-bit-nearest", "LPT(DR) at 2 bits in place of ALPT(SR) at 8"),
)
