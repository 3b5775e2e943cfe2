"""The first command's size is what the stored study's scatter asks for, and repetitions are compared as they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alpt_ref.studies.answers import Estimate
from alpt_ref.studies.study import PRESETS, preset
from analysis import quick_power, quick_signs
from tests.studies.fabricated import fabricate
from tests.studies.test_answers import TABLE, as_in_the_paper

NEEDED = 0.94
"""Power that the number of seeds was chosen for."""


def test_every_difference_that_the_full_study_has_would_be_found() -> None:
    full, quick = preset("small"), preset("quick")
    stored = quick_power.stored()
    assert len(stored) == 6
    for one in stored.values():
        found = quick_power.power(one, quick, full)
        assert found.of_all >= NEEDED if one.sign else found.of_all <= NEEDED
        assert found.alone >= found.of_all


def test_power_is_the_share_of_drawn_samples_that_are_significant() -> None:
    from scipy import stats

    full, quick = preset("small"), preset("quick")
    one = Estimate(what="x", estimate=0.004, low=0.002, high=0.006, n=5)
    found = quick_power.power(one, quick, full)
    n, draws = len(quick.seeds), 20_000
    samples = np.random.Generator(np.random.Philox(7)).normal(found.difference, found.deviation, (draws, n))
    p = stats.ttest_1samp(samples, 0.0, axis=1).pvalue
    for level, power in ((0.05, found.alone), (0.05 / 6, found.of_all)):
        share = float(np.mean(p < level))
        assert abs(share - power) < 5 * (share * (1 - share) / draws) ** 0.5


def test_repetitions_share_no_seed_with_each_other_or_a_study() -> None:
    sets = quick_signs.sets_of_seeds(20, 10)
    seeds = [seed for one in sets for seed in one]
    assert len(set(seeds)) == 200
    assert not set(seeds) & {seed for name in PRESETS for seed in preset(name).seeds}
    assert quick_signs.study_of(seeds).seeds == tuple(seeds)


def test_a_repetition_agrees_where_its_interval_is_on_the_same_side(tmp_path: Path) -> None:
    found = fabricate(tmp_path, [TABLE], as_in_the_paper).plan(TABLE.id)
    whole = quick_signs.differences(found)
    part = quick_signs.differences(quick_signs.of_seeds(found, (0, 1), 1))
    name = "ALPT(SR) − LPT(SR), 4 bits, constant rate"
    assert (whole[name].n, part[name].n) == (3, 2)
    assert [one.n for what, one in part.items() if what.startswith("LPT")] == [1, 1, 1]
    against = {name: Estimate(what=name, estimate=-1.0, low=-2.0, high=-0.5, n=5)}
    unclear = {name: Estimate(what=name, estimate=0.1, low=-2.0, high=2.2, n=5)}
    assert quick_signs.agreement(whole, [whole])[name] == [True]
    assert quick_signs.agreement(against, [whole, against]) == {name: [False, True]}
    assert quick_signs.agreement(unclear, [whole]) == {}


@pytest.mark.nightly
def test_two_repetitions_of_the_first_command_agree(tmp_path: Path) -> None:
    from click.testing import CliRunner

    result = CliRunner().invoke(quick_signs.main, ["--repetitions", "2", "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "2 of 2 repetitions agree" in result.output
