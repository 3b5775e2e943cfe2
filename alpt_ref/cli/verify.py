"""``alpt-ref verify``: try to refute every claim, list them, show one. `alpt_ref.verify` does the work."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpt_ref._util.outputs import check_results_folder
from alpt_ref.cli.options import (
    Interrupted,
    cluster_options,
    echo,
    echo_json,
    echo_unless,
    hint,
    json_option,
    next_line,
)
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.verification.results import ClaimResult

_CLAIMS = click.option(
    "--claims", "claims_folder", metavar="DIR", help="The claim files of a folder; they are run as Python code."
)


@click.group("verify", short_help="Verify the theory's claims by measurements.", invoke_without_command=True)
@click.option("--claim", "ids", metavar="ID", multiple=True, help="Only this claim; may be repeated.")
@_CLAIMS
@click.option(
    "--runs", metavar="DIR", help="Study that m1-m4 are about, as `alpt-ref reproduce` wrote it.  [default: none]"
)
@click.option(
    "--clicks", metavar="STORE", help="Store that x5 is about, as `alpt-ref data` wrote it.  [default: synthetic]"
)
@click.option("--quantizer", metavar="MODULE:FUNCTION", help="Your own rounding in place of SR; it is run.")
@click.option("--bits", type=click.IntRange(2, 16), help="Of the quantizer's lattice.")
@click.option("--step-size", type=float, help="Of the quantizer's lattice.")
@click.option("--budget", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="Grid size.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: cores]")
@cluster_options
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where large simulations run; results are the same.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all sampled cells.")
@click.option(
    "--output",
    metavar="DIR",
    help="Cells and report.  [default: runs/verify; with --quantizer runs/verify-MODULE-FUNCTION]",
)
@json_option
@click.option("--quiet", is_flag=True, help="Print only the verdicts.")
@click.pass_context
def verify_command(context: click.Context, /, **options: Any) -> None:
    """Try to refute every claim; exit status 1 if one is refuted or fails, or a control is not refuted.

    The claims are the package's own and those of installed distributions (entry points `alpt_ref.claims`); with
    --claims DIR those of that folder alone. --claim picks some of all these.
    Writes report.html (self-contained), report.md and report.json. Finished cells are kept, so a run that was stopped
    resumes.

    --quantizer module:function or file.py:function names fn(x, draw): float32 (n, d) and the number of the call in,
    values of the lattice out. The claims about stochastic rounding that can be built on the lattice of --bits and
    --step-size run with it: which theorems does it break?
    """
    if context.invoked_subcommand is None and _verify(**options):
        context.exit(1)


def _verify(
    ids: tuple[str, ...],
    claims_folder: str | None,
    runs: str | None,
    clicks: str | None,
    quantizer: str | None,
    bits: int | None,
    step_size: float | None,
    budget: str,
    jobs: int | None,
    scheduler: str | None,
    join: bool,
    device: str,
    seed: int,
    output: str | None,
    as_json: bool,
    quiet: bool,
) -> bool:
    """Run and report; whether something failed."""
    from alpt_ref._util.progress import Progress
    from alpt_ref.verification.results import failing
    from alpt_ref.verification.substitution import QuantizerVerdicts
    from alpt_ref.verification.verify import verify

    _refuse_former_variables()
    if output is None:
        output = "runs/verify" if quantizer is None else f"runs/verify-{_as_file_name(quantizer)}"
    check_results_folder(output, within=["reproduce.json"])
    quiet = quiet or as_json
    log = echo_unless(quiet)
    try:
        results = verify(
            ids or None,
            folder=claims_folder,
            runs=runs,
            clicks=clicks,
            quantizer=quantizer,
            bits=bits,
            step_size=step_size,
            output=output,
            budget=budget,
            seed=seed,
            jobs=jobs,
            scheduler=scheduler,
            join=join,
            device=device,
            progress=Progress(enabled=not quiet),
            log=log,
        )
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; finished cells are in {output}, the same command resumes from there") from None
    if as_json:
        echo_json(_plain(results))
    else:
        echo(_table(results.values()))
        if isinstance(results, QuantizerVerdicts):
            echo(str(results))
    log(f"wrote report.html, report.md and report.json to {output}")
    log(next_line("figures of these results", f"alpt-ref figures --results {output}"))
    return failing(list(results.values()))


def _plain(results: dict[str, ClaimResult]) -> Any:
    """Verdicts for a script; with a quantiser what they say of it too."""
    from alpt_ref.verification.substitution import QuantizerVerdicts
    from alpt_ref.verification.verdicts import summary

    found = [summary(one) for one in results.values()]
    return {**results.as_dict(), "verdicts": found} if isinstance(results, QuantizerVerdicts) else found


def _as_file_name(quantizer: str) -> str:
    """``module-function`` of ``some/module.py:function`` or ``package.module:function``."""
    place, _, function = quantizer.replace("\\", "/").rpartition(":")
    return re.sub(r"[^\w.-]+", "-", f"{place.rpartition('/')[2].removesuffix('.py')}-{function}")


def _refuse_former_variables() -> None:
    """InputError where a variable that 0.1.0 read in place of an option is set: verdicts would differ from then."""
    for name, option in (("ALPT_REF_RUNS", "--runs"), ("ALPT_REF_CLICKS", "--clicks")):
        if os.environ.get(name):
            raise InputError(f"{name} is not read any more; unset it and give {option} {os.environ[name]}")


def _table(results: Collection[ClaimResult]) -> str:
    from alpt_ref.verification.report import control_text, counts_text, number, open_reasons, p_text

    header = ("claim", "verdict", "largest p", "cells", "non-trivial", "tightness", "controls")
    lines = [header]
    for result in results:
        refuted = f"{sum(control.refuted for control in result.controls)}/{len(result.controls)} refuted"
        says = "–" if result.informative is None else "{}/{}".format(*result.informative)
        tight = number(result.tightness)
        lines.append((result.id, result.outcome, p_text(result), counts_text(result), says, tight, refuted))
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for result in results:
        reasons = {cell.reason for cell in result.cells if cell.outcome == "ERROR"}
        text += [f"{result.id}: {reason}" for reason in sorted(reasons)]
        text += [f"{result.id}: undecided because {reason}" for reason in open_reasons(result)]
        if result.outcome == "NOT_APPLICABLE":
            text += [f"{result.id}: {reason}" for reason in sorted({cell.reason for cell in result.cells})]
            continue
        text += [f"{result.id}: control {one.name} {control_text(one)}" for one in result.controls if not one.refuted]
    return "\n".join(text)


@verify_command.command("list", short_help="List the claims.")
@_CLAIMS
@json_option
@click.pass_context
def list_claims(context: click.Context, /, claims_folder: str | None, as_json: bool) -> None:
    """Print id, kind, source and title of every claim."""
    from alpt_ref.verification.runner import load_claims

    claims = [loaded.claim for loaded in load_claims(add=_folder(context, claims_folder)).values()]
    if as_json:
        echo_json([{name: getattr(claim, name) for name in ("id", "kind", "source", "title")} for claim in claims])
        return
    widths = [max(len(getattr(claim, name)) for claim in claims) for name in ("id", "kind")]
    for claim in claims:
        source = "" if claim.source == "ours" else f" [{claim.source}]"
        echo(f"{claim.id:{widths[0]}}  {claim.kind:{widths[1]}}  {claim.title}{source}")
    hint("what one says", f"alpt-ref verify show {claims[0].id}")


@verify_command.command("show", short_help="Show one claim.")
@click.argument("claim_id", metavar="ID")
@_CLAIMS
@click.pass_context
def show_claim(context: click.Context, /, claim_id: str, claims_folder: str | None) -> None:
    """Print statement, assumptions, test and controls of one claim, and how many cells it has."""
    from alpt_ref.verification.runner import load_claims, plan

    loaded = load_claims(add=_folder(context, claims_folder), only=[claim_id])[claim_id]
    claim = loaded.claim
    lines = [f"{claim.id} · {claim.title}", "", claim.text, "", f"source: {claim.source}", f"kind: {claim.kind}"]
    lines += [f"assumption (executed): {assumption.name}" for assumption in claim.assumptions]
    lines.append(
        f"test: alpha {claim.test.alpha:g}, power {claim.test.power:g}, {claim.test.method} for sampled values"
    )
    lines += [f"normal because {claim.test.normal}"] if claim.test.normal else []
    lines += [f"control {control.name}: {control.description}" for control in claim.controls]
    sizes = [f"{len(plan(loaded, budget, 0).own)} {budget}" for budget in ("quick", "full")]
    lines += [f"cells: {', '.join(sizes)}", f"file: {loaded.source if loaded.address else _shown(loaded.file)}"]
    echo("\n".join(lines))
    hint("to verify it", f"alpt-ref verify --claim {claim_id}")


def _folder(context: click.Context, own: str | None) -> str | None:
    """``--claims`` may stand before or after the subcommand."""
    given = context.parent.params.get("claims_folder") if context.parent is not None else None
    return own if own is not None else given


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
