"""Earlier states of a run that may still be needed, the last good epoch's and the best one's, and what they take.

Table, model and dense optimiser as they were after an epoch. The table's part is the table's own business
(`EmbeddingTable.moment`): on a GPU it stays on the device, and where training names few of the rows only these are
held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.tables.base import EmbeddingTable
    from alpt_ref.tables.moments import TableMoment
    from alpt_ref.training.build import State

PASSES = 8
"""Ids are counted where the training rows hold at most so many for each row of the table: else all will be named."""
WORTH = 0.9
"""Rows are held one by one where this saves at least a tenth."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Moment:
    """A state: arrays by name, and the table's part, if that is kept by itself."""

    others: State
    table: TableMoment | None = None

    def arrays(self) -> State:
        """All arrays on the host: ``table/...``, ``model/...``, ``optimizer/...``."""
        own = {} if self.table is None else self.table.state()
        return {f"table/{name}": array for name, array in own.items()} | self.others

    def put_back(self, model: Model) -> bool:
        """Put the table and `model` back, where the table's part is kept by itself."""
        if self.table is not None:
            self.table.restore()
            begin = "model/"
            model.load_state({k.removeprefix(begin): v for k, v in self.others.items() if k.startswith(begin)})
        return self.table is not None


def moment_of(
    table: EmbeddingTable, model: Model, dense: Any, rows: NDArray[np.int64] | None, spare: Moment | None
) -> Moment:
    """What the three hold now; of the table `rows` alone, if given. The memory of `spare` may be used again."""
    others = {f"model/{name}": array for name, array in model.state().items()}
    others |= {f"optimizer/{name}": array for name, array in dense.state().items()}
    return Moment(others, table.moment(rows, None if spare is None else spare.table))


def changing_rows(dataset: ClickDataset, table: EmbeddingTable) -> NDArray[np.int64] | None:
    """Rows of the table that training on the dataset can change; None: hold all, which takes no more."""
    rows = counted_rows(dataset, "train")
    if table.shares_rows or len(rows) * dataset.ids.shape[1] > PASSES * table.n:
        return None
    named = np.zeros(table.n, np.bool_)
    for first in range(0, len(rows), _CHUNK):
        named[np.asarray(dataset.ids[rows[first : first + _CHUNK]])] = True
    found = np.flatnonzero(named)
    bytes_ = table.nbytes("training") / table.n
    return found if len(found) * (bytes_ + found.itemsize) < WORTH * table.n * bytes_ else None
