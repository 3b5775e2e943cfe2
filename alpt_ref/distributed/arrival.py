"""Before a run the processes of a launcher meet in its store: who has come, and why one does not come.

A process that finds something wrong before it has joined (a file that its machine does not have) says so in the store,
so that the others do not wait for it, and one of all of them tells the user.
"""

from __future__ import annotations

import importlib
import os
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from alpt_ref.errors import InputError

START_S = 60.0
"""All processes must have come by then."""
REACHED_S = 3.0
"""A process that does not come looks for the store so long; without one rank 0 has ended too."""
_POLL_S, _ATTEMPT_S = 0.1, 5.0
REFUSED, SAID = "refused", "watch/said"
_OWN = uuid.uuid4().hex
_met = 0
_speaker: Callable[[], bool] | None = None


def place() -> tuple[int, int, str, int]:
    """Rank, number of ranks, and the host and port of the store, as the launcher says.

    Raises
    ------
    InputError
        A variable is missing or no such value.
    """
    values = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
    for name, value in values.items():
        if not value or (name != "MASTER_ADDR" and not value.isdigit()):
            raise InputError(f"the launcher's variable {name} must be set, got {value!r}; start the run with torchrun")
    rank, size = int(values["RANK"]), int(values["WORLD_SIZE"])
    if rank >= size:
        raise InputError(f"the launcher's variable RANK must be below WORLD_SIZE={size}, got {rank}")
    if int(values["MASTER_PORT"]) not in range(1, 65536):
        raise InputError(f"the launcher's variable MASTER_PORT must be 1 to 65535, got {values['MASTER_PORT']}")
    return rank, size, values["MASTER_ADDR"], int(values["MASTER_PORT"])


def prefix() -> str:
    """What the keys of this run begin with: torchrun may start it again, and a program trains several."""
    return f"alpt_ref/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{_met}"


def launcher_holds_store() -> bool:
    """Whether the store is torchrun's, which outlives every rank; else rank 0 holds it."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def meet(store: Any, rank: int, size: int) -> None:
    """Wait until all ranks have come; what they do next has keys of its own.

    Raises
    ------
    InputError
        One has said why it does not come, or has not come within `START_S`, or this rank is there already, or another
        number of ranks is expected there.
    """
    global _met
    others = bytes(store.compare_set("size", "", str(size))).decode()
    if others != str(size):
        problem = f"all processes must be given the same WORLD_SIZE, rank {rank} has {size} and another {others}"
        store.set(REFUSED, _refusal(rank, problem))
        raise InputError(problem)
    own = f"{_OWN}/{os.getpid()}"
    if bytes(store.compare_set(f"here/{rank}", "", own)).decode() != own:
        not_joined(lambda: True)  # the others know nothing of it
        raise InputError(
            f"rank {rank} has come already, from another process: another run uses this MASTER_ADDR and MASTER_PORT, "
            "or two processes were given the same RANK; start the run with torchrun, or choose another port"
        )
    missing, end = list(range(size)), time.monotonic() + START_S
    while True:
        missing = [one for one in missing if not store.check([f"here/{one}"])]
        if not missing:
            _met += 1
            return
        if store.check([REFUSED]):
            raise InputError(bytes(store.get(REFUSED)).decode())
        if time.monotonic() > end:
            named = ", ".join(map(str, missing))
            raise InputError(
                f"all {size} processes of the run must come within {START_S:.0f} s, rank {named} did not; start all of "
                "them together with the same command, and where all reach rank 0 by MASTER_ADDR and MASTER_PORT"
            )
        time.sleep(_POLL_S)


def not_joined(may_speak: Callable[[], bool]) -> None:
    """The processes could not be joined: from now on `may_speak` says whether this one tells the user."""
    global _speaker
    _speaker = may_speak


def speaks_for_all(problem: str) -> bool:
    """Tell the others that this process does not come; whether it is the one that tells the user.

    With torchrun's store that is the first who asks. Without, rank 0 speaks, or whoever waits for it gives up. Where
    the others wait but cannot be told, since torch is missing here, one process of this machine speaks.
    """
    if _speaker is not None:
        return _speaker()
    try:
        rank, size, host, port = place()
    except InputError:
        return True
    if rank == 0 and not launcher_holds_store():
        return True
    try:
        reach(host, port, REACHED_S)
        dist: Any = importlib.import_module("torch.distributed")
        store = dist.PrefixStore(prefix(), connected(dist, host, port, size, START_S))
        first = launcher_holds_store() and int(store.add(SAID, 1)) == 1
        store.set(REFUSED, _refusal(rank, problem))
    except ImportError:
        return os.environ.get("LOCAL_RANK", "0") == "0"
    except Exception:  # nobody waits
        return rank == 0
    return first


def _refusal(rank: int, problem: str) -> str:
    return f"rank {rank} does not take part: {problem}"


def reach(host: str, port: int, seconds: float) -> None:
    """OSError where nobody listens within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), timeout=_ATTEMPT_S).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(_POLL_S)


def connected(dist: Any, host: str, port: int, size: int, seconds: float) -> Any:
    """A connection to the store that others hold; each of its calls may wait so many seconds too.

    OSError where what listens there is no store: torch would wait for its answer without end.
    """
    wait, found = timedelta(seconds=seconds), queue.SimpleQueue[Any]()

    def connect() -> None:
        try:
            found.put(dist.TCPStore(host, port, size, False, timeout=wait, wait_for_workers=False))
        except Exception as error:  # torch's errors differ from version to version
            found.put(error)

    threading.Thread(target=connect, name="alpt_ref_connect", daemon=True).start()
    try:
        store = found.get(timeout=seconds)
    except queue.Empty:
        raise OSError("what listens there does not answer as a store of a run") from None
    if isinstance(store, Exception):
        raise store
    return store
