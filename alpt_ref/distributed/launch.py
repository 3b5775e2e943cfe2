"""`train`: a run that the processes of a launcher share."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref.distributed.processes import launched, process_group
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.ranks import Alone, Ranks
from alpt_ref.training.train import train as train_alone

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.results import RunResult


@contextlib.contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """The ranks of this run inside the block: the processes that a launcher has started, else this one alone.

    `device` is where they compute, "cpu" or "cuda".

    Raises
    ------
    InputError
        They could not be joined.
    """
    if launched() == 1 and not _grouped():
        yield Alone()
        return
    with process_group(device) as watch:
        from alpt_ref.distributed.ranks import TorchRanks

        ranks = TorchRanks(watch, device)
        with warnings.catch_warnings():
            if not ranks.first:
                warnings.simplefilter("ignore", AlptWarning)
            yield ranks


def _grouped() -> bool:
    import sys

    torch = sys.modules.get("torch")
    return torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()


def train(config: RunConfig, dataset: ClickDataset, *, ranks: Ranks | None = None, **options: Any) -> RunResult:
    """Train one table and model on the processes of a launcher, with the bits of one process.

    Every process makes this call with the same arguments. The rows of the table are spread over the processes
    (`ShardedTable`), each computes some of the slices of every batch (``train.slices``), and rank 0 alone writes, but
    for the shards of checkpoints.

    Parameters
    ----------
    config : RunConfig
        ``train.sharded`` is set.
    dataset : ClickDataset
        The same on every rank; of one that is mapped from a store a rank reads the rows of its slices.
    ranks : Ranks, optional
        Of a `joined` block; default: those that the launcher has started join for this call.
    **options
        As `alpt_ref.train` takes them. ``progress``, ``log`` and ``callbacks`` are heard on rank 0 alone; a ``stop``
        that says True on one rank stops all of them after the batch.

    Returns
    -------
    RunResult
        As of `alpt_ref.train` with ``train.sharded``, bit for bit but for times. Its `table` is a `ShardedTable` where
        there are several ranks: none holds all rows.

    Raises
    ------
    InputError
        On every rank, as `alpt_ref.train`; or the ranks have different configurations or data, or cannot share the
        slices.
    LostRankError
        Another process has ended or cannot be reached. The checkpoints in `output` are whole; any number of processes
        resumes from them.

    Examples
    --------
    One process, which needs no torch, is what any number of them is compared with:

    >>> from alpt_ref import RunConfig, synthetic_clicks
    >>> from alpt_ref.distributed import train
    >>> data = synthetic_clicks(rows=2000, fields=3, features=60, seed=0)
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", batch_size=100, epochs=1)
    >>> result = train(config, data, table="fp32")
    >>> result.label, len(result.history)
    ('fp32', 1)
    """
    if not config.train.sharded:
        config = config.replace("train", sharded=True)
    if ranks is None:
        with joined(config.train.device) as found:
            return train(config, dataset, ranks=found, **options)
    if ranks.size > 1:
        require_same_run(ranks, config, dataset, options)
    return train_alone(config, dataset, ranks=ranks, **options)


def require_same_run(ranks: Any, config: RunConfig, dataset: ClickDataset, options: Mapping[str, Any]) -> None:
    """`InputError` on every rank unless all of them were given the same run, and compute alike."""
    from alpt_ref.training.versions import versions

    own = {"configuration": config_hash(config), "data": dataset.fingerprint, **_said_of_call(options)}
    if config.train.reduce == "ordered":
        own |= versions()
    if config.train.device == "cuda":
        own["kind of GPU"] = get_backend("cuda").description()["device"]
    found = ranks.everyone(own)
    for name in own:
        others = [rank for rank, one in enumerate(found) if one[name] != found[0][name]]
        if others:
            raise InputError(
                f"all ranks must have the same {name}, rank {others[0]} has {found[others[0]][name]} and rank 0 "
                f"{found[0][name]}; start them with one command on like machines"
            )


def _said_of_call(options: Mapping[str, Any]) -> dict[str, str]:
    """What all ranks must say alike about a call of `train`: folders are the same path on all machines."""
    found = {name: str(options.get(name)) for name in ("table", "model", "checkpoint_every")}
    found["resume"] = str(bool(options.get("resume")))
    for name in ("output", "init_from"):
        folder = options.get(name)
        folder = getattr(folder, "run", folder)
        found[name] = str(Path(folder).absolute()) if isinstance(folder, str | os.PathLike) else str(folder)
    return found
