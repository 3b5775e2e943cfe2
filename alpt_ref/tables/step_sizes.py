"""How the gradient of a learned step size is scaled, for ALPT and LSQ alike."""

from __future__ import annotations

import math


def gradient_scale(rule: str, batch_size: int, d: int, q_max: int) -> float:
    """What the gradient of a step size is multiplied by.

    Parameters
    ----------
    rule : {"bdq", "dq", "none"}
        ``1 / sqrt(b d q_max)``; ``1 / sqrt(d q_max)``, Esser et al.'s (LSQ, ICLR 2020) for one step size per row; 1.
    batch_size, d, q_max : int
        Samples of the batch, columns of the table, largest code.

    Examples
    --------
    >>> gradient_scale("dq", 128, 4, 1)
    0.5
    """
    if rule == "none":
        return 1.0
    return 1.0 / math.sqrt((batch_size if rule == "bdq" else 1) * (d * q_max))
