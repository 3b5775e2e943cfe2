"""``alpt-ref train``: one run, and what a signal does to it."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from alpt_ref._util import signals as interruption
from alpt_ref._util.outputs import check_results_folder
from alpt_ref.cli.init_from import continued_config, init_options, load_rows
from alpt_ref.cli.options import (
    Interrupted,
    advice,
    config_options,
    data_options,
    describe,
    echo,
    echo_json,
    echo_unless,
    json_option,
    make_config,
    next_line,
    run_options,
)
from alpt_ref.cli.recipe import fit_to, named_settings
from alpt_ref.cli.sharded import sharded_options, take_sharding, voice_of_command, with_sharding

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.results import RunResult


@click.command("train", short_help="Train one table and model.")
@data_options
@config_options
@click.option("--seed", type=click.IntRange(min=0), help="Initial weights, order of rows, rounding.  [default: 0]")
@click.option("--output", metavar="FOLDER", help="For result, history and state.  [default: nothing is kept]")
@click.option("--resume", is_flag=True, help="Continue from the newest checkpoint in the output folder, if any.")
@init_options
@click.option(
    "--track",
    metavar="NAME[:WHERE]",
    multiple=True,
    help="Log every epoch to csv:FILE, tensorboard:FOLDER, mlflow:URI or wandb:PROJECT; may be repeated.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="[default: one checkpoint after every epoch]",
)
@json_option
@run_options
@sharded_options
def train_command(
    seed: int | None,
    output: str | None,
    resume: bool,
    init_from: str | None,
    evict_after: int | None,
    checkpoint_every: int | None,
    track: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train one embedding table and model, and test it.

    Without data arguments the synthetic set is drawn. The method is chosen by settings, for example `--set
    table.method=lpt --set table.bits=4 --set table.rounding=dr` (default: alpt, 8 bits, sr). On data that are named,
    without --preset and --config, batch size, epochs, schedule and the widths of the MLP fit the number of rows.

    If the output folder holds the finished result of this run, it is read and nothing is trained. Ctrl-C and SIGTERM
    keep a checkpoint there; the same command with --resume continues from it, bit for bit, with any number of threads.
    A run, finished or not, trains more epochs with --resume and a larger --set train.epochs.

    With --init-from RUN settings, vocabulary and schema come from RUN, and training begins where it ended: every row
    is kept with its codes, step size and optimizer state, new categories get fresh rows (those that the training rows
    hold as often as RUN's least count, or --min-count), and the schedule begins anew. `--set train.X` and learning
    rates may change. An unfinished run is resumed by the same command with --resume.
    """
    voice = voice_of_command()
    quiet = quiet or as_json or not voice.first
    for name, given in (("--resume", resume), ("--checkpoint-every", checkpoint_every is not None)):
        if given and output is None:
            raise click.UsageError(f"{name} needs an output folder; name it with --output")
    if output is not None and voice.first:
        check_results_folder(output)
    if evict_after is not None and init_from is None:
        raise click.UsageError("--evict-after needs a run to go on from; name it with --init-from")
    named = named_settings(options) if init_from is None else None
    sharding = take_sharding(options)
    config = make_config(options) if init_from is None else continued_config(init_from, output, options)
    config = with_sharding(config, **sharding)
    if seed is not None:
        config = config.replace("train", seed=seed)
    if config.data.folds:
        config = config.replace("data", seed=config.train.seed)
    log = echo_unless(quiet)
    if config.train.device == "cuda" and not config.train.sharded:
        from alpt_ref.training import compile_ahead

        compile_ahead.start(config)
    with Signals() as signals, voice.joined(config) as ranks:
        from alpt_ref._util.progress import Progress
        from alpt_ref.training.config import canonical
        from alpt_ref.training.init_from import InitFrom
        from alpt_ref.training.sources import load_dataset
        from alpt_ref.training.tracking import tracker
        from alpt_ref.training.train import StoppedError

        signals.shared, signals.silent = ranks.size > 1, not voice.first

        def load(progress: Progress) -> ClickDataset:
            if init_from is None:
                return load_dataset(config.data, progress=progress)
            return load_rows(config, init_from, progress=progress)

        try:
            trackers = [tracker(text) for text in track]  # refused before data are read
            with Progress(enabled=not quiet) as progress:
                dataset = ranks.each(partial(load, progress))
            init = None if init_from is None else InitFrom(init_from, config.data.min_count, evict_after)
            log(describe(dataset))
            config = fit_to(config, dataset, named, log, alone=True)
            log(advice(config, dataset))
            signals.gentle = output is not None
            with Progress(enabled=not quiet) as progress:
                result = voice.train(
                    config, dataset, output=output, resume=resume, init_from=init,
                    checkpoint_every=checkpoint_every, progress=progress, stop=signals, log=log,
                    callbacks=trackers,
                )  # fmt: skip
        except StoppedError as error:
            raise Interrupted(str(error)) from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {_how_to_continue(output)}") from None
    if not voice.first:
        return
    if as_json:
        echo_json({"config": canonical(config), **result.as_dict()})
        return
    echo(_report(config, dataset, result, quiet))
    log(_next(config, output))


