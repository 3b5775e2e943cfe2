"""A run's output folder: whose it is, the checkpoint to resume from, and the result of a finished run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util.files import claim_folder, read_json
from alpt_ref.errors import InputError
from alpt_ref.training import checkpoint
from alpt_ref.training.build import build, restore
from alpt_ref.training.checkpoint import CHECKPOINTS, FINAL, Checkpoint
from alpt_ref.training.config import RunConfig, canonical, code_of, config_hash
from alpt_ref.training.config_io import load_own_toml
from alpt_ref.training.results import RunResult, read_result
from alpt_ref.training.versions import versions

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

FILES = ("config.toml", "history.jsonl", "result.json", FINAL, CHECKPOINTS)


def claim(folder: Path, config: RunConfig, dataset: ClickDataset) -> Path:
    """Take the output folder, or raise `InputError` if it belongs to another run."""

    def difference(marker: Path) -> str | None:
        there = load_own_toml(marker)
        if config_hash(there) != config_hash(config):
            return f"another configuration ({marker.name} differs: {_changed(canonical(there), canonical(config))})"
        stored = read_json(folder / "result.json")
        if stored is not None and code_of(config) and stored.get("config_hash") != config_hash(config):
            return f"a run of another version of {' and '.join(code_of(config))}"
        found = [] if stored is None else [RunResult.from_dict(stored).fingerprint]
        found += [
            fingerprint
            for one in checkpoint.list_checkpoints(folder / CHECKPOINTS)
            if (fingerprint := _fingerprint(one))
        ]
        return "the same configuration on other data" if found and found[0] != dataset.fingerprint else None

    return claim_folder(folder, "config.toml", difference, FILES)


def _fingerprint(one: Path) -> str | None:
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


def newest_checkpoint(folder: Path, resume: bool, log: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint, to resume from; None where there is none yet."""
    found = checkpoint.list_checkpoints(folder / CHECKPOINTS)
    if not found:
        if resume:
            log(f"{folder} holds no checkpoint: training starts at the beginning")
        return None
    if not resume:
        raise InputError(
            f"output folder {folder} holds an unfinished run, its newest checkpoint {found[0].name}; continue from it "
            "with --resume, or delete the folder to start again"
        )
    reasons: list[str] = []
    for path in found:
        try:
            content = checkpoint.read_folder(path)
        except InputError as error:
            reasons.append(str(error))
            log(f"{error}; trying the one before")
            continue
        log(f"resuming from {path}: {content.meta['epoch']} epochs and {content.meta['step']} steps are done")
        return content
    raise InputError(f"{reasons[0]}, and no other is whole; delete {folder} to train again")


def require_same(resumed: Checkpoint | None, config: RunConfig, dataset: ClickDataset) -> None:
    """`InputError` unless resuming with these data and versions gives the same bits."""
    if resumed is None:
        return
    meta, device = resumed.meta, config.train.device
    if dataset.files is not None:  # a store's own word is not enough: its arrays may have been edited since
        dataset = replace(dataset, files=None)
    if meta["fingerprint"] != dataset.fingerprint:
        raise InputError(
            f"dataset {dataset.name!r} is not the one that the checkpoint was trained on: its content has changed; "
            "bring the old data back, or delete the folder to start again"
        )
    if meta.get("device", device) != device:
        raise InputError(
            f"the checkpoint was written on device {meta['device']!r}, got {device!r}, which may round differently; "
            f"resume with --device {meta['device']}"
        )
    for name, code in code_of(config).items():
        if meta.get("code", {}).get(name) != code:
            raise InputError(
                f"the checkpoint was written with another version of {name}; bring that version back to resume, or "
                "delete the folder to start again"
            )
    here = versions()
    found = meta.get("versions", {})
    for name in ("alpt_ref", "numpy", "numba", "scipy", "blas"):
        if name in ("scipy", "blas") and name not in found:
            continue  # release 0.1.0 did not record them
        there = found.get(name)
        if there != here[name]:
            remedy = "run it on such a machine" if name == "blas" else "install that version"
            what = "matrix products by" if name == "blas" else name
            raise InputError(
                f"the checkpoint was written with {what} {there}, this is {here[name]}, which may round differently; "
                f"{remedy} to resume, or delete the folder to start again"
            )


def stored_result(folder: Path, config: RunConfig, dataset: ClickDataset) -> RunResult:
    """A finished run, read from its folder."""
    result = read_result(folder / "result.json")
    try:
        content = checkpoint.read_folder(folder / FINAL)
        table, model = build(config, dataset)
        state = {name: array for name, array in content.arrays.items() if name.startswith(("table/", "model/"))}
        restore(state, table, model)
    except InputError as error:
        raise InputError(f"the stored state is damaged: {error}; delete {folder} to train again") from None
    return replace(result, table=table, model=model)
