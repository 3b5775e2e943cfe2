"""Names for array types that occur everywhere."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int: TypeAlias = int | np.integer[Any]
Codes: TypeAlias = NDArray[np.int8] | NDArray[np.int16]
Integers: TypeAlias = NDArray[np.integer[Any]]
