"""Signs of life between the processes of a run, and how a group is taken down after an error."""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
import types
from typing import Any

import pytest

from alpt_ref import InputError
from alpt_ref._util import ending
from alpt_ref.distributed import neighbours, processes
from alpt_ref.distributed.processes import Watch
from tests.distributed.test_arrival import Store


@pytest.fixture
def watch() -> Watch:
    """Of rank 0 of two; its threads have left."""
    found = Watch(Store(), 0, 2)
    found.leave()
    return found


def _sign(watch: Watch, rank: int = 0) -> list[str]:
    return bytes(watch._store.get(f"alive/{rank}")).decode().split()


def test_a_sign_that_stands_still_is_missed_later_where_the_process_is_busy(watch: Watch) -> None:
    for busy, seconds in (("", processes.LOST_S), (" busy", processes.BUSY_S)):
        watch._store.set("alive/1", f"7 {neighbours.UNKNOWN}{busy}")
        turns = 0
        while watch._look() is None:
            turns += 1
            watch._rounds += 1
        assert watch._look() == "rank 1"
        assert seconds - processes.BEAT_S < turns * processes.BEAT_S <= seconds + processes.BEAT_S
        watch._seen.clear()


def test_the_first_sign_of_life_is_there_at_once(watch: Watch) -> None:
    """A process that is lost soon after is missed by it."""
    assert _sign(watch)[:2] == ["0", neighbours.own_word()]


def test_the_end_of_a_checkpoint_is_shown_at_once(watch: Watch) -> None:
    with watch.busy():
        watch._look()
        assert _sign(watch)[2:] == ["busy"]
    assert _sign(watch)[2:] == []


def test_without_a_store_the_end_of_a_checkpoint_is_no_error(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(key: str, value: str) -> None:
        raise RuntimeError("connection reset")

    monkeypatch.setattr(watch._store, "set", gone)
    with watch.busy():
        pass
    with pytest.raises(RuntimeError):
        watch._look()


def test_at_the_end_nobody_leaves_before_all_have_stopped_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    store, left = Store(), list[int]()
    watches = [Watch(store, rank, 2) for rank in range(2)]

    def leave() -> None:
        watches[0].depart()
        left.append(store.add("left", 0))

    first = threading.Thread(target=leave)
    first.start()
    first.join(0.1)
    assert first.is_alive()
    watches[1].depart()
    first.join(10)
    assert left == [2]
    assert all(one._end.is_set() for one in watches)
    monkeypatch.setattr(processes, "LOST_S", 0.05)
    alone = Watch(Store(), 0, 2)
    alone.depart()  # the other was lost after it had come to the end
    monkeypatch.setattr(store, "add", None)
    watches[0].depart()  # the store has gone with the one that held it


@pytest.mark.skipif(neighbours.own_word() == neighbours.UNKNOWN, reason="the system does not say")
def test_a_process_of_this_machine_that_has_ended_is_missed_at_once(watch: Watch) -> None:
    said = "from alpt_ref.distributed.neighbours import own_word; print(own_word())"
    word = subprocess.run([sys.executable, "-c", said], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    watch._store.set("alive/1", f"3 {neighbours.own_word()}")
    assert watch._look() is None
    for busy in ("", " busy"):
        watch._store.set("alive/1", f"4 {word}{busy}")
        assert watch._look() == "rank 1"


def test_two_threads_of_a_process_ask_once_who_speaks(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the one that watches leaves it to the other, who was told that somebody had spoken."""
    add, asked, answer = watch._store.add, threading.Event(), threading.Event()

    def slow(key: str, by: int) -> int:
        asked.set()
        answer.wait(10)
        return int(add(key, by))

    monkeypatch.setattr(watch._store, "add", slow)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(watch.may_speak())) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert asked.wait(10)
    answer.set()
    for thread in threads:
        thread.join(10)
    assert answers == [True, True]
    assert add("said", 0) == 1


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """torch as far as it is used here, and an end of this process that is only noted."""
    monkeypatch.setattr(processes, "DOWN_S", 0.05)
    monkeypatch.setattr(ending, "_at_once", False)
    monkeypatch.setattr(atexit, "register", lambda *call: None)
    torch = types.SimpleNamespace(
        cuda=types.SimpleNamespace(current_device=lambda: 1, set_device=lambda device: None),
        distributed=types.SimpleNamespace(destroy_process_group=lambda: None),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


def test_where_nccl_lets_go_the_process_ends_as_usual(torch: Any) -> None:
    def lost() -> None:
        raise RuntimeError("NCCL error")

    processes._take_down_soon()
    torch.distributed.destroy_process_group = lost
    processes._take_down_soon()
    assert not ending.is_at_once()


def test_where_nccl_does_not_let_go_the_process_ends_without_it(torch: Any) -> None:
    asked = threading.Event()
    torch.distributed.destroy_process_group = asked.wait
    processes._take_down_soon()
    asked.set()
    assert ending.is_at_once()


def test_after_that_no_other_run_begins(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed", torch.distributed)
    ending.take_nothing_down()
    with pytest.raises(InputError, match="start it again"), processes.process_group("cuda"):
        pass
