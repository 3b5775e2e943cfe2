"""How fast this package is: the suite behind ``alpt-ref bench``, and one file for each subject that is looked into.

=====================  ================================================================================================
`timing`               clocks, interleaved rounds, the machine, JSON
`cases`, `peers`       what is timed: ours, and the same in PyTorch, NumPy and JAX
`ids`                  ids as click data have them
`run`                  ``alpt-ref bench``: every subject at one size, on a processor or a GPU
`quantize`, `table`,   one subject with more cases: ``python -m analysis.benchmarks.quantize --device cuda``
`montecarlo`,
`train_step`,
`train_cuda`
`ingest`,              encoding text; every container, by number of cores; training beyond memory; the largest table
`containers`,          of a GPU; a GPU's bits
`mapped`,
`capacity_cuda`,
`parity_cuda`
=====================  ================================================================================================
"""

from __future__ import annotations

from .run import SIZES, Size, bench, table_of

__all__ = ["SIZES", "Size", "bench", "table_of"]
