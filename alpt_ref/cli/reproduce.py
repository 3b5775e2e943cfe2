"""``alpt-ref reproduce``: the experiments, the claims, the tables, the figures and one report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpt_ref._util.outputs import check_results_folder
from alpt_ref._version import __version__
from alpt_ref.cli.options import (
    Interrupted,
    cluster_options,
    data_changes,
    data_options,
    echo,
    echo_json,
    echo_unless,
    json_option,
    next_line,
    run_options,
    seeds_of,
)
from alpt_ref.errors import InputError
from alpt_ref.studies.shipped import read_study, require_current_path, shipped_studies, study_file

if TYPE_CHECKING:
    from alpt_ref.studies.reproduce import Study
    from alpt_ref.verification.runner import Loaded

PRESETS = ("small", "criteo", "avazu")


@click.command("reproduce", short_help="Reproduce the paper's tables and figures.")
@data_options
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help="The study.  [default: small, or the paper's protocol on the data given]",
)
@click.option(
    "--study",
    "shipped",
    type=click.Choice(shipped_studies()),
    help="A study of a small real set that comes with the package: frappe (give --libfm FILE), criteo (--criteo FILE).",
)
@click.option("--quick", is_flag=True, help="Four questions, answered in two minutes with sizes and intervals.")
@click.option("--full", is_flag=True, help="With --quick: all tables, figures and claims at its size, in minutes.")
@click.option("--config", "config_file", metavar="FILE.toml", help="Settings that all runs share.")
@click.option(
    "--set", "overrides", metavar="SECTION.KEY=VALUE", multiple=True, help="Change one of them; may be repeated."
)
@click.option(
    "--seeds",
    help="A number of seeds (0, 1, ...) or a list such as 3,7,9.  [default: the study's, with --folds one a fold]",
)
@click.option("--few", type=click.IntRange(min=1), help="Seeds of the tables of variants.  [default: the study's]")
@click.option("--only", metavar="ID", multiple=True, help="Only this table or figure; may be repeated.")
@click.option(
    "--tables", "tables_folder", metavar="DIR", help="Add the table files of a folder; they are run as Python."
)
@click.option("--figures", "figures_folder", metavar="DIR", help="Add figure files; they are run as Python.")
@click.option("--claims", "claims_folder", metavar="DIR", help="Add claim files; they are run as Python.")
@click.option("--claim", "claim_ids", metavar="ID", multiple=True, help="Only this claim; may be repeated.")
@click.option("--no-verify", is_flag=True, help="Leave the claims out.")
@click.option("--redraw", is_flag=True, help="Train nothing: tables, figures and report from the stored runs.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs at a time, each with cores // jobs threads.  [default: cores]"
)
@cluster_options
@click.option("--output", metavar="FOLDER", default="runs/reproduce", show_default=True, help="Runs and results.")
@json_option
@run_options
@click.pass_context
def reproduce_command(context: click.Context, /, **options: Any) -> None:
    """Run every experiment, verify every claim, and write all tables, figures and one HTML report.

    Without data arguments it draws synthetic clicks whose Bayes optimum is known. `--preset criteo` and
    `--preset avazu` with `--data STORE` follow the published protocol on the full sets; `--libfm FILE`, `--criteo FILE`
    and `--avazu FILE` split the rows at random, each seed in its own way, or with `--folds K` test on every row once;
    `--study frappe` and `--study criteo` bring the settings for two small real sets.

    `--quick` trains what four questions need (sizes of the study fixed by power) and prints the answers; it verifies
    the claims that `--claim` or `--claims` name.

    Finished runs are kept, so a study that was stopped resumes and ends in the same tables. Exit status 1
    if a claim is refuted.
    """
    if _reproduce(**options):
        context.exit(1)


def _reproduce(
    tables_folder: str | None,
    figures_folder: str | None,
    claims_folder: str | None,
    claim_ids: tuple[str, ...],
    only: tuple[str, ...],
    no_verify: bool,
    full: bool,
    redraw: bool,
    jobs: int | None,
    scheduler: str | None,
    join: bool,
    output: str,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> bool:
    """Everything in turn; whether a claim is refuted."""
    quick = options["quick"] and not full
    quiet = quiet or as_json
    log = echo_unless(quiet)
    check_results_folder(output)
    _check_quick(options["preset"], options["quick"], full, options["shipped"])
    if quick and not redraw:
        log(f"alpt-ref {__version__}: four questions, answered from short runs in about a minute; loading …")

    from alpt_ref._util.dispatch import Where
    from alpt_ref._util.progress import Progress
    from alpt_ref.studies.report import summary_text, write_report
    from alpt_ref.studies.reproduce import Stored, answering, choose, draw, open_folder, train_missing
    from alpt_ref.studies.table import load_tables
    from alpt_ref.studies.verdicts import verify_study
    from alpt_ref.verification.figures import load_figures
    from alpt_ref.verification.results import failing

    study, jobs = make_study(options, jobs)
    tables_there = load_tables(add=tables_folder)
    brief = quick and not only
    chosen = choose(tables_there, load_figures(add=figures_folder), answering(tables_there) if brief else only)
    claims = {} if no_verify else _claims(quick, claims_folder, claim_ids)
    if redraw:
        Stored(output)  # an empty folder must not be claimed
    folder = open_folder(output)
    try:
        if not redraw:
            failures = train_missing(
                study, chosen, folder, jobs=jobs, scheduler=scheduler, join=join, progress=not quiet, log=log
            )
            if failures:
                log(f"{len(failures)} runs diverged and are missing from the tables")
        tables = draw(folder, chosen, log)
        shown = Progress(enabled=not quiet)
        verdicts = [] if not claims else verify_study(folder, claims, Where(jobs, scheduler, join), redraw, shown, log)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; finished runs are in {folder}, the same command resumes from there") from None
    write_report(folder, tables, chosen.figures, verdicts)
    if as_json:
        echo_json(
            {
                "report": str(folder / "report.html"),
                "answers": [one.plain() for table in tables if table.answers for one in table.answers.answers],
                "verdicts": [{"id": one.result.id, "outcome": one.result.outcome} for one in verdicts],
            }
        )
    else:
        echo(summary_text(tables, verdicts, brief=brief))
    log(f"Open {folder / 'report.html'}: the same with its picture, tables and verdicts; numbers in {folder}")
    log(next_line(*_next(study.name, full, folder)))
    return failing([one.result for one in verdicts])


def _claims(quick: bool, folder: str | None, ids: tuple[str, ...]) -> dict[str, Loaded]:
    """The claims to verify: all, or those named; in the first command those alone that the user names."""
    from alpt_ref.verification.runner import load_claims

    if quick and not ids:
        return {} if folder is None else load_claims(folder)
    return load_claims(add=folder, only=ids)


def _next(study: str, full: bool, folder: Path) -> tuple[str, str]:
    """What goes on from here, and its command."""
    if study.startswith("quick") and not full:
        return "to verify every claim", "alpt-ref verify"
    if study.startswith("quick"):
        return "the full study, 989 runs", "alpt-ref reproduce --output runs/small"
    return "every claim on the larger grid", f"alpt-ref verify --runs {folder} --budget full"


def make_study(options: dict[str, Any], jobs: int | None) -> tuple[Study, int]:
    """The study that the options describe, and how many runs go on at a time; takes the options out.

    From weak to strong: preset, shipped study, TOML file, the data named, ``--set``.
    """
    import msgspec

    from alpt_ref.kernels import jit as _jit
    from alpt_ref.studies.folds import require_different_folds
    from alpt_ref.studies.study import preset, with_seeds
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.config_io import apply_overrides, read_toml
    from alpt_ref.training.sources import check_folds

    name, quick, file = options.pop("preset"), options.pop("quick"), options.pop("config_file")
    shipped = options.pop("shipped", None)
    data = data_changes(options)
    _check_quick(name, quick, False, shipped)
    _check(name, shipped, data)
    study = preset("quick" if quick else name or "small")
    base = RunConfig() if name is None and "source" in data and not quick else study.base
    if name is None and "source" in data:
        study = msgspec.structs.replace(study, name="quick-custom" if quick else "custom", seeds=study.seeds[:10])
    own_seeds: tuple[int, ...] | None = None
    own_few: int | None = None
    if shipped is not None:
        base, own_seeds, own_few = read_study(shipped, base)
    if file is not None:
        require_current_path(file)
        found = study_file(read_toml(Path(file)), base, file)
        base, own_seeds, own_few = found.config, found.seeds or own_seeds, found.few or own_few
    base = base.replace("data", **data) if data else base
    base = apply_overrides(base, options.pop("overrides"))
    device = options.pop("device", None)
    base = base if device is None else base.replace("train", device=device)
    seeds, few, threads = options.pop("seeds"), options.pop("few"), options.pop("threads")
    cores = threads or _jit.num_threads()
    jobs = jobs or (1 if name in ("criteo", "avazu") else cores)
    rates = study.table_rates if base.table == study.base.table else {**study.table_rates, "adam": base.table.lr}
    study = msgspec.structs.replace(study, base=base.replace("train", threads=max(1, cores // jobs)), table_rates=rates)
    check_folds(base.data)
    study = _with_registered(study, own_seeds, own_few)
    from_a_file = own_seeds is not None or own_few is not None
    if not from_a_file and study.name.endswith("custom") and (seeds is not None or few is not None):
        study = msgspec.structs.replace(study, registered=None)  # no file fixes them: the folder's first start does
    if seeds is not None:
        study = with_seeds(study, tuple(dict.fromkeys(seeds_of(seeds))))
    if few is not None:
        study = msgspec.structs.replace(study, few=min(few, len(study.seeds)))
    require_different_folds(base.data.folds, study.seeds)
    return study, jobs


def _with_registered(study: Study, seeds: tuple[int, ...] | None, few: int | None) -> Study:
    """The study with the seeds that its file fixes, or else with its usual ones, in cross-validation one a fold."""
    import msgspec

    from alpt_ref.studies.study import Registered, with_seeds

    folds = study.base.data.folds
    usual = tuple(range(folds)) if folds else study.seeds
    study = with_seeds(study, seeds or usual)
    study = msgspec.structs.replace(study, few=min(few or study.few, len(study.seeds)))
    return msgspec.structs.replace(study, registered=Registered(study.seeds, study.few))


def _check_quick(name: str | None, quick: bool, full: bool, shipped: str | None) -> None:
    """InputError where ``--quick`` and the options about it contradict each other; nothing is loaded for it."""
    if full and not quick:
        raise InputError("--full belongs to --quick; without --quick all tables, figures and claims are there already")
    if shipped is not None and (name is not None or quick):
        raise InputError(
            f"--study {shipped} and {'--quick' if quick else '--preset'} are two studies; give one of them"
        )
    if quick and name not in (None, "small"):
        raise InputError(f"--quick belongs to the small study, got --preset {name}")


def _check(name: str | None, shipped: str | None, data: dict[str, Any]) -> None:
    """InputError where the options contradict each other."""
    if shipped is not None and "source" not in data:
        raise InputError(
            f"--study {shipped} needs your copy of the data: --{'criteo' if shipped == 'criteo' else 'libfm'} FILE"
        )
    if name == "small" and "source" in data and data["source"] not in ("synthetic", "movielens"):
        raise InputError("--preset small draws its own data; leave --preset out to use yours")
    if name in ("criteo", "avazu") and data.get("source") != "store":
        raise InputError(
            f"--preset {name} needs --data STORE, the encoded full set; "
            f"`alpt-ref data encode --{name} FILE --vocabulary all --output STORE` makes it"
        )
