"""Resuming an unfinished run: from which checkpoint, and whether that gives the bits of a run never stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from alpt_ref.errors import InputError
from alpt_ref.training import checkpoint
from alpt_ref.training.checkpoint import CHECKPOINTS, Checkpoint
from alpt_ref.training.config import RunConfig, code_of, config_hash
from alpt_ref.training.config_io import load_own_toml
from alpt_ref.training.shards import written_by
from alpt_ref.training.versions import versions

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.ranks import Ranks


def newest_checkpoint(
    folder: Path, resume: bool, log: Callable[[str], None], ranks: Ranks, read: Callable[[Path], Checkpoint]
) -> Checkpoint | None:
    """The newest checkpoint that all ranks can `read`, to resume from; None where there is none yet."""
    found = ranks.once(lambda: checkpoint.list_checkpoints(folder / CHECKPOINTS))
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
            content = read(path)
        except InputError as error:
            reasons.append(str(error))
            log(f"{error}; trying the one before")
            continue
        log(f"resuming from {path}: {content.meta['epoch']} epochs and {content.meta['step']} steps are done")
        train, written = content.config.train, written_by(file.name for file in path.iterdir())
        if train.sharded and train.reduce == "fast" and written != ranks.size:
            log(
                f"the checkpoint is of another number of ranks ({written}, now {ranks.size}): with train.reduce = "
                "'fast' the bits will be those of neither; 'ordered' gives the same bits for any"
            )
        return content
    raise InputError(f"{reasons[0]}, and no other is whole; delete {folder} to train again")


def more_epochs(there: RunConfig, here: RunConfig) -> bool:
    """Whether `here` is the run `there` but for a larger ``train.epochs``."""
    longer = there.train.epochs < here.train.epochs
    return longer and config_hash(there) == config_hash(here.replace("train", epochs=there.train.epochs))


def goes_on(folder: Path, config: RunConfig, resume: bool, log: Callable[[str], None]) -> bool:
    """Whether a run that the folder holds, finished or not, is asked for more epochs now.

    Milestones, plateau, warm-up and patience look at what was, so that the bits are those of a run that was asked for
    as many at once. A cosine knows the number of epochs from its first step.

    Raises
    ------
    InputError
        Its schedule depends on the number of epochs.
    """
    marker = folder / "config.toml"
    if not resume or not marker.exists():
        return False
    there = load_own_toml(marker)
    if not more_epochs(there, config):
        return False
    if config.train.schedule == "cosine":
        raise InputError(
            f"train.epochs must stay {there.train.epochs} in a run with train.schedule 'cosine', whose rates depend on "
            f"it from the first step, got {config.train.epochs}; go on with --init-from {folder} and another --output"
        )
    log(f"{folder} holds a run of {there.train.epochs} epochs, which goes on to {config.train.epochs}")
    return True


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
        if name == "blas" and here[name] in str(there).split(", "):
            continue  # release 0.2 named SciPy's library too, where that was loaded
        if there != here[name]:
            way_out = "run it on such a machine" if name == "blas" else "install that version"
            what = "matrix products by" if name == "blas" else name
            raise InputError(
                f"the checkpoint was written with {what} {there}, this is {here[name]}, which may round differently; "
                f"{way_out} to resume, or delete the folder to start again"
            )
