"""Runs on several processes: small ones, and the command as a launcher starts it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref import RunConfig
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.models.dnn import Dnn
from alpt_ref.training.sources import load_dataset

SLICES = 4
SETTINGS = {
    "data": {"source": "synthetic", "rows": 700, "fields": 3, "features": 60, "rank": 2},
    "model": {"dim": 4, "hidden": (6,)},
    "train": {"batch_size": 61, "epochs": 2, "milestones": (), "slices": SLICES, "sharded": True},
}
"""Batches of 61 rows, the last of 11: slices of 15 and 16 rows, then of 2 and 3."""


class Foreign(Dnn):
    """A backbone that is not built in."""


def config(**more: dict[str, Any]) -> RunConfig:
    found = RunConfig()
    for section, values in SETTINGS.items():
        found = found.replace(section, **{**values, **more.get(section, {})})
    return found.replace("table", **more.get("table", {}))


def clicks() -> ClickDataset:
    return load_dataset(config().data)


def bits_of(folder: Path) -> dict[str, str]:
    """Digests of what a finished run leaves, but for times."""
    from alpt_ref._util.files import read_json
    from alpt_ref.training.checkpoint import read_checkpoint

    found = hashlib.sha256()
    for name, array in sorted(read_checkpoint(folder).arrays.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    result: Any = read_json(folder / "result.json")
    kept = {name: value for name, value in result.items() if name not in ("samples_per_s", "history", "sha256")}
    history = [{k: v for k, v in one.items() if k != "timing"} for one in result["history"]]
    return {"state": found.hexdigest(), "result": json.dumps([kept, history], sort_keys=True)}


def command(*more: str) -> list[str]:
    """``alpt-ref train`` with `SETTINGS`."""
    values = [f"{section}.{name}={value}" for section in SETTINGS for name, value in SETTINGS[section].items()]
    texts = [text.replace("(6,)", "[6]").replace("=()", "=[]").replace("=True", "=true") for text in values]
    return [sys.executable, "-m", "alpt_ref", "train", *(word for text in texts for word in ("--set", text)), *more]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def launch(ranks: int, *more: str, before: Mapping[int, str] | None = None) -> list[subprocess.Popen[str]]:
    """The command on several ranks, without a launcher that would end the others where one is lost.

    `before` is what the shell of a rank does before.
    """
    return launch_program(ranks, command(*more), before=before)


def launch_program(
    ranks: int, words: Sequence[str], *, before: Mapping[int, str] | None = None
) -> list[subprocess.Popen[str]]:
    """`launch` of any program."""
    port = str(free_port())
    processes = []
    for rank in range(ranks):
        place = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": ranks, "OMP_NUM_THREADS": 1}
        env = {**os.environ, **{k: str(v) for k, v in place.items()}, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        own = list(words)
        if before and rank in before:
            own = ["sh", "-c", f"{before[rank]}; exec {shlex.join(words)}"]
        processes.append(subprocess.Popen(own, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    return processes


def ended(processes: list[subprocess.Popen[str]], seconds: float) -> list[tuple[int, str, str]]:
    """Status and output of each; a process that is still there after so many seconds is an error."""
    found = []
    try:
        for one in processes:
            out, err = one.communicate(timeout=seconds)
            found.append((one.returncode, out, err))
    finally:
        for one in processes:
            one.kill()
    return found
