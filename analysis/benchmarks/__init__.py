"""How fast this package is: the suite behind ``alpt-ref bench``, and one file for each subject that is looked into.

=====================  ================================================================================================
`timing`               clocks, interleaved rounds, the machine, JSON
`cases`, `peers`       what is timed: ours, and the same in PyTorch, NumPy and JAX
`ids`                  ids as click data have them
`run`, `compare`       ``alpt-ref bench``: every subject at one size, on a processor or a GPU; beside an older report
`history`              the page of all stored figures
`quantize`, `table`,   one subject with more cases: ``python -m analysis.benchmarks.quantize --device cuda``
`montecarlo`,
`train_step`,          (its floors are `floor` and `arithmetic`; `step_parts` has its parts, of two passes too)
`train_cuda`,          (its peers are `peers_graph`, the parts of its step `train_parts`, two of its cases
                       `two_passes`)
`startup`, `snapshots`  where a short run spends its time; what earlier states of a run take
`ingest`,              encoding text; every container, by number of cores; training beyond memory; the largest table
`containers`,          of a GPU; a GPU's bits
`mapped`,
`capacity_cuda`,
`parity_cuda`
=====================  ================================================================================================
"""

from __future__ import annotations

from .compare import comparison, read_report, require_comparable
from .run import SIZES, Size, bench, table_of

__all__ = ["SIZES", "Size", "bench", "comparison", "read_report", "require_comparable", "table_of"]
