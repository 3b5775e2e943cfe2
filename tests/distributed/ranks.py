"""N processes in a gloo group that run functions of the tests, started once for a module."""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any


def _serve(rank: int, ranks: int, store: str, pipe: Any) -> None:
    os.environ["NUMBA_NUM_THREADS"] = "1"
    from torch import distributed

    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=ranks, timeout=datetime.timedelta(seconds=60)
    )
    groups = {size: distributed.new_group(list(range(size))) for size in range(1, ranks + 1)}
    pipe.send("ready")
    while True:
        job = pipe.recv()
        if job is None:
            break
        function, size, arguments = job
        try:
            pipe.send((True, function(groups[size] if rank < size else None, rank, size, *arguments)))
        except BaseException:
            pipe.send((False, traceback.format_exc()))
    distributed.destroy_process_group()


class Ranks:
    """`ranks` processes that answer within `patience` seconds; use as a context."""

    def __init__(self, ranks: int, folder: Path, patience: float = 120.0) -> None:
        self._patience = patience
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(ranks)]
        store = str(folder / "store")
        self._processes = [
            context.Process(target=_serve, args=(rank, ranks, store, pipes[rank][1]), daemon=True)
            for rank in range(ranks)
        ]
        self._pipes = [ours for ours, _ in pipes]

    def __enter__(self) -> Ranks:
        for process in self._processes:
            process.start()
        for pipe in self._pipes:
            assert pipe.recv() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if process.is_alive():
                with contextlib.suppress(OSError):
                    pipe.send(None)
        for process in self._processes:
            process.join(20)
            process.kill()

    def run(self, function: Callable[..., Any], *arguments: Any, size: int | None = None, heard: int = 0) -> list[Any]:
        """``function(group, rank, size, *arguments)`` on the first `size` ranks; what all, or some, returned."""
        pipes = self._pipes[:size]
        for pipe in pipes:
            pipe.send((function, len(pipes), arguments))
        answers = []
        for pipe in pipes[: heard or None]:
            assert pipe.poll(self._patience), "a rank hangs"
            answers.append(pipe.recv())
        for fine, answer in answers:
            assert fine, answer
        return [answer for _, answer in answers]
