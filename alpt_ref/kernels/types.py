"""Names for array types that occur everywhere."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref.scalar.types import Int as Int

Codes: TypeAlias = NDArray[np.int8] | NDArray[np.int16]
Integers: TypeAlias = NDArray[np.integer[Any]]
