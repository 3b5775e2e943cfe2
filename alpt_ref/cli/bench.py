"""``alpt-ref bench``: how fast quantiser, tables, simulations and training are here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from alpt_ref.cli.options import Interrupted, echo, echo_json, echo_unless, json_option, next_line


@click.command("bench", short_help="Measure the speed here.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What to measure.")
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True, help="Rounds of every case.")
@click.option("--no-peers", is_flag=True, help="Leave PyTorch out even where it is installed.")
@click.option(
    "--output",
    metavar="FILE.json",
    help="Also write figures, machine, versions and date as JSON; - for standard output.",
)
@click.option(
    "--compare",
    metavar="OLD.json",
    help="Say what is slower or faster than in an older report, by more than the noise of both; exit status 1 if "
    "something is slower on the same machine.",
)
@click.option("--figures", metavar="NEW.json", help="With --compare: a report to take instead of measuring.")
@json_option
@click.option("--quiet", is_flag=True, help="Print only the figures.")
def bench_command(
    device: str,
    repeats: int,
    no_peers: bool,
    output: str | None,
    compare: str | None,
    figures: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time copy, quantiser, lookup, table step, Monte Carlo and training; medians, and shares of a memory copy.

    Beside an older report (--compare) the middle halves of the rounds of both must lie apart, and the medians by 3 %.
    Other machines and versions are named; other sizes or devices are refused.
    """
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads of PyTorch must not spin beside ours
    import json

    from alpt_ref._util.outputs import STDOUT, check_output_file, open_output, shows

    if as_json and (compare is not None or output == STDOUT):
        raise click.UsageError("--json prints the report alone; leave --compare and --output - out")
    quiet = quiet or as_json
    if output is not None:
        ours = ("benchmark", lambda file: shows(file, '"command": "alpt-ref bench'))
        check_output_file(output, endings=(".json",) if Path(output).suffix else (), ours=ours)
    suite: Any = importlib.import_module("alpt_ref.analysis.benchmarks")  # `old_paths` finds it in a checkout too
    old = None if compare is None else suite.read_report(compare)
    if figures is not None:
        if compare is None or output is not None:
            raise click.UsageError("--figures goes with --compare and without --output; nothing is measured")
        _say_changes(suite, old, suite.read_report(figures), compare)
        return
    try:
        report = suite.bench(device, repeats=repeats, with_peers=not no_peers, log=echo_unless(quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written, the same command starts again") from None
    if as_json:
        echo_json(report)
    else:
        echo(suite.table_of(report), err=output == STDOUT)
    if output is not None:
        command = f"alpt-ref bench --device {device} --repeats {repeats}" + (" --no-peers" if no_peers else "")
        with open_output(output) as stream:
            stream.write((json.dumps({"command": command, **report}, indent=2, allow_nan=False) + "\n").encode())
        echo_unless(quiet)(f"wrote {output}")
    if old is not None:
        _say_changes(suite, old, report, compare, err=output == STDOUT)
    kept = f"--compare {output}" if output not in (None, STDOUT) else "--output bench.json"
    echo_unless(quiet)(next_line("see what changes" if "compare" in kept else "keep it", f"alpt-ref bench {kept}"))


def _say_changes(suite: Any, old: Any, new: Any, path: str | None, *, err: bool = False) -> None:
    suite.require_comparable(old, new, path)
    text, slower = suite.comparison(old, new)
    echo(text, err=err)
    if slower:
        click.get_current_context().exit(1)
