"""The process group of a run: joined from the environment of a launcher, watched, and left together.

``torchrun`` (or any launcher) sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. A process that dies closes its
connections, and whoever waits for it is told at once; but a machine that disappears closes nothing, and who waits for a
GPU hears nothing. For that every process counts up in the launcher's store every few seconds, in a thread of its own,
and one whose count stands still for `LOST_S`, or that has ended on this machine, is lost: all others end.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from alpt_ref._util import ending
from alpt_ref._version import install_hint
from alpt_ref.distributed import arrival, neighbours
from alpt_ref.distributed.group import lost_rank
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit

BEAT_S = 3.0
"""Between two signs of life."""
LOST_S = 40.0
"""Without a sign of life a process is lost."""
BUSY_S = 1800.0
"""The same while a process writes its part of a checkpoint, which may hold the interpreter."""
LONGEST_S = 1800.0
"""A collective may wait for a slow rank (rank 0 may be computing metrics), who is watched by his signs of life."""
STORE = "the process that holds the store of the run"
HESITATION_S = 0.3
"""Rank 0 speaks first where all of them have the same to say."""
PART_S = 2.0
"""So long the process that holds the store waits for the others to ask who speaks."""
POLL_S = 0.01
"""Between two looks at what others have counted."""
DOWN_S = 5.0
"""So long NCCL may take to let go after an error."""
_stores: dict[tuple[str, int, int], Any] = {}


class Watch:
    """This process's signs of life, and a look at those of the others.

    Parameters
    ----------
    store : torch.distributed.TCPStore
        A connection of its own, which waits no longer than `LOST_S`.
    rank, size : int
    holds : bool
        Whether the store ends with this process.
    """

    def __init__(self, store: Any, rank: int, size: int, *, holds: bool = False) -> None:
        self._store, self._rank, self._size, self._holds = store, rank, size, holds
        self._speaks: bool | None = None
        self._seen: dict[int, tuple[str, int]] = {}
        self._busy = False
        self._rounds = 0
        self._sign, self._asks, self._word = threading.Lock(), threading.Lock(), neighbours.own_word()
        self._end = threading.Event()
        with contextlib.suppress(Exception):  # `_watch` finds that there is no store
            self._show()
        for work in (self._watch, self._guard):
            threading.Thread(target=work, name="alpt_ref_watch", daemon=True).start()

    def leave(self) -> None:
        """The run is over: nobody is missed any more."""
        self._end.set()

    def depart(self) -> None:
        """All have come to the end: wait until nobody misses anybody, and nobody takes the store away before."""
        self.leave()
        with contextlib.suppress(Exception):  # torch's errors differ; whoever holds the store has heard of all
            self._store.add("left", 1)
            self._wait_for_all("left", LOST_S)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """The interpreter may stand still inside the block; the others hear at once that it is over.

        They would wait for half an hour for a process that is lost soon after, where no connection says so.
        """
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            with contextlib.suppress(Exception):  # without the store `_watch` ends the process
                self._show()

    def may_speak(self) -> bool:
        """Whether nobody has told the user yet how the run ended; true for the first who asks, and stays so.

        Without the store it is the first rank that did not hold it.
        """
        with self._asks:  # whoever watches may ask while the run ends by itself: the second answer would be no
            if self._speaks is None:
                try:
                    self._speaks = int(self._store.add("said", 1)) == 1
                except Exception:  # torch's errors differ from version to version
                    self._speaks = self._rank == (0 if arrival.launcher_holds_store() else 1)
            return self._speaks

    def part(self) -> None:
        """An error ends the run: settle who speaks while the store is there; whoever holds it leaves last."""
        if self._rank:
            time.sleep(HESITATION_S)
        self.may_speak()
        if self._holds:
            with contextlib.suppress(Exception):
                self._wait_for_all("said", PART_S)

    def _wait_for_all(self, key: str, seconds: float) -> None:
        """Until every process has counted there, or so long."""
        end = time.monotonic() + seconds
        while int(self._store.add(key, 0)) < self._size and time.monotonic() < end:
            time.sleep(POLL_S)

    def _watch(self) -> None:
        """Show signs of life and look at those of others."""
        while not self._end.wait(BEAT_S):
            try:
                lost = self._look()
                speak = lost is not None and self.may_speak()
            except Exception:  # torch's errors differ from version to version
                lost, speak = STORE, self.may_speak()
            if lost is not None:
                self._give_up(lost, speak)
            self._rounds += 1

    def _guard(self) -> None:
        """Look at the other thread, which waits without end for a store that does not answer.

        Here and in `_look` turns are counted, not seconds: a process that was suspended itself misses nobody.
        """
        seen, turns = -1, 0
        while not self._end.wait(BEAT_S):
            turns = turns + 1 if seen == self._rounds else 0
            seen = self._rounds
            if turns * BEAT_S > LOST_S:
                self._give_up(STORE, self._rank == (0 if arrival.launcher_holds_store() else 1))

    def _give_up(self, lost: str, speak: bool) -> None:
        if self._end.is_set():
            return
        if speak:
            sys.stderr.write(f"Error: {sentence(lost)}\n")
            sys.stderr.flush()
        os._exit(1)

    def _show(self) -> None:
        """This process's sign of life."""
        with self._sign:  # an older one must not follow a newer one
            self._store.set(f"alive/{self._rank}", f"{self._rounds} {self._word}{' busy' if self._busy else ''}")

    def _look(self) -> str | None:
        """Show this process's sign of life; the one that is lost, in words."""
        self._show()
        for rank in range(self._size):
            key = f"alive/{rank}"
            found = bytes(self._store.get(key)).decode() if self._store.check([key]) else ""
            before, turns = self._seen.get(rank, (found, 0))
            turns = turns + 1 if before == found else 0
            self._seen[rank] = (found, turns)
            if any(neighbours.has_ended(word) for word in found.split()[1:2]):
                return f"rank {rank}"
            if turns * BEAT_S > (BUSY_S if found.endswith("busy") else LOST_S):
                return f"rank {rank}"
        return None


