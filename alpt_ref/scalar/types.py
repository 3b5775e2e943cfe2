"""The type of a whole number in signatures of scalar functions."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Int: TypeAlias = int | np.integer[Any]
