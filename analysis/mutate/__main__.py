"""``python -m alpt_ref.analysis.mutate``: break the mathematics line by line and see which claim turns red.

The mutants with a name come first; each must turn a claim red in the quick budget. Then, for --hours, lines broken by
rule, against the claims and tests that import them. The same command with the same --output resumes. The checkout
itself is never changed. Exit status 1 if a named mutant survives, or more than a fifth of the others without an
explanation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

import alpt_ref
from alpt_ref._util.files import atomic, writable_folder
from alpt_ref._util.folders import folder_lock
from alpt_ref._util.plugin import require_known
from alpt_ref._util.processes import available_cores
from alpt_ref._util.signals import interrupted_status, listen
from alpt_ref.errors import AlptError, InputError

from .journal import NOT_RUN
from .named import Mutant, prepare, read
from .project import Project
from .report import page, read_explained, too_wide, unexplained
from .run import Run

HERE = Path(__file__).resolve().parent
NAMED, EXPLAINED = HERE / "named.toml", HERE / "explained.toml"
MOST_SURVIVORS = 0.2
PATH = click.Path(path_type=Path)
TARGETS = (
    "alpt_ref/scalar/*.py",
    "alpt_ref/theory/**/*.py",
    "alpt_ref/kernels/cpu/montecarlo*.py",
    "alpt_ref/kernels/cpu/markov.py",
    "alpt_ref/verification/judge.py",
    "alpt_ref/verification/betting.py",
    "alpt_ref/verification/estimates.py",
    "alpt_ref/verification/stats.py",
)
LEFT_OUT = (
    "alpt_ref/theory/montecarlo_cuda.py",  # needs a GPU
    "alpt_ref/theory/theorem.py",  # reads docstrings
    "alpt_ref/theory/simulation_result.py",
    "alpt_ref/kernels/cpu/montecarlo_types.py",
    "alpt_ref/scalar/jit.py",
    "alpt_ref/scalar/types.py",  # names of types
)
KERNELS = ("alpt_ref/scalar/*.py", "alpt_ref/kernels/cpu/*.py")
"""Their functions are compiled; they run as plain Python first."""
TESTS = (
    *(f"tests/{room}/**/test_*.py" for room in ("scalar", "quantizer", "theory")),
    *(f"tests/{room}/test_*_values.py" for room in ("kernels", "verification")),
    *(
        f"tests/kernels/test_{name}.py"
        for name in ("bf16", "division", "losses", "passes", "products", "random", "unique")
    ),
    *(f"tests/models/test_{name}.py" for name in ("loss", "optim")),
    *(f"tests/tables/test_{name}.py" for name in ("alpt", "dense_adam", "eco", "qat", "rowmax", "step_sizes")),
    "tests/distributed/test_row_map.py",
    *(
        f"tests/verification/test_{name}.py"
        for name in ("betting", "claim", "estimates", "false_support", "judge", "stats")
    ),
)
"""Of the rooms that are broken, and what else tests scalar formulas. Not the digests of bits, which see every change,
a meant one too."""


class Refused(click.ClickException):
    """Bad input: one line, exit status 2."""

    exit_code = 2


def checkout(root: Path | None) -> Path:
    """The checkout that is to be broken: named, or the one that this package is imported from."""
    found = root or Path(alpt_ref.__file__).resolve().parents[1]
    missing = [name for name in ("alpt_ref/theory", "analysis/claims", "tests") if not (found / name).is_dir()]
    if missing:
        raise InputError(
            f"{found} has no {missing[0]}: mutants need the sources with their claims and tests, which an installed "
            "package does not bring; clone the repository and run `python -m analysis.mutate` there, or give its "
            "folder with --root"
        )
    return found


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--named", is_flag=True, help="Only the mutants with a name, against the claims alone.")
@click.option("--mutant", "ids", metavar="ID", multiple=True, help="Only this named mutant; may be repeated.")
@click.option("--by-rule", is_flag=True, help="Only the mutants by rule.")
@click.option("--shard", metavar="I/N", help="Only every N-th of the mutants by rule, from the I-th on (1 to N).")
@click.option("--sample", type=click.IntRange(min=1), metavar="K", help="Only K mutants by rule of each file.")
@click.option("--file", "files", metavar="PATH", multiple=True, help="Break only this file by rule; may be repeated.")
@click.option("--hours", type=click.FloatRange(min=0), default=5.5, show_default=True, help="No new mutant after that.")
@click.option("--jobs", type=click.IntRange(min=1), help="Mutants at a time.  [default: cores]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Order of the generic mutants.")
@click.option("--root", type=PATH, metavar="DIR", help="Checkout.  [default: this package's]")
@click.option(
    "--output", type=PATH, default="runs/mutants", show_default=True, metavar="DIR", help="What is remembered."
)
@click.option("--report", type=PATH, metavar="FILE", help="The page.  [default: mutants.md in --output]")
def main(
    named: bool, ids: tuple[str, ...], by_rule: bool, shard: str | None, sample: int | None, files: tuple[str, ...],
    hours: float, jobs: int | None, seed: int, root: Path | None, output: Path, report: Path | None,
) -> None:  # fmt: skip
    listen()  # SIGTERM too must end what is running
    try:
        part = Part(named or bool(ids), by_rule or bool(files or shard or sample), ids, files, shard, sample, seed)
        failed = mutate(part, hours, jobs or available_cores(), root, output, report)
    except AlptError as error:
        raise Refused(str(error)) from None
    except KeyboardInterrupt:
        click.echo(f"interrupted; the same command with --output {output} resumes", err=True)
        raise SystemExit(interrupted_status()) from None
    raise SystemExit(int(failed))


@dataclass(frozen=True)
class Part:
    """Which mutants: those with a name, those by rule (both if neither is asked for), and which of them."""

    named: bool
    by_rule: bool
    ids: tuple[str, ...]
    files: tuple[str, ...]
    shard: str | None
    sample: int | None
    seed: int

    def of(self, mutants: list[Mutant]) -> list[Mutant]:
        """The mutants by rule that are asked for."""
        if self.sample is not None:
            piles: dict[str, list[Mutant]] = {}
            for one in mutants:
                piles.setdefault(next(iter(one.sources)), []).append(one)
            mutants = [one for pile in piles.values() for one in pile[: self.sample]]
        if self.shard is None:
            return mutants
        first, mark, count = self.shard.partition("/")
        if not (mark and first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
            raise InputError(f"--shard must be I/N with 1 <= I <= N, got {self.shard!r}; 1/2 and 2/2 are two halves")
        return mutants[int(first) - 1 :: int(count)]


def mutate(part: Part, hours: float, jobs: int, root: Path | None, output: Path, report: Path | None) -> bool:
    """Run, write the page and print what is open; whether that is too much."""
    if not hasattr(os, "fork"):
        raise InputError("mutants run in children of one process, which needs os.fork: use Linux or macOS")
    where = checkout(root)
    project = Project(where, "alpt_ref", "analysis/claims", TESTS, TARGETS, LEFT_OUT, KERNELS)
    mutants = [] if part.by_rule and not part.named else prepare(where, project.package, read(NAMED))
    require_known("mutant", part.ids, [one.id for one in mutants])
    mutants = [one for one in mutants if not part.ids or one.id in part.ids]
    explained = read_explained(EXPLAINED)
    strange = [name for name in part.files if not (where / name).is_file()]
    if strange:
        raise InputError(f"{strange[0]} is no file of {where}; give paths relative to it")
    folder = writable_folder(output)
    with folder_lock(folder):
        run = Run(project, folder, jobs=jobs, log=click.echo)
        absent = sorted({f"{one.id}: {name}" for one in mutants for name in one.expected if name not in run.claims})
        if absent:
            raise InputError(f"expected claims of named mutants do not exist: {', '.join(absent)}; mend {NAMED.name}")
        mutants += [] if part.named and not part.by_rule else part.of(run.by_rule(part.seed, part.files))
        results = run.run(mutants, hours=hours)
    target = report or folder / "mutants.md"
    with atomic(target) as stream:
        stream.write(page(mutants, results, run.red, explained).encode())
    click.echo(f"wrote {target}")
    alive = unexplained(mutants, results, explained)
    for one in alive:
        click.echo(f"survived: {one.where or one.id}: {one.what}: {one.old}  ->  {one.new}")
    for explanation, one in too_wide(mutants, results, explained):
        click.echo(
            f"too wide: the explanation of {explanation.where} ({explanation.why}) covers {one.line}, which is caught"
        )
    ran = sum(not one.named and result.status != NOT_RUN for one, result in zip(mutants, results, strict=True))
    count = sum(not one.named for one in alive)
    click.echo(f"{sum(one.named for one in alive)} with a name and {count} of {ran} others survived")
    return any(one.named for one in alive) or count > MOST_SURVIVORS * ran


if __name__ == "__main__":
    main()
