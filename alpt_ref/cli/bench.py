"""``alpt-ref bench``: how fast quantiser, tables, simulations and training are here."""

from __future__ import annotations

import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import click

from alpt_ref.cli.options import Interrupted, echo_unless


@click.command("bench", short_help="Measure the speed here.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What to measure.")
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True, help="Rounds of every case.")
@click.option("--no-peers", is_flag=True, help="Leave PyTorch out, also where it is installed.")
@click.option("--output", metavar="FILE.json", help="Also write figures, machine, versions and date as JSON.")
@click.option("--quiet", is_flag=True, help="Print the figures alone.")
def bench_command(device: str, repeats: int, no_peers: bool, output: str | None, quiet: bool) -> None:
    """Time copy, quantiser, lookup, table step, Monte Carlo and training; medians, and shares of a memory copy."""
    import os

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads of PyTorch must not spin beside ours
    from alpt_ref._util.files import write_json

    suite = _suite()
    try:
        report = suite.bench(device, repeats=repeats, with_peers=not no_peers, say=echo_unless(quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written, the same command starts again") from None
    click.echo(suite.table_of(report))
    if output is not None:
        command = f"alpt-ref bench --device {device} --repeats {repeats}" + (" --no-peers" if no_peers else "")
        write_json(output, {"command": command, **report})
        echo_unless(quiet)(f"wrote {output}")


def _suite() -> Any:
    """The benchmark suite, in the package where that was installed, beside it in a checkout."""
    try:
        return importlib.import_module("alpt_ref.analysis.benchmarks")
    except ModuleNotFoundError:
        folder = Path(__file__).resolve().parents[2] / "analysis"
        name = "alpt_ref.analysis"
        spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
        assert spec is not None
        sys.modules[name] = module_from_spec(spec)
        return importlib.import_module("alpt_ref.analysis.benchmarks")
