"""A run's output folder: whose it is, whether it holds the result, and the result that it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpt_ref._util.files import claim_folder, read_json
from alpt_ref.errors import InputError
from alpt_ref.models.ops import make_ops
from alpt_ref.training import checkpoint
from alpt_ref.training.build import build, restore, served
from alpt_ref.training.checkpoint import CHECKPOINTS, FINAL
from alpt_ref.training.config import RunConfig, canonical, code_of, config_hash
from alpt_ref.training.config_io import load_own_toml
from alpt_ref.training.init_from import Start
from alpt_ref.training.init_from import difference as difference_of_start
from alpt_ref.training.results import RunResult, read_result
from alpt_ref.training.resume import goes_on, more_epochs

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.ranks import Ranks

FILES = ("config.toml", "history.jsonl", "result.json", FINAL, CHECKPOINTS)


def claim(folder: Path, config: RunConfig, dataset: ClickDataset, start: Start | None, resume: bool) -> Path:
    """Take the output folder, or raise `InputError` if it belongs to another run."""

    def difference(marker: Path) -> str | None:
        there = load_own_toml(marker)
        longer = more_epochs(there, config)
        if config_hash(there) != config_hash(config) and not (longer and resume):
            hint = ", which --resume goes on with" if longer else ""
            changed = _changed(canonical(there), canonical(config))
            return f"another configuration ({marker.name} differs: {changed}){hint}"
        if other := difference_of_start(folder, start):
            return other
        stored = read_json(folder / "result.json")
        if stored is not None and code_of(config) and stored.get("config_hash") != config_hash(there):
            return f"a run of another version of {' and '.join(code_of(config))}"
        found = [] if stored is None else [RunResult.from_dict(stored).fingerprint]
        found += [fingerprint for one in checkpoint.list_checkpoints(folder / CHECKPOINTS) if (fingerprint := _of(one))]
        return "the same configuration on other data" if found and found[0] != dataset.fingerprint else None

    return claim_folder(folder, "config.toml", difference, FILES)


def is_finished(
    folder: Path, config: RunConfig, dataset: ClickDataset, start: Start | None, resume: bool,
    log: Callable[[str], None],
) -> bool:  # fmt: skip
    """Whether the folder, which is locked, holds this run's result."""
    claim(folder, config, dataset, start, resume)  # again: another process may have used it before the lock
    if goes_on(folder, config, resume, log):
        (folder / "result.json").unlink(missing_ok=True)
    return (folder / "result.json").exists()


def _of(one: Path) -> str | None:
    """Fingerprint of a checkpoint's data; None if it is damaged, which is said where it is read."""
    try:
        return str(checkpoint.read_manifest(one)["meta"]["fingerprint"])
    except InputError:
        return None


def _changed(there: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]]) -> str:
    """``table.bits is 8 there and 4 here, ...``"""
    names = [(section, key) for section in here for key in {**there.get(section, {}), **here[section]}]
    values = [(f"{s}.{k}", there.get(s, {}).get(k, "absent"), here[s].get(k, "absent")) for s, k in names]
    return ", ".join(f"{name} is {old} there and {new} here" for name, old, new in values if old != new)


def restored(folder: Path, config: RunConfig, dataset: ClickDataset, ranks: Ranks) -> RunResult:
    """A finished run, read from its folder; on several ranks each reads its rows of the table."""
    result = ranks.each(lambda: read_result(folder / "result.json"))
    try:
        if ranks.size == 1:
            content = checkpoint.read_folder(folder / FINAL)
            table, model = build(config, dataset)
        else:
            table, model = ranks.build(config, dataset, make_ops(config.train.device, np.dtype(np.float32)))
            content = ranks.read_checkpoint(folder / FINAL, table)
        ranks.each(lambda: restore(served(content.arrays), table, model))
    except InputError as error:
        raise InputError(f"the stored state is damaged: {error}; delete {folder} to train again") from None
    return replace(result, table=table, model=model)
