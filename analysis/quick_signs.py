"""Do repetitions of the first command with other seeds agree with the full study?

    python -m analysis.quick_signs --jobs 24

Trains the quick study's runs for `--repetitions` disjoint sets of seeds, of which none is one of its own, answers the
four questions for each set, and compares every difference that is significant in the stored full study
(``analysis/results/small``) with what each repetition finds: a repetition agrees where its 95 % interval lies on the
same side of 0 for all of them. At least 19 of 20 must (exit status 1 otherwise). Minutes on a large machine, half an
hour on two cores; killed, it resumes in the same folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec
from tabulate import tabulate

from alpt_ref.studies import four_answers
from alpt_ref.studies.answers import Estimate
from alpt_ref.studies.reproduce import choose, load_tables, open_folder, train_missing
from alpt_ref.studies.stored import Runs, Stored
from alpt_ref.studies.study import Study, preset, with_seeds

from .quick_power import stored

FIRST_SEED = 1000
LEAST = 0.95
"""Share of the repetitions that must agree."""


def differences(found: Runs) -> dict[str, Estimate]:
    """The differences in AUC of (b), (c) and (d) by name."""
    made = [
        *(four_answers.rounding_gain(found, bits, ratio) for bits, ratio in four_answers.SWEEP),
        *(four_answers.learning_gain(found, bits) for bits in four_answers.LEARNED),
        four_answers.precision_loss(found),
    ]
    return {one.what: one for one in made}


def sets_of_seeds(repetitions: int, size: int) -> list[tuple[int, ...]]:
    """Disjoint sets, none of which holds a seed of a study."""
    return [tuple(range(FIRST_SEED + size * k, FIRST_SEED + size * (k + 1))) for k in range(repetitions)]


def of_seeds(found: Runs, seeds: Sequence[int], few: int) -> Runs:
    """The runs of these seeds alone; those of (b) have the first `few` of them."""
    named = four_answers.few(found.study)
    wanted = {name: seeds[:few] if name in named else seeds for name in found}
    runs = {name: {seed: run for seed, run in found[name].items() if seed in wanted[name]} for name in found}
    return Runs(found.study, seeds, {seed: found.data[seed] for seed in seeds}, runs)


def agreement(full: Mapping[str, Estimate], repeated: Sequence[Mapping[str, Estimate]]) -> dict[str, list[bool]]:
    """For each significant difference of the full study, whether each repetition finds it with the same sign."""
    return {name: [one[name].sign == known.sign for one in repeated] for name, known in full.items() if known.sign}


def study_of(seeds: Sequence[int]) -> Study:
    """The quick study with these seeds, all of them for every run; a run has one thread."""
    study = preset("quick")
    base = study.base.replace("train", threads=1)
    study = msgspec.structs.replace(study, base=base, registered=None, seeds=tuple(seeds), few=len(seeds))
    return with_seeds(study, tuple(seeds))


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--repetitions", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--output", default="runs/quick-signs", show_default=True, type=click.Path(path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every repetition's numbers there.")
def main(repetitions: int, jobs: int, output: Path, json_file: Path | None) -> None:
    sets = sets_of_seeds(repetitions, len(preset("quick").seeds))
    chosen = choose([one for one in load_tables() if one.answers is not None], [])
    folder = open_folder(output)
    study = study_of([seed for one in sets for seed in one])
    train_missing(study, chosen, folder, jobs=jobs, progress=True, log=lambda text: click.echo(text, err=True))
    found = Stored(folder).plan(chosen.tables[0].id)
    few = preset("quick").few
    repeated = [differences(of_seeds(found, seeds, few)) for seeds in sets]
    full = stored()
    agreed = agreement(full, repeated)
    rows = [
        (
            name,
            full[name].text(),
            f"{min(one[name].estimate for one in repeated):+.4f} to {max(one[name].estimate for one in repeated):+.4f}",
            f"{sum(agreed[name])} of {repetitions}" if name in agreed else "not significant in the full study",
        )
        for name in full
    ]
    heads = ("difference in AUC", "full study", "estimates of the repetitions", "same sign, significant")
    click.echo(tabulate(rows, heads, disable_numparse=True))
    all_agree = sum(all(of[k] for of in agreed.values()) for k in range(repetitions))
    click.echo(f"{all_agree} of {repetitions} repetitions agree with the full study in all of {len(agreed)} signs")
    if json_file is not None:
        plain = {"repetitions": repetitions, "agree": all_agree, "found": msgspec.to_builtins(repeated)}
        json_file.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all_agree >= LEAST * repetitions else 1)


if __name__ == "__main__":
    main()
