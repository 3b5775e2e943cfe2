"""``alpt-ref check``: which properties does somebody's quantiser have? `alpt_ref.testing.check_quantizer` does it."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from alpt_ref.cli.options import Interrupted, echo, echo_json, echo_unless, next_line
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.quantizer.lattice import Lattice


@click.command("check", short_help="Check a quantiser of your own: module:function.")
@click.argument("name", metavar="MODULE:FUNCTION")
@click.option("--bits", type=click.IntRange(1, 16), help="Width of a code.")
@click.option("--step-size", type=float, help="Distance between neighbouring values of the lattice.")
@click.option("--offset", type=float, help="Codes are unsigned, and code 0 has this value.")
@click.option("--zero-point", type=int, help="Codes are unsigned, and this code has the value 0.")
@click.option("--narrow", is_flag=True, help="Leave out the lowest code.")
@click.option("--format", "float_format", metavar="NAME", help="In place of step size and bits: bf16, fp16, e4m3, ….")
@click.option(
    "--rounding",
    type=click.Choice(["sr", "dr"]),
    default="sr",
    show_default=True,
    help="Its rounding.",
)
@click.option(
    "--arrays",
    type=click.Choice(["numpy", "torch", "cupy"]),
    default="numpy",
    show_default=True,
    help="Its arrays.",
)
@click.option("--ties", metavar="RULE", help="up, down, even, odd, away or toward, if that is promised (dr).")
@click.option("--require", metavar="NAMES", help="Notes that count as failures, comma-separated.")
@click.option("--only", metavar="NAMES", help="These properties alone, comma-separated.")
@click.option("--effort", default="full", show_default=True, help="quick, full, or a share of full.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of inputs and draws.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--output", metavar="FILE.md", help="Write the report as Markdown too.")
@click.option("--quiet", is_flag=True, help="Print only the names of what failed.")
def check_command(name: str, **options: Any) -> None:
    """Check the function fn(x, draw) of a module or a file; exit status 1 if a property fails.

    MODULE:FUNCTION is package.module:function or path/to/file.py:function; it is run. It gets a float32 array (n, d)
    and the number of the call, and returns values of the lattice: `--step-size 0.1 --bits 8`, or `--format bf16`.
    """
    if _check(name, **options):
        click.get_current_context().exit(1)


def _check(
    name: str,
    *,
    rounding: str,
    arrays: str,
    ties: str | None,
    require: str | None,
    only: str | None,
    effort: str,
    seed: int,
    as_json: bool,
    output: str | None,
    quiet: bool,
    **lattice: Any,
) -> bool:
    """Check and report; whether something failed."""
    from alpt_ref._util.named_function import load_function
    from alpt_ref._util.outputs import check_output_file, open_output, shows
    from alpt_ref.testing.quantizer import check_quantizer

    if output == "-" and as_json:
        raise InputError("--json and --output - both print on stdout; leave out one of them")
    if output is not None:
        check_output_file(output, endings=(".md",), ours=("report", lambda file: shows(file, "| property |")))
    arguments: dict[str, Any] = {
        "rounding": rounding, "require": _names(require), "only": _names(only), "effort": _effort(effort), "seed": seed,
        "arrays": arrays, "ties": ties,
    }  # fmt: skip
    grid = _lattice(**lattice)
    try:
        with redirect_stdout(sys.stderr):  # what somebody's code prints must not come between the lines of the report
            report = check_quantizer(load_function(name, "the quantiser"), grid, name=name, **arguments)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written; run the same command to start again") from None
    if output is not None:
        with open_output(output) as stream:
            stream.write(report.to_markdown().encode())
    if as_json:
        echo_json(report.to_dict())
    elif quiet:
        for failed in report.failed:
            echo(failed)
    elif output != "-":
        echo(str(report))
        own = f"--bits {lattice['bits']} --step-size {lattice['step_size']}"
        say = echo_unless(rounding != "sr" or arrays != "numpy" or not _theory_has(**lattice))
        say(next_line("which theorems it keeps", f"alpt-ref verify --quantizer {name} {own}"))
    return not report.ok


def _theory_has(bits: int | None, **others: Any) -> bool:
    """Whether `verify --quantizer` takes the lattice: a step size and 2 bits or more, nothing else."""
    return bits is not None and bits > 1 and not any(value for key, value in others.items() if key != "step_size")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (text or "").split(",") if one.strip())


def _effort(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _lattice(
    bits: int | None,
    step_size: float | None,
    offset: float | None,
    zero_point: int | None,
    narrow: bool,
    float_format: str | None,
) -> Lattice:
    from alpt_ref.testing.lattices import Affine, FloatFormat, Uniform

    others = {"--bits": bits, "--step-size": step_size, "--offset": offset, "--zero-point": zero_point}
    given = [option for option, value in {**others, "--narrow": narrow or None}.items() if value is not None]
    if float_format is not None:
        if given:
            raise InputError(f"--format names the whole lattice; leave out {given[0]}")
        return FloatFormat(float_format)
    if bits is None or step_size is None:
        raise InputError("name the lattice: --step-size and --bits, or --format")
    if offset is None and zero_point is None:
        return Uniform(step_size, bits, narrow=narrow)
    if narrow or (offset is not None and zero_point is not None):
        raise InputError("--offset, --zero-point and --narrow exclude one another")
    return Affine(step_size, offset or 0.0, bits, zero_point=zero_point)
