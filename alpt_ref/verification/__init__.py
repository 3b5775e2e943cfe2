"""Claims and their verification: statement, assumptions, bound, measurement, verdict, and a control that must fail.

A file ``<id>_<what>.py`` that exposes ``CLAIM`` is all a claim needs; ``alpt-ref verify --claims DIR`` finds it.
"""

from alpt_ref.verification.claim import Assumption, Cell, Claim, Constants, Control, Test, product
from alpt_ref.verification.measurement import Measurement, curve, exact, paired, sampled

__all__ = [
    "Assumption",
    "Cell",
    "Claim",
    "Constants",
    "Control",
    "Measurement",
    "Test",
    "curve",
    "exact",
    "paired",
    "product",
    "sampled",
]
