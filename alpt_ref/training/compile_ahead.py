"""Processes that compile a run's GPU kernels into the cache while its own process imports, reads data and makes tables.

A kernel takes a third to half of a second to compile, nearly all of it Python, and a run needs some forty. With an
empty cache `start` begins a few processes, each of which compiles every n-th kernel of a step of the same configuration
on a few made-up rows, without running any; the first step waits for them (`wait`). What they could not do the run does
by itself, as ever. Once they have ended a file in the cache says that there is nothing to do.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import dump_toml, load_own_toml

PROCESSES = 4
"""At most; at least two processors are left to the run."""
PATIENCE = 60.0
"""Seconds that the first step waits for each of them."""
_running: list[subprocess.Popen[bytes]] = []
_done: Path | None = None
_settings: Path | None = None


def start(config: RunConfig) -> None:
    """Begin to compile what a run on the GPU needs, unless that has been done for such a configuration."""
    global _done, _settings
    from alpt_ref.kernels.cache import cache_directory

    count = min(PROCESSES, (os.cpu_count() or 1) // 2 - 1)
    folder = cache_directory()
    if _running or folder is None or count < 1 or os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1":
        return
    done = folder / f"gpu-{_kind(config)}"
    if done.exists():
        return
    handle, name = tempfile.mkstemp(prefix="alpt_ref_", suffix=".toml")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(dump_toml(config))
    _done, _settings = done, Path(name)
    for part in range(count):
        command = [sys.executable, "-m", "alpt_ref.training.compile_ahead", name, str(part), str(count)]
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        with contextlib.suppress(OSError):
            _running.append(subprocess.Popen(command, **quiet))


def _kind(config: RunConfig) -> str:
    """Configurations with the same kernels have the same name."""
    own = (config.table, config.model.kind, config.model.dim, config.model.precision, config.model.optimizer)
    return hashlib.sha256(repr(own).encode()).hexdigest()[:16]


def wait() -> None:
    """Wait for the processes that `start` has begun, if any."""
    for process in _running:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if _running and _done is not None:
        with contextlib.suppress(OSError):
            _done.touch()
    _stop()


def _stop() -> None:
    """End what still runs (a run may end before its first step) and remove the file that it reads."""
    global _done, _settings
    for process in _running:
        process.kill()
        process.wait()
    _running.clear()
    if _settings is not None:
        _settings.unlink(missing_ok=True)
    _done = _settings = None


def compile_part(config: RunConfig, part: int, count: int) -> None:
    """Compile every `count`-th kernel of a step and of an evaluation, from number `part` on."""
    import numpy as np

    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.kernels.cuda import target
    from alpt_ref.tables.cuda.tables import CudaFullTable, CudaLowPrecisionTable
    from alpt_ref.training.engine_cuda import CudaEngine

    seen: dict[Any, None] = {}

    def instead(function: Any, args: tuple[Any, ...]) -> None:
        key = function, tuple(function.typeof_pyval(one) for one in args)
        if key not in seen:
            seen[key] = None
            if (len(seen) - 1) % count == part:
                function.compile(key[1])

    target.instead = instead
    for kind in (CudaFullTable, CudaLowPrecisionTable):
        setattr(kind, "_fill", lambda table: None)  # noqa: B010  # the values do not matter
    fields, rows = 2, 64
    ids = np.zeros((rows, fields), np.uint32)
    ids[:, 1] = 8
    split = np.repeat(np.array([0, 1, 2], np.uint8), [rows - 8, 4, 4])
    dataset = ClickDataset("made up", ids, np.zeros(rows, np.uint8), split, ("a", "b"), (8, 8))
    engine = CudaEngine(config.replace("train", batch_size=16, eval_batch_size=16), dataset)
    with engine.stream:
        _, _, emb = engine._gather((engine.source.ids, engine.source.labels, engine.source.ids), engine.counters, 16)
        engine.source.order, engine.source.period = engine.source.ids, 1
        engine._queue_step(16)
        engine.model.forward(emb.reshape(16, -1), training=False)


if __name__ == "__main__":
    compile_part(load_own_toml(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))
