"""A training run and its folder: start, resume, finish, or read what is there.

The loop is in `trainer`, a step in `engine`. This module keeps the run's folder consistent: one process at a time, one
configuration on one dataset, and every file in it whole whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util import check as _check
from alpt_ref._util import folders
from alpt_ref._util.files import path_of, remove_parts, write_text
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.progress import Progress
from alpt_ref._util.progress import shown as progress_of
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.training import checkpoint
from alpt_ref.training.batches import batch_count, warn_of_single_row
from alpt_ref.training.build import served
from alpt_ref.training.callbacks import Callback, Listeners
from alpt_ref.training.checkpoint import CHECKPOINTS, FINAL, Checkpoint
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import dump_toml
from alpt_ref.training.engine import DivergedError, Engine, make_engine
from alpt_ref.training.engine_sliced import SlicedEngine
from alpt_ref.training.init_from import InitFrom, Start, check_output, keep_record, start_from
from alpt_ref.training.output import FILES as FILES
from alpt_ref.training.output import claim, is_finished, restored
from alpt_ref.training.quality import groups_of
from alpt_ref.training.ranks import Ranks, require_beginning, require_ranks
from alpt_ref.training.results import RunResult, write_history, write_result
from alpt_ref.training.resume import newest_checkpoint, require_same
from alpt_ref.training.schedule import ramp_of
from alpt_ref.training.trainer import StoppedError, Trainer
from alpt_ref.training.usable import require_usable
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models import Model
    from alpt_ref.tables import EmbeddingTable

__all__ = ["DivergedError", "StoppedError", "require_usable", "train"]

LAST_GOOD = "last_good"


@former_keywords(say="log")
def train(
    config: RunConfig,
    dataset: ClickDataset,
    *,
    table: str | type[EmbeddingTable] | None = None,
    model: str | type[Model] | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    init_from: InitFrom | str | Path | None = None,
    checkpoint_every: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    log: Callable[[str], None] | None = None,
    callbacks: Iterable[Callback] = (),
    ranks: Ranks | None = None,
) -> RunResult:
    """Train one table and model, and test the state of the best (or last) epoch.

    Parameters
    ----------
    config : RunConfig
        Everything but the data; ``config.data`` is not read here.
    dataset : ClickDataset
        ids (rows, fields) uint32, labels (rows,) uint8 and the split into train, valid and test rows.
    table, model : str or class, optional
        Method and backbone in place of those that `config` names: a built-in or installed name, ``"module:Class"``, or
        a class. Its settings are those of its `Options` at their defaults, or as `config` has them.
    output : folder, optional
        Receives config.toml, history.jsonl (after every epoch), the two latest checkpoints, and at the end the tested
        state and result.json. A folder that holds this run's complete result is read instead of training again.
    resume : bool
        Continue from the newest checkpoint in `output` that is whole; the result is bit for bit that of an
        uninterrupted run. In a folder without a checkpoint training starts at the beginning. A run, finished or not,
        goes on to a larger ``train.epochs``, unless its schedule is a cosine.
    init_from : path or InitFrom, optional
        Output folder of a finished run whose state this one goes on from; `dataset` may hold new ids. Settings of
        ``train`` may differ from that run's, and learning rates; model and table may not. With `resume` too, an
        unfinished run that began so goes on from its own checkpoint.
    checkpoint_every : int, optional
        Steps between two checkpoints; default: one after every epoch.
    progress : Progress, optional
        Shows samples and samples per second; default none.
    stop : callable, optional
        Asked after every batch; True keeps a checkpoint and ends with `StoppedError`.
    log : callable, optional
        Called with one sentence: which checkpoint training resumes from, which one was damaged.
    callbacks : iterable of Callback
        Told when training begins, after every epoch and at the end; one that raises is warned about and left out from
        then on, the run goes on. A finished result that is read from `output` is told to nobody.
    ranks : Ranks, optional
        Processes that share a run with ``train.sharded``, each of which makes this call; default this one alone. See
        `alpt_ref.distributed.train`.

    Returns
    -------
    RunResult
        A function of configuration and data alone, bit for bit, but for times; whatever the interruptions.

    Raises
    ------
    InputError
        The folder holds another run, or is in use, or cannot be written; or its unfinished run is not to be resumed,
        or is one of other data, versions or device; or a part of the split is empty.
    DivergedError
        A loss or gradient is NaN or infinite; names the step and carries the last good epoch's state, which is
        written to the checkpoint ``last_good`` where `output` is given.
    CheckpointError
        A checkpoint could not be written; those before it are whole.

    Examples
    --------
    >>> from alpt_ref import RunConfig, synthetic_clicks
    >>> data = synthetic_clicks(rows=2000, fields=3, features=60, seed=0)
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", batch_size=100, epochs=1)
    >>> result = train(config, data, table="fp32")
    >>> result.label, len(result.history)
    ('fp32', 1)
    """
    for section, key, part in (("table", "method", table), ("model", "kind", model)):
        if part is not None:
            config = config.replace(section, **{key: part})
    _check_options(output, resume, checkpoint_every)
    start = None
    if init_from is not None:
        check_output(init_from.run if isinstance(init_from, InitFrom) else init_from, output)
        start = start_from(init_from, config, dataset)
        dataset = start.dataset
    require_usable(dataset)
    rows = counted_rows(dataset, "train")
    warn_of_single_row(config, len(rows))
    groups_of(dataset, rows[:0], config.train.group)  # refuses a field that cannot group rows
    ramp_of(config.train, batch_count(len(rows), config.train.batch_size))  # refuses a warm-up that never ends
    ranks = require_ranks(ranks, config)
    if not ranks.first:
        progress, log, callbacks = None, None, ()
    listeners = Listeners(callbacks)
    progress, log = progress_of(progress), log or (lambda text: None)
    asked = stop or (lambda: False)

    def begin(**tools: Any) -> Trainer:
        """At its initial values, or with what another run has left."""
        engine = ranks.each(lambda: _begun(config, dataset, start, log, ranks, asked))
        ends = (lambda: engine.stopping) if isinstance(engine, SlicedEngine) else asked
        return Trainer(
            config, dataset, engine, progress, every=checkpoint_every, stop=ends, start=start, listeners=listeners,
            **tools,
        )  # fmt: skip

    with _threads(config.train.threads), single_threaded_blas():
        if output is None:
            require_beginning(ranks, start, None)
            trainer = begin()
            return listeners.hear(lambda: _measured(trainer, trainer.run(), ranks))
        folder = path_of(output, "output")
        ranks.once(lambda: claim(folder, config, dataset, start, resume))
        with ranks.alone_in(folder):
            if ranks.once(lambda: is_finished(folder, config, dataset, start, resume, log)):
                return restored(folder, config, dataset, ranks)
            trainer = begin(
                save=partial(ranks.write_checkpoint, folder / CHECKPOINTS),
                history_file=folder / "history.jsonl" if ranks.first else None,
            )
            read = partial(ranks.read_checkpoint, table=trainer.engine.table)
            resumed = newest_checkpoint(folder, resume, log, ranks, read)
            require_beginning(ranks, start, resumed)
            ranks.each(lambda: require_same(resumed, config, dataset))
            return listeners.hear(partial(_run, folder, trainer, resumed, ranks))


def _begun(
    config: RunConfig, dataset: ClickDataset, start: Start | None, log: Callable[[str], None], ranks: Ranks,
    stop: Callable[[], bool],
) -> Engine:  # fmt: skip
    """The engine at its initial values, or with what another run has left."""
    if config.train.sharded and config.train.device == "cuda":
        get_backend("cuda")  # refuses, with the reason, a device that cannot be used
        from alpt_ref.training.engine_cuda_sliced import SlicedCudaEngine

        engine: Engine = SlicedCudaEngine(config, dataset, ranks, stop)
    elif config.train.sharded:
        engine = SlicedEngine(config, dataset, ranks, stop)
    else:
        engine = make_engine(config, dataset, config.train.device)
    if start is not None and ranks.size == 1:  # several ranks only resume such a run
        log(f"{start}")
        start.load_into(engine)
        if not start.keeps_optimizer:
            log("the run that is continued was written by an earlier release without the dense optimizer's state")
    return engine


def _check_options(output: str | Path | None, resume: bool, checkpoint_every: int | None) -> None:
    for name, given in (("resume", resume), ("checkpoint_every", checkpoint_every is not None)):
        if given and output is None:
            raise InputError(f"{name} needs an output folder; name it with --output")
    if checkpoint_every is not None:
        _check.whole_number("checkpoint_every", checkpoint_every, 1)


def _run(folder: Path, trainer: Trainer, resumed: Checkpoint | None, ranks: Ranks) -> RunResult:
    """Train to the end and write what is kept of a finished run, its result last."""
    if resumed is not None:
        ranks.each(lambda: trainer.resume(resumed))

    def prepare() -> None:
        if resumed is not None:
            for later in checkpoint.list_checkpoints(folder / CHECKPOINTS, after=trainer.step):  # damaged ones
                folders.remove(later)
            if trainer.history:
                write_history(folder / "history.jsonl", trainer.history)
        remove_parts(folder, folder / CHECKPOINTS)
        keep_record(folder, trainer.start)
        write_text(folder / "config.toml", dump_toml(trainer.config))  # only now: a refused setting claims no folder

    ranks.once(prepare)
    try:
        result = trainer.run()
    except DivergedError as error:
        error.history = tuple(trainer.history)
        error.state = served(trainer.last_good.arrays())
        ranks.write_folder(folder / LAST_GOOD, trainer.final(error.state, len(error.history), finished=False))
        raise
    result = _measured(trainer, result, ranks)
    ranks.write_folder(folder / FINAL, trainer.final(trainer.best.arrays(), result.tested_epoch, finished=True))
    ranks.once(lambda: write_result(folder / "result.json", result))
    return result


def _measured(trainer: Trainer, result: RunResult, ranks: Ranks) -> RunResult:
    """The result with the bytes of all rows of the table, which nobody needs to hold together."""
    training, serving = ranks.table_bytes(trainer.engine.table)
    return replace(result, training_bytes=training, serving_bytes=serving)


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Use this many threads inside the block (None: as it is)."""
    before = _jit.num_threads()
    _jit.set_num_threads(before if threads is None else threads)
    try:
        yield
    finally:
        _jit.set_num_threads(before)