def sentence(lost: str) -> str:
    """What a user is told where a process is lost."""
    return (
        f"{lost} did not answer: it has ended, or its machine cannot be reached; all ranks end, start them again with "
        "--resume to continue from the newest checkpoint"
    )


def launched() -> int:
    """Processes that a launcher says it has started; 1 without one."""
    text = os.environ.get("WORLD_SIZE", "1")
    return int(text) if text.isdigit() and int(text) > 0 else 1


@contextlib.contextmanager
def process_group(device: str = "cpu") -> Iterator[Watch | None]:
    """torch's default process group inside the block, of the processes that a launcher has started.

    gloo carries what is in the hosts' memory; with `device` "cuda" NCCL what is on the GPUs, and each process uses that
    of its place on the machine (LOCAL_RANK).

    None where the group is there already; its owner watches and ends it.

    Raises
    ------
    InputError
        torch is missing, a variable of the launcher is missing, not all processes have come, or those of an earlier
        run were lost on GPUs.
    """
    try:
        dist: Any = importlib.import_module("torch.distributed")
    except ImportError:
        raise InputError(
            f"training on several processes needs torch, which is not installed: {install_hint('dist-train')}"
        ) from None
    if ending.is_at_once():
        raise InputError(
            "an earlier run of this process lost the others, and NCCL did not let go of them; start it again"
        )
    if dist.is_initialized():
        yield None
        return
    rank, size, host, port = arrival.place()
    if device == "cuda":
        from alpt_ref.kernels.cuda.available import use_device

        use_device(int(os.environ.get("LOCAL_RANK", "0")))
    threads = max(1, jit.num_threads() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    before = jit.num_threads()
    holds = rank == 0 and not arrival.launcher_holds_store()
    at = "localhost" if holds else host  # whoever holds the store is there, whatever others call its machine
    watch: Watch | None = None
    try:
        prefix = arrival.prefix()
        common = dist.PrefixStore(prefix, _store(dist, at, port, size, holds=holds))
        second = arrival.connected(dist, at, port, size, LOST_S)
        arrival.meet(common, rank, size)
        watch = Watch(dist.PrefixStore(f"{prefix}/watch", second), rank, size, holds=holds)  # joining waits long too
        dist.init_process_group(
            "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl", store=common, rank=rank, world_size=size,
            timeout=timedelta(seconds=LONGEST_S),
        )  # fmt: skip
    except BaseException as error:
        if watch is not None:
            watch.leave()
        if isinstance(error, InputError) or not isinstance(error, Exception):
            raise
        if watch is None:
            arrival.not_joined(lambda: rank == 0)
        else:
            arrival.not_joined(watch.may_speak)
            watch.part()
        first = " ".join(str(error).split())[:200]
        raise InputError(f"the {size} processes of the run could not be joined at {host}:{port} ({first})") from None
    jit.set_num_threads(threads)
    take_down = dist.destroy_process_group
    try:
        yield watch
        try:
            dist.barrier()
        except Exception as error:  # torch's errors differ from version to version
            raise lost_rank(error) from None
        watch.depart()
    except BaseException as error:
        watch.leave()
        if isinstance(error, Exception):
            watch.part()
        if device == "cuda":
            take_down = _take_down_soon
        raise
    finally:
        watch.leave()
        jit.set_num_threads(before)
        gc.collect()  # CUDA graphs that hold what is taken down
        with contextlib.suppress(Exception):  # a lost rank
            take_down()


def _store(dist: Any, host: str, port: int, size: int, *, holds: bool) -> Any:
    """The store in which the processes meet; it stays until the process ends, for a program that trains again."""
    place = (host, port, size)
    if place not in _stores:
        if holds:
            wait = timedelta(seconds=arrival.START_S)
            _stores[place] = dist.TCPStore(host, port, size, True, timeout=wait, wait_for_workers=False)
        else:
            arrival.reach(host, port, arrival.START_S)  # torch would log that it waits
            _stores[place] = arrival.connected(dist, host, port, size, arrival.START_S)
    return _stores[place]


def _take_down_soon() -> None:
    """Take the group down after an error, in `DOWN_S` or never.

    NCCL waits without end for a kernel that waits for a lost rank, and for graphs, which the frames of the error may
    hold. The process then ends without it.
    """
    torch: Any = sys.modules["torch"]
    device = torch.cuda.current_device()

    def work() -> None:
        torch.cuda.set_device(device)
        with contextlib.suppress(Exception):  # a lost rank
            torch.distributed.destroy_process_group()

    thread = threading.Thread(target=work, name="alpt_ref_take_down", daemon=True)
    thread.start()
    thread.join(DOWN_S)
    if thread.is_alive():
        ending.take_nothing_down()
