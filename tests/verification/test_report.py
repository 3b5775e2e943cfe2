"""The report holds what a reviewer needs, loads nothing, and survives what claims may put into it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alpt_ref.verification.ledger import read_verdicts
from alpt_ref.verification.picture import claim_picture, formula
from alpt_ref.verification.report import html, markdown, write_report
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import Loaded, choose, load_claims, verify

from .conftest import write_toys

Toys = Callable[..., Path]
ALL = ("bad_raises", "blunt_control", "good_mean", "na_domain", "open_mean", "wrong_mean")


Verdicts = tuple[Path, list[ClaimResult], list[Loaded]]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Every toy claim, verified once for this file: output folder, results, claims."""
    folder = tmp_path_factory.mktemp("report")
    chosen = choose(load_claims(write_toys(folder / "claims", *ALL)), [])
    return folder, verify(chosen, folder, jobs=1), chosen


@pytest.fixture(scope="module")
def page(verdicts: Verdicts) -> str:
    """The page on every toy claim."""
    return html(*verdicts[1:])


class Resources(HTMLParser):
    """Collects what a page refers to and what it opens."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]


def test_the_page_is_self_contained(page: str) -> None:
    parser = Resources()
    parser.feed(page)
    assert parser.found
    assert all(place.startswith(("data:image/webp;base64,", "#")) for place in parser.found)
    assert not {"script", "link", "iframe", "object"} & set(parser.tags)
    assert "http" not in re.sub(r'base64,[^"]*', "", page)
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_says_what_a_reviewer_asks(page: str) -> None:
    section = page[page.index('<section id="good">') : page.index("</section>", page.index('<section id="good">'))]
    text = " ".join(re.sub(r"<[^>]*>", " ", section).split())
    for part in (
        "SUPPORTED",
        "mean of x ≤ 1",  # the statement, readable without a picture
        "mean below 5 (executed)",
        "upper claim: measured at most the bound",
        "one-sided Student t limits, normal because drawn from a normal law; alpha 0.001: supported if every point is",
        "refuted if one of the 3 points is (Holm); power 0.95, 400 runs a cell",
        "would have been refuted with probability 0.95",
        "shifted , two is added: refuted in all 3 cells, as it must be: clearest measured 2",
        "largest measured / bound 0.",
        "proved or stated by us (good_mean.py)",
    ):
        assert part in text
    assert section.count("<img src=") == 2  # formula and picture


def test_every_outcome_is_shown_in_words(page: str) -> None:
    rows = dict(re.findall(r'<tr><td><a href="#(\w+)">.*?class="verdict (\w+)"', page, flags=re.DOTALL))
    assert rows == {
        "bad": "ERROR", "blunt": "CONTROL_FAILED", "good": "SUPPORTED", "na": "NOT_APPLICABLE",
        "open": "INCONCLUSIVE", "wrong": "REFUTED",
    }  # fmt: skip
    assert "NOT refuted (SUPPORTED) in 1 of its 1 cells: a=1 (SUPPORTED): clearest measured 0.5, allowed ≤ 1" in page
    assert "ZeroDivisionError: no such quantity" in page
    assert "does not hold: lr &lt; 1" in page


def test_what_a_claim_says_is_escaped(page: str) -> None:
    assert "mean of x ≤ 1 &lt;script&gt;" in page


def test_the_same_results_give_the_same_page(verdicts: Verdicts, page: str) -> None:
    assert html(*verdicts[1:]) == page


def test_files_are_written_with_the_same_verdicts(verdicts: Verdicts) -> None:
    folder, results, chosen = verdicts
    write_report(folder, results, chosen)
    content = json.loads((folder / "report.json").read_text())
    assert content["failing"] is True
    assert [claim["outcome"] for claim in content["claims"]] == [result.outcome for result in results]
    first = content["claims"][2]["cells"][0]["points"][0]
    assert (first["low"], first["high"]) == (None, 1.0)
    assert (folder / "report.md").read_text() == markdown(results, read_verdicts(folder))
    good = results[2]
    assert good.p == max(point.p_support for point in good.points)
    assert f"| good A mean | SUPPORTED | {good.p:.2g} | 3 supported | – |" in markdown(results)
    assert not list(folder.glob("*.part"))


def test_a_picture_that_fails_is_named_and_stops_nothing(toys: Toys, tmp_path: Path) -> None:
    source = """
    from alpt_ref.verification import Claim, Control, exact
    def draw(axes, result):
        raise KeyError("no curve")
    CLAIM = Claim("pic", "t", "s", "upper", lambda b: [{}], lambda c, k: 1.0,
                  lambda cell, seed, broken=None: exact(0.5), Control("a", "b", shrink=0.1), figure=draw)
    """
    chosen: list[Loaded] = choose(load_claims(toys(pic_fails=source)), [])
    page = html(verify(chosen, tmp_path, jobs=1), chosen)
    assert "No picture: the claim&#39;s picture failed: KeyError: &#39;no curve&#39; (pic_fails.py:" in page


@pytest.mark.parametrize("kind", ["upper", "identity"])
def test_a_picture_of_points_without_limits_is_drawn(toys: Toys, tmp_path: Path, kind: str) -> None:
    source = f"""
    from alpt_ref.verification import Claim, Control, sampled
    def measure(cell, seed, broken=None):
        return sampled([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], low=[-float("inf"), 0.0, -float("inf")])
    CLAIM = Claim("pic", "t", "s", "{kind}", lambda b: [{{}}], lambda c, k: [2.0, 3.0, 4.0], measure, Control("a", "b"))
    """
    chosen = choose(load_claims(toys(pic_open=source)), [])
    assert "No picture" not in html(verify(chosen, tmp_path, jobs=1), chosen)


@pytest.mark.parametrize(
    "statement",
    [
        r"$\frac{1}{2}\|x\|_2 \leq \sqrt{d}\,\Delta G$",
        r"x^2 \le \tfrac{1}{4}",  # no dollars; \le and \tfrac are not matplotlib's
        "For $x$:\n" + r"$\mathbb{E}\bigl[x\bigr] \ge \lVert y\rVert$",
    ],
)
def test_formulas_become_pictures(statement: str) -> None:
    assert formula(statement).startswith("data:image/webp;base64,")


IDENTITY = """
from alpt_ref.verification import Claim, Control, exact
CLAIM = Claim("same", "t", "s", "identity", lambda b: [{{}}], lambda c, k: [2.0, 300.0],
              lambda cell, seed, broken=None: exact([2.0, 300.0 + ({off} if broken is None else 1.0)]),
              Control("more", "one more"))
