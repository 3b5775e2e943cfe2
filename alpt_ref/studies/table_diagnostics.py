"""What a trained table looks like, as arrays small enough to keep with the cell: figures are drawn from them.

``codes``       how often each code occurs, over all rows of the table (up to 8 bits)
``step_size``   step sizes by how often the row was met in training: bins [2^k, 2^(k+1)) with quantiles
``digests``     a checksum of the codes for each of up to 4,096 rows met in training: two runs that differ in the number
                of epochs alone (same seed, hence the same beginning) show which rows moved in between
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.results import RunResult

QUANTILES = (0.1, 0.5, 0.9)
MAX_BITS = 8
MAX_DIGESTS = 4096
_ROWS_AT_ONCE = 1 << 18


def frequencies(dataset: ClickDataset) -> NDArray[np.int64]:
    """How often each id occurs in the training part, int64 (n,)."""
    counts = np.zeros(dataset.n, np.int64)
    rows = counted_rows(dataset, "train")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        at = rows[start : start + _ROWS_AT_ONCE]
        ids = dataset.ids[at]
        met = ids.ravel() if dataset.values is None else ids[dataset.values[at] != 0]  # the others are empty slots
        counts += np.bincount(met, minlength=dataset.n)
    return counts


def table_diagnostics(result: RunResult, counts: NDArray[np.int64]) -> dict[str, Any]:
    """The arrays of a run's table by name, as JSON values; what the method does not have is left out.

    Parameters
    ----------
    result : RunResult with its table
    counts : int64 array (n,), see `frequencies`
    """
    table, seen = result.table, {}
    codes, step_size = table.codes(), table.step_size
    if codes is not None and codes.shape[0] == len(counts) and result.bits is not None:
        if result.bits <= MAX_BITS:
            lowest = lowest_code(result.bits)
            seen["codes"] = np.bincount((codes.astype(np.int64) - lowest).ravel(), minlength=1 << result.bits).tolist()
        met = np.flatnonzero(counts)
        sample = met[:: -(-len(met) // MAX_DIGESTS) or 1]
        seen["digests"] = [zlib.crc32(np.ascontiguousarray(codes[row]).tobytes()) for row in sample]
    if step_size is not None and step_size.shape[0] == len(counts):
        seen["step_size"] = by_frequency(step_size, counts)
    return seen


def by_frequency(values: NDArray[np.float32], counts: NDArray[np.int64]) -> dict[str, list[Any]]:
    """Quantiles of `values` (n,) over rows met ``[2^k, 2^(k+1))`` times, for every k that occurs."""
    met = np.flatnonzero(counts)
    bins = np.frexp(counts[met].astype(np.float64))[1] - 1
    found = np.unique(bins)
    return {
        "count": [1 << int(one) for one in found],
        "rows": [int((bins == one).sum()) for one in found],
        "quantiles": [np.quantile(values[met[bins == one]].astype(np.float64), QUANTILES).tolist() for one in found],
    }
