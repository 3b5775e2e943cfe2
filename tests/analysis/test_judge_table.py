"""The table of false support: its quick count of verdicts is the judge's own, and a line that is there stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from analysis import judge_many_runs, judge_table
from analysis.claims.j1_false_support import LAWS, SIDES, Side, count_supported, p_of_support
from analysis.judge_table import ALPHA, EVENTS, MEAN

BOUNDS: list[tuple[float, float]] = [(1.0, 1.0), (2.0, 0.5), (1.5, 0.9)]
"""Parts of the mean that are claimed to bound it from above and from below."""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled for so few verdicts."""
    function: Any = judge_many_runs.log_products
    monkeypatch.setattr(judge_many_runs, "log_products", getattr(function, "py_func", function))


@pytest.mark.parametrize("runs", [5, 33])
@pytest.mark.parametrize("law", ["rare", "squared normal", "lognormal"])
def test_the_verdicts_of_one_pass_are_the_judge_s(law: str, runs: int) -> None:
    one = LAWS[law]
    for above, below in BOUNDS:
        bounds: dict[Side, float] = {"at most": above * one.mean, "at least": below * one.mean}

        def p_value(values: Any, side: Side, bounds: dict[Side, float] = bounds) -> Any:
            return p_of_support(values, one, side, bounds[side])

        found = judge_many_runs.count_supported(one, runs, 200, bounds, 0.3, seed=1)
        assert found == count_supported(one, runs, 200, p_value, 0.3, seed=1)
    assert max(found.values()) > 0 or law == "rare"


def test_a_verdict_beside_its_threshold_is_the_judge_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    law, asked = LAWS["squared normal"], []
    values = np.random.Generator(np.random.Philox(key=2)).normal(size=(20, 5)) ** 2
    p = float(p_of_support(values, law, "at least", 0.5)[3])

    def own(values: Any, *about: Any) -> Any:
        asked.append(values.shape[1])
        return p_of_support(values, *about)

    monkeypatch.setattr(judge_many_runs, "p_of_support", own)
    for alpha in (p * (1 - 1e-9), p, p * (1 + 1e-9)):
        found = judge_many_runs.supported(values, law, "at least", 0.5, alpha)
        assert found.tolist() == (p_of_support(values, law, "at least", 0.5) <= alpha).tolist()
    assert asked == [1, 1, 1]


def test_of_events_their_number_alone_is_judged() -> None:
    law, bounds = LAWS["rare"], dict[Side, float](zip(SIDES, (0.05, 0.005), strict=True))
    found = judge_many_runs.count_supported_events(law, 300, 500, bounds, 0.05, seed=3)
    numbers = np.random.Generator(np.random.Philox(key=3)).binomial(300, 0.01, 500)
    values = np.zeros((300, 500))
    for column, number in enumerate(numbers):
        values[300 - number :, column] = 1.0  # in another order
    assert found == {side: int((p_of_support(values, law, side, bounds[side]) <= 0.05).sum()) for side in SIDES}
    assert min(found.values()) > 0


def test_lines_are_kept_in_order_and_say_how_many_verdicts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judge_table, "TABLE", tmp_path / "judge.md")
    monkeypatch.setattr(judge_table, "OF_POWER", 20)
    assert judge_table.stored() == {}
    late, early = (judge_table.line(EVENTS, runs, 300) for runs in (64, 5))
    text = judge_table.page({(EVENTS, 64): late, (EVENTS, 5): early})
    assert f"- not run so far (`--runs N`): {EVENTS}, at 256; 512; " in text
    (tmp_path / "judge.md").write_text(text, encoding="utf-8")
    assert list(judge_table.stored().items()) == [((EVENTS, 5), early), ((EVENTS, 64), late)]
    assert early.startswith(f"| {EVENTS} | 5 | 300 | 0 | 15 | 0.000 | ")  # of none of 300: 1 - 0.01^(1/300) over alpha
    assert judge_table.drawn("lognormal (sigma 2), at least 0", 8000, 10**6) == 20_000
    assert judge_table.drawn(EVENTS, 200_000, 10**6) == 10**6
    assert (ALPHA, MEAN) == (0.001, 1.0)


def test_the_page_has_every_number_of_runs_of_a_claim_that_tests_by_range() -> None:
    """Only numbers that stand in the claims' grids; `RUNS` of x5 and others is 64."""
    from analysis.claims import (
        ef1d_eco_noise,
        rm1_regrid,
        s1_convex_constant,
        s2_convex_sqrt,
        s6_adagrad,
        x2_stationary_law,
    )

    for module in (s1_convex_constant, s2_convex_sqrt, s6_adagrad, rm1_regrid, ef1d_eco_noise, x2_stationary_law):
        for budget in ("quick", "full"):
            used = {cell["runs"] for cell in module.CLAIM.grid(budget) if "runs" in cell}
            assert used <= set(judge_table.RUNS), module.__name__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runs", "x"], "must be whole numbers with commas between them, got 'x'"),
        (["--runs", "5,7"], "the table has no line of 7 runs"),
        (["--quick", "--runs", "5"], "give one of --quick and --runs"),
    ],
)
def test_wrong_options_change_nothing(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(judge_table, "TABLE", tmp_path / "judge.md")
    found = CliRunner().invoke(judge_table.main, words)
    assert found.exit_code == 2
    assert said in found.output
    assert not list(tmp_path.iterdir())


def test_chosen_lines_are_drawn_and_others_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judge_table, "TABLE", tmp_path / "judge.md")
    monkeypatch.setattr(
        judge_table, "line", lambda name, runs, verdicts: f"{judge_table.begin(name, runs)} {verdicts} |"
    )
    monkeypatch.setattr(judge_table, "VERDICTS", 10_000)
    assert CliRunner().invoke(judge_table.main, ["--quick"]).exit_code == 0
    before = judge_table.stored()
    assert CliRunner().invoke(judge_table.main, ["--runs", "64,5"]).exit_code == 0
    changed = {runs for (name, runs), one in judge_table.stored().items() if one != before[name, runs]}
    assert changed == {5, 64}
    assert before.keys() == set(judge_table.lines())
