"""Processes of a launcher meet before a run: who is missing, who has refused, and which of them tells the user."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alpt_ref import InputError
from alpt_ref._util import signals
from alpt_ref.cli import run
from alpt_ref.distributed import arrival, processes
from alpt_ref.distributed.launch import require_same_run
from alpt_ref.distributed.processes import Watch
from tests.distributed.runs import clicks, command, config, free_port


class Store:
    """A store of torch as far as it is used here."""

    def __init__(self, **values: str) -> None:
        self.values = {key.replace("_", "/"): value.encode() for key, value in values.items()}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value.encode()

    def get(self, key: str) -> bytes:
        return self.values[key]

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)

    def compare_set(self, key: str, expected: str, value: str) -> bytes:
        return self.values.setdefault(key, value.encode())

    def add(self, key: str, by: int) -> int:
        self.set(key, str(int(self.values.get(key, b"0")) + by))
        return int(self.values[key])


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Rank 1 of 2, of a launcher that holds no store; nobody listens."""
    for name, value in (("RANK", 1), ("WORLD_SIZE", 2), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", free_port())):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr(arrival, "REACHED_S", 0.05)
    monkeypatch.setattr(arrival, "START_S", 0.0)
    return monkeypatch


def test_a_rank_that_another_process_is_already_does_not_take_part(launched: pytest.MonkeyPatch) -> None:
    """Of another run at the same address, which must go on undisturbed."""
    launched.setattr(arrival, "_speaker", None)
    store = Store(here_0="1", here_1="another", size="2")
    before = dict(store.values)
    with pytest.raises(InputError, match="rank 1 has come already, from another process: another run uses"):
        arrival.meet(store, 1, 2)
    assert store.values == before
    assert arrival.speaks_for_all("rank 1 has come already")


def test_all_ranks_must_expect_the_same_number_of_them(launched: pytest.MonkeyPatch) -> None:
    store = Store()
    with pytest.raises(InputError, match="rank 0 did not"):
        arrival.meet(store, 1, 2)
    with pytest.raises(InputError, match="the same WORLD_SIZE, rank 0 has 4 and another 2"):
        arrival.meet(store, 0, 4)
    with pytest.raises(InputError, match="rank 0 does not take part: all processes must be given"):
        arrival.meet(store, 1, 2)


def test_who_was_missed_may_come_again(launched: pytest.MonkeyPatch) -> None:
    store = Store()
    with pytest.raises(InputError, match="rank 0 did not"):
        arrival.meet(store, 1, 2)
    store.set("here/0", "1")
    arrival.meet(store, 1, 2)


def test_a_program_that_trains_again_meets_by_other_keys(launched: pytest.MonkeyPatch) -> None:
    first = arrival.prefix()
    arrival.meet(Store(here_0="1"), 1, 2)
    second = arrival.prefix()
    assert second != first
    with pytest.raises(InputError, match="did not"):
        arrival.meet(Store(), 1, 2)
    assert arrival.prefix() == second, "they have not met: the others look for it there"


def test_where_joining_has_failed_the_watch_says_who_speaks(launched: pytest.MonkeyPatch) -> None:
    launched.setattr(arrival, "_speaker", None)
    for answer in (True, False):
        arrival.not_joined(lambda answer=answer: answer)  # type: ignore[misc]
        assert arrival.speaks_for_all("wrong") is answer


def test_those_who_have_come_go_on_and_those_who_have_not_are_named(launched: pytest.MonkeyPatch) -> None:
    arrival.meet(Store(here_0="1"), 1, 2)
    with pytest.raises(InputError, match=r"all 4 processes of the run must come within 0 s, rank 0, 3 did not"):
        arrival.meet(Store(here_2="1"), 1, 4)
    with pytest.raises(InputError, match=r"^rank 3 does not take part: no such file$"):
        arrival.meet(Store(here_0="1", refused="rank 3 does not take part: no such file"), 1, 4)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "2", "RANK must be below WORLD_SIZE=2, got 2"),
        ("MASTER_PORT", "65536", "MASTER_PORT must be 1 to 65535, got 65536"),
        ("MASTER_PORT", "here", "MASTER_PORT must be set, got 'here'"),
        ("MASTER_ADDR", "", "MASTER_ADDR must be set, got ''"),
    ],
)
def test_variables_of_a_launcher_that_are_wrong_are_named(
    launched: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    launched.setenv(name, value)
    with pytest.raises(InputError, match=said):
        arrival.place()
    assert arrival.speaks_for_all("") is True


def test_rank_0_speaks_where_nobody_has_come(launched: pytest.MonkeyPatch) -> None:
    assert arrival.speaks_for_all("wrong") is False
    launched.setenv("RANK", "0")
    assert arrival.speaks_for_all("wrong") is True


def test_who_lacks_torch_where_others_wait_says_so_once_a_machine(launched: pytest.MonkeyPatch) -> None:
    launched.setitem(sys.modules, "torch.distributed", None)
    with socket.create_server(("127.0.0.1", arrival.place()[3])):
        for local, speaks in (("0", True), ("1", False)):
            launched.setenv("LOCAL_RANK", local)
            assert arrival.speaks_for_all("torch is missing") is speaks


def test_a_store_is_waited_for(launched: pytest.MonkeyPatch) -> None:
    host, port = "127.0.0.1", arrival.place()[3]
    with pytest.raises(OSError, match="refused"):
        arrival.reach(host, port, 0.0)
    with socket.create_server((host, port)):
        arrival.reach(host, port, 0.0)


def test_one_of_all_speaks_and_who_holds_the_store_leaves_last(launched: pytest.MonkeyPatch) -> None:
    launched.setattr(processes, "PART_S", 100.0)
    store, left = Store(), list[int]()

    def leave() -> None:
        watches[0].part()
        left.append(store.add("said", 0))

    watches = [Watch(store, rank, 3, holds=rank == 0) for rank in range(3)]
    for watch in watches:
        watch.leave()
    holder = threading.Thread(target=leave)
    holder.start()
    deadline = time.monotonic() + 10
    while not store.add("said", 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    watches[1].part()
    assert holder.is_alive()
    watches[2].part()
    holder.join(10)
    assert left == [3]
    assert [watch.may_speak() for watch in watches] == [True, False, False]
    assert store.add("said", 0) == 3  # asked once


@pytest.mark.parametrize(("agent", "speaker"), [("False", 1), ("True", 0)])
def test_where_the_store_is_gone_one_rank_speaks(launched: pytest.MonkeyPatch, agent: str, speaker: int) -> None:
    class Gone(Store):
        def add(self, key: str, by: int) -> int:
            raise RuntimeError("connection reset")

    launched.setenv("TORCHELASTIC_USE_AGENT_STORE", agent)
    watches = [Watch(Gone(), rank, 4) for rank in range(4)]
    for watch in watches:
        watch.leave()
    assert [watch.may_speak() for watch in watches] == [rank == speaker for rank in range(4)]


@pytest.mark.parametrize(
    ("option", "mine", "other", "said"),
    [
        ("output", "run", "/elsewhere/run", "output"),
        ("checkpoint_every", 3, None, "checkpoint_every"),
        ("resume", True, False, "resume"),
        ("table", "fp32", "lpt", "table"),
    ],
)
def test_calls_that_differ_between_ranks_are_refused(option: str, mine: object, other: object, said: str) -> None:
    """Else one rank would write checkpoints while another goes on, and both wait without end."""

    class Two:
        """The other rank gives what is in `other`."""

        def __init__(self) -> None:
            self.heard: list[object] = []

        def everyone(self, own: object) -> list[object]:
            self.heard.append(own)
            return [own, self.heard[0]]

    ranks, data = Two(), clicks()
    require_same_run(ranks, config(), data, {option: other})
    with pytest.raises(InputError, match=f"all ranks must have the same {said}, rank 1 has .* and rank 0 "):
        require_same_run(ranks, config(), data, {option: mine})


@pytest.mark.parametrize("words", [["train", "--nonsense"], ["train", "--output", ""]])
def test_a_wrong_command_line_is_told_by_one_process(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(words)
    assert capsys.readouterr().err == ""
    launched.setenv("RANK", "0")
    assert run(words) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("known", [True, False])
def test_an_interruption_before_all_have_come_is_told_by_one_process(
    launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    """A launcher interrupts all of them, and those that wait where one has ended."""

    def interrupted(*arguments: object) -> None:
        raise signals.Stopped

    if known:
        launched.setitem(sys.modules, "torch.distributed", sys)
    launched.setattr("alpt_ref.cli.train.make_config", interrupted)
    with pytest.raises(SystemExit, match="130"):
        run(["train"])
    assert capsys.readouterr().err.strip() == ""
    launched.setenv("RANK", "0")
    assert run(["train"]) == 130
    assert capsys.readouterr().err.strip() == "Error: interrupted; the same command starts again"
    if known:  # a second signal while it asks who speaks
        launched.setattr("alpt_ref.distributed.arrival.speaks_for_all", interrupted)
        assert run(["train"]) == 130


@pytest.mark.nightly
def test_under_torchrun_a_rank_that_is_given_something_wrong_says_so_alone(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    right, wrong = (shlex.join(command("--set", f"train.{name}=2")) for name in ("threads", "nothing"))
    script = f'if [ "$RANK" = 1 ]; then exec {wrong}; else exec {right}; fi'
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--no-python",
        "sh",
        "-c",
        script,
    ]
    done = subprocess.run(torchrun, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(said) == 1
    assert "unknown setting 'train.nothing'" in said[0]
