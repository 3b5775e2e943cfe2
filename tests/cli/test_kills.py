"""Every verb, killed at random moments and run again: nothing half-written, nothing left over, the same results.

A moment is drawn between the process's start and the time that an undisturbed call takes; the signals take turns.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calls import SMALL, TINY

MOMENTS = int(os.environ.get("ALPT_REF_KILLS", "20"))
PARTS = 4
"""Tests among which the moments of a verb are divided, for processes that run at the same time."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
pytestmark = [pytest.mark.nightly, pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")]
TIMES = {"seconds", "samples_per_s", "timing", "time", "wall_s", "measured"}
"""Keys of wall-clock times in what is written."""


@dataclass(frozen=True)
class Verb:
    """A call, how it is continued, and what it makes."""

    arguments: tuple[str, ...]
    makes: tuple[str, ...]
    again: tuple[str, ...] = ()
    """Options that the second call has besides; it is the same call without."""
    once: bool = False
    """Whether it refuses to write over what it has made."""
    keeps: tuple[str, ...] = ()
    """Finished work that a call that was stopped leaves to the next."""


DATA, RAW = ("--data", "store"), ("--criteo", "criteo.txt")
SIZES = tuple(option for option in TINY if "preset" not in option)
GENERATE = ("data", "generate", "--shape", "avazu", "--rows", "20000", "--output", "a.gz")
INGEST = ".new.ingest"
JOBS = ("--jobs", "2")
TINY_STUDY = ("--seeds", "1", "--methods", "fp32,lpt-sr", "--bits", "4", *TINY)
TINY_REPRODUCTION = ("--quick", "--seeds", "2", "--only", "bits", "--claim", "r1", "--set=train.milestones=[1]", *SIZES)
VERBS = {
    "data encode": Verb(("data", "encode", *RAW, "--min-count", "2", "--output", "new"), ("new",), keeps=(INGEST,)),
    "data synth": Verb(("data", "synth", "--rows", "20000", "--output", "new"), ("new",)),
    "data generate": Verb(GENERATE, ("a.gz",), once=True),
    "train": Verb(("train", *DATA, *SMALL, "--output", "new", "--checkpoint-every", "2"), ("new",), ("--resume",)),
    "compare": Verb(("compare", *TINY_STUDY, *JOBS, "--output", "new"), ("new",)),
    "reproduce": Verb(("reproduce", *TINY_REPRODUCTION, *JOBS, "--output", "new"), ("new",)),
    "predict": Verb(("predict", "run", "--criteo", "criteo.txt", "--output", "scores.csv"), ("scores.csv",)),
    "export": Verb(("export", "run", "--to", "safetensors", "--output", "new"), ("new",)),
    "pack": Verb(("pack", "run", "--output", "new"), ("new",)),
    "quantize": Verb(("quantize", "w.npy", "--bits", "4", "--step-size", "0.1", "--output", "new"), ("new",)),
    "verify": Verb(("verify", "--claim", "r2", "--claim", "d3", *JOBS, "--output", "new"), ("new",)),
    "bench": Verb(("bench", "--repeats", "1", "--no-peers", "--output", "bench.json"), ("bench.json",)),
    "figures": Verb(("figures", "--results", "verdicts", "--only", "stationary_laws", "--output", "new"), ("new",)),
}  # fmt: skip


def call(arguments: tuple[str, ...], folder: Path, **options: Any) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "NUMBA_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "alpt_ref", *arguments, "--quiet"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options,
    )  # fmt: skip


def without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMES}
    return [without_times(one) for one in content] if isinstance(content, list) else content


def read(path: Path) -> Any:
    """A file's content but for wall-clock times, what derives from them, and checksums of those."""
    data = path.read_bytes()
    if path.suffix == ".json":
        found = without_times(json.loads(data))
        if path.name == "bench.json":  # measurements alone: what was measured is what can be compared
            return sorted(found["cases"])
        return found if path.name == "manifest.json" else {**found, "sha256": "", "checksum": ""}
    if path.suffix == ".jsonl":
        return [without_times(json.loads(line)) for line in data.splitlines()]
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(data.decode())))
        kept = [number for number, name in enumerate(rows[0]) if name not in TIMES]
        return [[row[number] for number in kept] for row in rows]
    if path.suffix in (".md", ".html"):
        return re.sub(r"[0-9.,]+ (samples/s|s\b|min|ms)|\d{4}-\d\d-\d\d[T ][0-9:]+\S*", "", data.decode())
    return data


