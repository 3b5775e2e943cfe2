"""``alpt-ref train --sharded``: a command that a launcher has started several times, and that speaks once."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from alpt_ref._util import signals
from alpt_ref.cli.data_options import stack
from alpt_ref.cli.options import Interrupted
from alpt_ref.errors import AlptError, InputError, LostRankError

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.ranks import Ranks
    from alpt_ref.training.results import RunResult

sharded_options = stack(
    click.option(
        "--sharded",
        is_flag=True,
        help="Train in slices, which the processes of torchrun share (extra `dist-train`); alone, with the same bits.",
    ),
    click.option(
        "--reduce",
        type=click.Choice(["ordered", "fast"]),
        help="Sums over the processes: the same bits for any number of them, or for the same number.  [default: "
        "ordered]",
    ),
)


def take_sharding(options: dict[str, Any]) -> dict[str, Any]:
    """The values of `sharded_options`, taken out of `options`."""
    return {name: options.pop(name) for name in ("sharded", "reduce")}


def with_sharding(config: RunConfig, sharded: bool, reduce: str | None) -> RunConfig:
    """The configuration with what `sharded_options` say."""
    changes: dict[str, Any] = {"sharded": True} if sharded else {}
    if reduce is not None:
        if not (sharded or config.train.sharded):
            raise click.UsageError("--reduce is about runs with --sharded; leave it out")
        changes["reduce"] = reduce
    return config.replace("train", **changes) if changes else config


class Voice:
    """Who of the processes of a launcher tells the user something.

    Attributes
    ----------
    first : bool
        Whether this process reports progress and results.
    ranks : Ranks or None
        Once they are joined.
    """

    def __init__(self) -> None:
        self.first = os.environ.get("RANK", "0") == "0" or _launched() == 1
        self.ranks: Ranks | None = None

    def may_speak(self, problem: str) -> bool:
        """Whether an error of this process is for it to say; true on one of them."""
        watch = getattr(self.ranks, "watch", None)
        if watch is not None:
            return bool(watch.may_speak())
        if _launched() == 1:
            return True
        from alpt_ref.distributed.arrival import speaks_for_all

        return speaks_for_all(problem)

    def may_say_interrupted(self) -> bool:
        """The same of a signal, which all of them may hear, and hear again, at any moment before they have joined."""
        if _launched() > 1 and self.ranks is None and "torch.distributed" not in sys.modules:  # they cannot ask
            return self.first
        try:
            return self.may_speak("interrupted")
        except KeyboardInterrupt:
            return self.first

    @contextlib.contextmanager
    def joined(self, config: RunConfig) -> Iterator[Ranks]:
        """The ranks of the run inside the block."""
        if not config.train.sharded:
            if _launched() > 1:
                raise InputError(
                    f"a launcher has started {_launched()} processes, which would all train the same run; give "
                    "--sharded, or start one"
                )
            from alpt_ref.training.ranks import Alone

            self.ranks = Alone()
            yield self.ranks
            return
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch tells of lost connections with its stack
        from alpt_ref.distributed import joined

        with joined(config.train.device) as self.ranks:
            yield self.ranks

    def train(self, config: RunConfig, dataset: ClickDataset, **options: Any) -> RunResult:
        """Train on the joined ranks."""
        if config.train.sharded:
            from alpt_ref.distributed import train as shared

            return shared(config, dataset, ranks=self.ranks, **options)
        from alpt_ref.training.train import train

        return train(config, dataset, **options)


def _launched() -> int:
    """Processes that a launcher has started."""
    text = os.environ.get("WORLD_SIZE", "1")
    return int(text) if text.isdigit() else 1


@contextlib.contextmanager
def one_voice() -> Iterator[Voice]:
    """One process prints an error of the block; the others exit with the same status and print nothing.

    The command line is read inside: all processes are given the same one, and a launcher that ends the others, because
    one has ended, interrupts them.
    """
    voice = Voice()
    try:
        yield voice
    except LostRankError:
        from alpt_ref.distributed.processes import sentence

        if voice.may_speak(sentence("another rank")):
            sys.stderr.write(f"Error: {sentence('another rank')}\n")
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)  # torch may wait for the lost one as it is taken down
    except (AlptError, click.ClickException) as error:
        if voice.may_speak(error.format_message() if isinstance(error, click.ClickException) else str(error)):
            raise
        raise SystemExit(_status(error)) from None
    except (KeyboardInterrupt, click.Abort):
        if voice.may_say_interrupted():
            raise
        raise SystemExit(signals.interrupted_status()) from None


def voice_of_command() -> Voice:
    """The voice of the command that runs, which `one_voice` has made; a new one where a program calls the command."""
    return click.get_current_context().find_object(Voice) or Voice()


def _status(error: Exception) -> int:
    """Exit status, as `alpt_ref.cli` has it."""
    if isinstance(error, Interrupted):
        return signals.interrupted_status()
    if isinstance(error, click.ClickException):
        return error.exit_code
    return 2 if isinstance(error, InputError) else 1
