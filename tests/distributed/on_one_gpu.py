"""Several ranks that share one GPU, against one process: the kernels and exchanges of several GPUs, without NCCL.

``torchrun --nproc-per-node 4 -m tests.distributed.on_one_gpu [WORD ...]`` runs cases of `on_gpus` ("calls" and
"static", as launches) and those of `training_on_gpus` whose names hold one of the words; default all. What ranks
exchange is copied through the host (`host_copies`). Rank 0 prints a line a case; ends with 1 where bits differ.
"""

from __future__ import annotations

import datetime
import faulthandler
import sys
import tempfile
from pathlib import Path
from typing import Any

from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda.available import use_device
from alpt_ref.kernels.cuda.target import SIMULATED
from alpt_ref.training.engine_cuda_sliced import SlicedCudaEngine
from tests.distributed import on_gpus, training_on_gpus
from tests.distributed.host_copies import HostCopies, HostRanks

TABLES = ("calls", "static")


def main() -> int:
    """Run all cases."""
    from torch import distributed

    faulthandler.enable()
    if not SIMULATED:
        use_device(0)
    distributed.init_process_group("gloo", timeout=datetime.timedelta(minutes=5))
    # one process alone replays graphs
    made: Any = SlicedCudaEngine
    made.record = property(lambda engine: not SIMULATED and not isinstance(engine.ranks, HostRanks))
    size, first, wanted = distributed.get_world_size(), distributed.get_rank() == 0, sys.argv[1:]
    wrong = on_gpus.run_cases([word for word in TABLES if word in wanted or not wanted], HostCopies(), (False,))
    words = [word for word in wanted if word not in TABLES]
    trained = (0, 0)
    if words or not wanted:
        ranks = HostRanks()
        with tempfile.TemporaryDirectory() as scratch:
            trained = training_on_gpus.run_cases(ranks, Path(ranks.once(lambda: scratch)), words)
    if first:
        name = get_backend("cuda").description()["device"]
        for what, (bad, all_) in (("the CPU's bits", wrong), ("the bits of one process", trained)):
            print(f"{size} ranks share one GPU ({name}): {all_ - bad} of {all_} cases have {what}", flush=True)
    distributed.destroy_process_group()
    return int(wrong[0] + trained[0] > 0)


if __name__ == "__main__":
    if SIMULATED:
        from tests import simulator

        simulator.install()
    sys.exit(main())
