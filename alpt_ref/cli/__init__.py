"""Command ``alpt-ref``: data, train, compare, predict, export, pack, quantize, check and the rest.

Exit status 0: done; 1: a run failed; 2: bad input, with one sentence on stderr and nothing half-written; 130
(SIGTERM: 143): interrupted, with a sentence on how to resume. A traceback is a bug in this package.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import click

from alpt_ref._util import ending, signals
from alpt_ref._util.text import printable
from alpt_ref._version import __version__
from alpt_ref.cli.bench import bench_command
from alpt_ref.cli.check import check_command
from alpt_ref.cli.compare import compare_command
from alpt_ref.cli.completion import attach
from alpt_ref.cli.data import data_group
from alpt_ref.cli.doctor import doctor_command
from alpt_ref.cli.export import export_command
from alpt_ref.cli.figures import figures_command
from alpt_ref.cli.init import init_command
from alpt_ref.cli.options import Interrupted, echo
from alpt_ref.cli.pack import pack_command
from alpt_ref.cli.predict import predict_command
from alpt_ref.cli.quantize import quantize_command
from alpt_ref.cli.reproduce import reproduce_command
from alpt_ref.cli.sharded import Voice, one_voice
from alpt_ref.cli.train import train_command
from alpt_ref.cli.verify import verify_command
from alpt_ref.errors import AlptError, AlptWarning, InputError

_BAD_INPUT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_BAD_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS)
_PIPE_CLOSED = 1
"""Status where the reader of our output left, for example ``alpt-ref ... | head``."""


FIRST_LINES = f"""\
alpt-ref {__version__}: train and serve embedding tables of click-through-rate models in 8, 4 or 2 bits
  alpt-ref reproduce --quick    the paper's message, measured here in two minutes
  alpt-ref data sample csv      a drawn click log to try things on; then: alpt-ref data schema clicks.csv
  alpt-ref compare              methods side by side on drawn clicks; --input FILE --schema FILE for yours
  alpt-ref verify list          the theorems; `alpt-ref verify` tries to refute them
  alpt-ref --help               every verb; `alpt-ref doctor` says what works here"""
"""What ``alpt-ref`` alone prints."""


@click.group(
    name="alpt-ref",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="alpt-ref", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Adaptive low-precision training (ALPT) of embedding tables for click-through-rate models.

    `alpt-ref reproduce --quick` answers four questions of the paper with sizes and intervals in about two minutes.
    `alpt-ref compare` trains FP32, LPT and ALPT at 8, 4 and 2 bits on synthetic clicks and shows which method keeps how
    much accuracy at how many bytes.
    """
    if context.invoked_subcommand is None:
        echo(FIRST_LINES)


cli.add_command(data_group)
cli.add_command(train_command)
cli.add_command(compare_command)
cli.add_command(predict_command)
cli.add_command(export_command)
cli.add_command(pack_command)
cli.add_command(quantize_command)
cli.add_command(check_command)
cli.add_command(verify_command)
cli.add_command(figures_command)
cli.add_command(reproduce_command)
cli.add_command(bench_command)
cli.add_command(init_command)
cli.add_command(doctor_command)
attach(cli)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; `args` default to those of the process."""
    signals.listen()
    ending.leave(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    status = _run(args)
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:  # a full disk or a closed pipe: what was printed is lost, and the status says so
        if sys.stdout is not None:
            _discard(sys.stdout)
        return status or (_PIPE_CLOSED if isinstance(error, BrokenPipeError) else _fail(f"output: {error.strerror}", 1))
    return status


def _run(args: Sequence[str] | None) -> int:
    warnings.showwarning = _show_warning
    signals.forget()
    words = sys.argv[1:] if args is None else list(args)
    shared: contextlib.AbstractContextManager[Voice | None] = contextlib.nullcontext()
    if words[:1] == ["train"]:
        shared = one_voice()
    try:
        with shared as voice:
            _refuse_empty(words)
            _check_threads()
            result = cli.main(args=words, prog_name="alpt-ref", standalone_mode=False, obj=voice)
        return result if isinstance(result, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted; the same command starts again", signals.interrupted_status())
    except Interrupted as error:
        return _fail(error.format_message(), signals.interrupted_status())
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return _fail(f"{error.format_message().rstrip('.')}{hint}", error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except InputError as error:
        return _fail(str(error), 2)
    except AlptError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output left, for example `alpt-ref ... | head`
        _discard(sys.stdout)
        return _PIPE_CLOSED
    except OSError as error:
        if error.filename is None and _no_current_folder():
            return _fail("the current folder was deleted; go to another one", 2)
        where = f"{error.filename}: " if error.filename is not None else ""
        bad_input = isinstance(error, _BAD_INPUT) or error.errno in _BAD_PATH
        return _fail(f"{where}{error.strerror or error}", 2 if bad_input else 1)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        return _fail(f"out of memory{reason}; make the model, the table, the batches or --jobs smaller", 1)


def _refuse_empty(args: Sequence[str]) -> None:
    """InputError for an empty argument: a path out of it would be the current folder."""
    for before, arg in zip(("", *args), args, strict=False):
        option = re.fullmatch(r"(--[\w-]+)=", arg)
        if option or not arg:
            name = option[1] if option else before if before.startswith("-") else "an argument"
            raise InputError(f"{name} is empty, perhaps a variable that is not set; give a value or leave it out")


def _check_threads() -> None:
    """InputError where Numba could not start: it raises as it is imported, with a traceback."""
    value = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not value:  # to a shell the same as none
        del os.environ["NUMBA_NUM_THREADS"]
        return
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise InputError(
            f"the variable NUMBA_NUM_THREADS must be a whole number of at least 1, got {value!r}; unset it"
        )


def _no_current_folder() -> bool:
    try:
        return not os.getcwd()  # noqa: PTH109 (no path is wanted)
    except FileNotFoundError:
        return True


def _discard(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, so that the interpreter's last flush does not fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, status: int) -> int:
    _to_stderr(f"Error: {printable(' '.join(message.split()))}")
    return status


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
    """Our own warnings as one sentence; others as Python prints them."""
    if issubclass(category, AlptWarning):
        _to_stderr(f"Warning: {printable(' '.join(str(message).split()))}")
    else:
        _to_stderr(warnings.formatwarning(message, category, *where[:2]).rstrip())


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody listens
        if sys.stderr is not None:
            click.echo(line, err=True)
