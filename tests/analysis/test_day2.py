"""The page of day 2 says what its figures support, whichever way they fall."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.day2.page import TITLES, page


def figures(gain: float, gap: float, rate: float, changed: int = 0) -> list[dict[str, Any]]:
    """Five seeds: gain over no update, distance to the refit, what the lower rate is worth in five passes."""
    found = []
    for seed in range(5):
        before = 0.6 + 0.01 * seed
        noise = 0.001 * (seed - 2)
        one: dict[str, Any] = {"no update": before, "refit": before + gain + noise - gap}
        run = {"init-from": before + gain + noise, "untouched rows": 10, "of them changed": changed}
        run["resumed run has the same bytes"] = changed == 0
        causes = {"no update": before, "5 passes: as it is": before + 0.01, "5 passes: full rate": before + 0.01 - rate}
        found.append(
            {
                "new categories": 0.9,
                "causes": {name: value + noise * ("full" in name) for name, value in causes.items()},
            }
        )
        for key in TITLES:
            found[-1][key] = one | ({"partial_fit": run["init-from"]} if key == "estimator" else run)
    return found


@pytest.mark.parametrize(
    ("gain", "gap", "beats", "level"),
    [
        (0.01, 0.0, "is better than no update", "is not below the refit by more than its interval"),
        (0.0, -0.02, "is NOT shown to be better than no update", "is BELOW the refit"),
    ],
)
def test_verdicts_follow_the_figures(gain: float, gap: float, beats: str, level: str) -> None:
    text = page(figures(gain, gap, 0.02))
    assert text.count(f": {beats}; {level}.") == len(TITLES)
    assert f"{gain:+.4f} ± 0.0020 |" in text  # 1e-3 times (-2 … 2): 2.776 * 1.581e-3 / sqrt(5)
    assert "30 in 3 runs" not in text
    assert "150 in 15 runs, of which 0 have" in text
    assert "15 of 15 runs have the same bytes" in text


def test_the_reading_of_the_causes_follows_the_figures() -> None:
    better = page(figures(0.01, 0.0, 0.03))
    assert "5 passes: at the full rate the update loses, as it is it is not shown to lose; as it is against" in better
    assert "against the full rate: better." in better
    worse = page(figures(0.01, 0.0, -0.03, changed=1))
    assert "as it is against the full rate: worse." in worse
    assert "150 in 15 runs, of which 15 have" in worse
    assert "0 of 15 runs have the same bytes" in worse