"""


@pytest.mark.parametrize(("off", "drawn"), [(0.0, False), (3.0, True)])
def test_an_identity_is_a_table_or_its_residuals(toys: Toys, tmp_path: Path, off: float, drawn: bool) -> None:
    """What equals the claim needs no picture; what does not is drawn as its distance to it, on no diagonal."""
    (result,) = verify(choose(load_claims(toys(same_as=IDENTITY.format(off=off))), []), tmp_path, jobs=1)
    uri, problem = claim_picture(result, None)
    assert bool(uri) == drawn
    assert problem == ("" if drawn else "all 2 measured values are those that are claimed, to 1e-09 of their size")
    axes = result.plot().axes[0]
    heights = [float(y) for line in axes.lines for y in line.get_ydata() if line.get_marker() not in ("None", "_", "")]
    assert axes.get_ylabel() == "(measured − claimed) / claimed"
    assert max(heights) == pytest.approx(off / 300)


def test_a_bound_is_a_level_line_and_no_diagonal(verdicts: Verdicts) -> None:
    """Measured over bound, whose line is at 1 for every bound."""
    good = next(one for one in verdicts[1] if one.id == "good")
    axes = good.plot().axes[0]
    assert axes.get_ylabel() == "measured / bound"
    (line,) = (one for one in axes.lines if one.get_label() == "bound (at most)")
    assert set(line.get_ydata()) == {1.0}


def test_verdicts_are_told_by_theme_before_the_table(verdicts: Verdicts, page: str) -> None:
    text = " ".join(re.sub(r"<[^>]*>", " ", page[page.index('id="themes"') : page.index('id="all"')]).split())
    assert "1 of 6 claims supported, all of them sampled." in text
    assert "wrong (REFUTED" in text
    assert "na (NOT_APPLICABLE: does not hold: lr &lt; 1" in text
    assert re.search(r"Controls \d+ of \d+ controls, which are broken on purpose, are refuted", text)
    assert "blunt" in text.partition("Controls")[2]


def test_every_link_of_the_page_leads_to_a_section_of_it(page: str) -> None:
    parser = Resources()
    parser.feed(page)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert {place[1:] for place in parser.found if place.startswith("#")} <= set(ids)


def test_a_page_on_all_claims_stays_below_a_megabyte(page: str) -> None:
    """It grows by the claim: every one may take its share of a megabyte for 80."""
    assert len(page.encode()) / len(ALL) < 1_000_000 / 80


def test_a_phone_and_a_printer_get_the_whole_page(page: str) -> None:
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count("<table>") == page.count('<div class="scroll"><table>')  # wide tables scroll by themselves
    assert "@media (max-width: 40rem)" in page
    assert re.search(r"@media print {[^@]*\.scroll { overflow: visible; }", page)


def test_latex_beyond_the_subset_leaves_the_text_alone() -> None:
    assert formula(r"$\begin{cases}a\end{cases}$") == ""