class Signals:
    """SIGINT and SIGTERM inside the block: asked gently, training ends after the batch; a second one ends it at once.

    Calling the object tells whether a signal has come. Where a launcher has started the process, `shared`, Ctrl-C in a
    terminal comes twice, from the terminal and from the launcher: a second signal within `GRACE_S` is the first.
    """

    GRACE_S = 15.0
    gentle = shared = silent = False

    def __init__(self) -> None:
        self.number, self._when = 0, 0.0
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.number != 0

    def __enter__(self) -> Self:
        """Listen, but not to what a parent process had ignored (``nohup``, a job in the background)."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Listen no longer."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.number = self.number != 0, number
        interruption.note(number)
        if again and self.shared and self.gentle and time.monotonic() - self._when < self.GRACE_S:
            return
        self._when = time.monotonic()
        if again or not self.gentle:
            raise interruption.Stopped
        if self.silent:
            return
        os.write(2, b"\nstopping after this batch; a second signal stops at once\n")  # print is not allowed here


def _next(config: RunConfig, output: str | None) -> str:
    """The last line: what a run is good for."""
    if output is None:
        return next_line("compare methods on these data, or keep a run with --output", "alpt-ref compare")
    if config.data.is_format or config.data.source == "store":
        given = "--data STORE" if config.data.source == "store" else "FILE"
        return next_line("score rows", f"alpt-ref predict {output} {given} --output scores.csv")
    return next_line("strip the run for serving", f"alpt-ref pack {output} --output {output}-packed")


def _how_to_continue(output: str | None) -> str:
    from alpt_ref.training.checkpoint import newest_step

    step = None if output is None else newest_step(output)
    if step is None:
        return "nothing was kept; run the same command to train again from the start"
    return f"the state after step {step} is in {output}; run the same command with --resume to continue"


def _report(config: RunConfig, dataset: ClickDataset, result: RunResult, quiet: bool) -> str:
    lines = []
    if not quiet:
        lines.append("epoch  table lr  train loss  valid AUC  valid logloss  samples/s")
        lines += [
            f"{one.epoch:5d}  {one.lr['table']:8.1e}  {one.train_loss:10.5f}  {one.valid_auc:9.5f}  "
            f"{one.valid_logloss:13.5f}  {one.timing['samples_per_s']:9,.0f}"
            for one in result.history
        ]
    name = result.label if result.bits is None else f"{result.label} {result.bits}-bit"
    lines.append(
        f"{name} {config.model.kind}, seed {result.seed}, state after epoch {result.tested_epoch}: "
        f"test AUC {result.test_auc:.5f}, test logloss {result.test_logloss:.5f}; "
        f"table bytes {result.training_bytes:,} in training, {result.serving_bytes:,} in serving"
    )
    lines.append(f"test {result.quality.in_words()}")
    if "bayes_auc" in dataset.info:
        optimum = f"AUC {dataset.info['bayes_auc']:.5f}, logloss {dataset.info['bayes_logloss']:.5f}"
        lines.append(f"Bayes optimum on the test rows: {optimum}")
    return "\n".join(lines)