def results(verb: Verb, folder: Path) -> dict[str, Any]:
    """Everything that the verb has made; what looks like a temporary file too."""
    files = [folder / name for name in verb.makes]
    every = [path for top in files for path in ([top] if top.is_file() else sorted(top.rglob("*"))) if path.is_file()]
    # timings, the ledger of looks, pictures and pages with seconds in them differ from call to call
    left_out = ("timing.json", "ledger.jsonl", "figure.png", "figure.svg", "report.html", "report.md")
    kept = [path for path in every if path.name not in left_out and "checkpoints" not in path.parts]
    return {str(path.relative_to(folder)): read(path) for path in kept}


def strays(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name != ".lock"]


@pytest.fixture(scope="session")
def bench(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the verbs read, verdicts for the figures among them."""
    folder = tmp_path_factory.mktemp("kills") / "start"
    shutil.copytree(made, folder)
    done = call(("verify", "--claim", "c3", "--claim", "d3b", "--output", "verdicts"), folder)
    _, said = done.communicate()
    assert done.returncode == 0, said
    return folder


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", VERBS)
def test_killed_and_run_again(name: str, part: int, bench: Path, tmp_path: Path) -> None:
    verb = VERBS[name]

    def fresh(label: str) -> Path:
        folder = tmp_path / label
        shutil.copytree(bench, folder)
        return folder

    for label in ("warm", "whole"):
        whole, start = fresh(label), time.monotonic()
        done = call(verb.arguments, whole)
        _, said = done.communicate()
        assert done.returncode == 0, said
    length = time.monotonic() - start
    expected = results(verb, whole)
    assert expected
    assert strays(whole) == []
    draw = random.Random(f"{name} {part}")
    for moment in range(part, MOMENTS, PARTS):
        folder, sent = fresh(str(moment)), SIGNALS[moment % len(SIGNALS)]
        process = call(verb.arguments, folder)
        time.sleep(draw.uniform(0.0, 1.05 * length))
        send(process, sent)
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL, *STATUS.get(sent, ())), (moment, sent, said)
        # before the package's first line of its own Python answers Ctrl-C with a traceback of its imports
        assert "Traceback" not in said or "__main__.py" not in said, (moment, sent, said)
        if sent != signal.SIGKILL:
            assert set(strays(folder)) <= set(verb.keeps), (moment, sent)
        if verb.once and results(verb, folder) == expected:  # it was whole when the signal came
            continue
        again = call((*verb.arguments, *verb.again), folder)
        _, said = again.communicate(timeout=300)
        assert again.returncode == 0, (moment, sent, said)
        found = results(verb, folder)
        assert found.keys() == expected.keys(), (moment, sent)
        for path, content in expected.items():
            assert found[path] == content, (moment, sent, path)
        assert strays(folder) == [], (moment, sent)
        shutil.rmtree(folder)


STATUS = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, -signal.SIGINT)}
"""What a call that was stopped returns; before Python has started, the signal itself ends the process."""


def send(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    """To the process alone; a kill to its workers too, as the kernel does to a control group that is out of memory."""
    if sent == signal.SIGKILL:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)


@pytest.mark.parametrize("name", VERBS)
def test_no_space_at_any_write(name: str, bench: Path, tmp_path: Path) -> None:
    """No file may grow beyond a limit, whatever is being written: one sentence, and the same call works later."""
    import resource

    verb = VERBS[name]
    whole = tmp_path / "whole"
    shutil.copytree(bench, whole)
    done = call(verb.arguments, whole)
    _, said = done.communicate()
    assert done.returncode == 0, said
    expected = results(verb, whole)
    sizes = sorted({path.stat().st_size for top in verb.makes for path in (whole / top, *(whole / top).rglob("*"))})
    failed = 0
    for limit in sorted({0, 1, 100, sizes[len(sizes) // 2] - 1, sizes[-1] - 1}):
        folder = tmp_path / str(limit)
        shutil.copytree(bench, folder)
        size = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
        process = call(verb.arguments, folder, preexec_fn=size)
        _, said = process.communicate(timeout=300)
        assert process.returncode in (0, 1, 2), (limit, said)
        assert "Traceback" not in said, (limit, said)
        assert strays(folder) == [] or set(strays(folder)) <= set(verb.keeps), limit
        failed += process.returncode != 0
        if process.returncode:
            assert [line[:7] for line in said.splitlines() if not line.startswith("Warning")] == ["Error: "], (
                limit,
                said,
            )
        again = call((*verb.arguments, *verb.again), folder)
        _, said = again.communicate(timeout=300)
        assert again.returncode == 0, (limit, said)
        assert results(verb, folder) == expected, limit
    assert failed >= 2


@contextlib.contextmanager
def locked(folder: Path, *, below: bool = False) -> Iterator[None]:
    """A folder in which nobody may make anything: by its rights, or, for the superuser, by its attribute.

    `below` : nor in the folders below it, nor change a file there
    """
    every = ["-R"] if below else []
    if os.geteuid() == 0:
        change: list[Any] = [shutil.which("chattr") or "no chattr", *every]
        with contextlib.suppress(OSError):
            done = subprocess.run([*change, "+i", folder], check=False, capture_output=True)
        if change[0] == "no chattr" or (done.returncode and not below):  # below, a file may go away meanwhile
            pytest.skip("needs a user whom file rights bind, or chattr")
        undo: Callable[[], object] = functools.partial(subprocess.run, [*change, "-i", folder], check=True)
    else:
        subprocess.run(["chmod", *every, "a-w", folder], check=False, capture_output=True)
        undo = functools.partial(subprocess.run, ["chmod", *every, "u+w", folder], check=True)
    try:
        yield
    finally:
        undo()


@pytest.mark.parametrize("name", VERBS)
def test_a_folder_that_may_not_be_written(name: str, bench: Path, tmp_path: Path) -> None:
    verb, folder = VERBS[name], tmp_path / "locked"
    shutil.copytree(bench, folder)
    with locked(folder):
        process = call(verb.arguments, folder)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 2, said
    assert re.fullmatch(
        r"(Warning: .*\n)*Error: .*(may not be written|cannot be written|ermi(tted|ssion)).*\n", said
    ), said
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in bench.iterdir())


@pytest.mark.parametrize("name", VERBS)
def test_a_folder_that_becomes_read_only(name: str, bench: Path, tmp_path: Path) -> None:
    """While the call is at work, at four moments: one sentence or none, and the same call works later."""
    verb, whole = VERBS[name], tmp_path / "whole"
    shutil.copytree(bench, whole)
    start = time.monotonic()
    done = call(verb.arguments, whole)
    _, said = done.communicate()
    assert done.returncode == 0, said
    length, expected = time.monotonic() - start, results(verb, whole)
    draw = random.Random(name)
    for moment in range(4):
        folder = tmp_path / str(moment)
        shutil.copytree(bench, folder)
        process = call(verb.arguments, folder)
        time.sleep(draw.uniform(0.3, 1.0) * length)
        with locked(folder, below=True):
            _, said = process.communicate(timeout=300)
        assert process.returncode in (0, 1, 2), (moment, said)
        assert "Traceback" not in said, (moment, said)
        errors = [line for line in said.splitlines() if not line.startswith("Warning")]
        assert [line[:7] for line in errors] == ["Error: "] * (process.returncode != 0), (moment, said)
        if verb.once and results(verb, folder) == expected:
            continue
        again = call((*verb.arguments, *verb.again), folder)
        _, said = again.communicate(timeout=300)
        assert again.returncode == 0, (moment, said)
        assert results(verb, folder) == expected, moment
        assert strays(folder) == [], moment
