"""Generated pages of the site: one for each claim, figure, method and verb; links that move; a check that can fail."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import alpt_ref
from alpt_ref.catalog import TABLES
from alpt_ref.cli import cli
from analysis.docs_pages import ROOMS, api, check, claims, commands, methods, write_pages
from analysis.docs_pages.docstrings import plain_text_to_rst, with_rubrics
from analysis.docs_pages.markdown import downloads, formulas, prose, relink, sections, table, with_unlisted
from analysis.docs_pages.stored import _titled, moved

ROOT = Path(alpt_ref.__file__).parent.parent


@pytest.fixture(scope="module")
def theory() -> dict[str, str]:
    return claims.pages(ROOT)


def test_every_claim_has_a_page_with_statement_controls_and_code(theory: dict[str, str]) -> None:
    files = {path.name.split("_")[0]: path.name for path in (ROOT / "analysis" / "claims").glob("[a-z]*.py")}
    assert set(theory) == {"index.md", *(f"{name}.md" for name in files)}
    for name, file in files.items():
        page = theory[f"{name}.md"]
        assert page.startswith(f"# {name}: ")
        for heading in ("## Statement", "## Verdict of the stored run", "## Controls", "## Source and code"):
            assert f"\n{heading}\n" in page, f"{name}: no {heading}"
        assert f"(../../analysis/claims/{file})" in page
        assert f"[{name}]({name}.md)" in theory["index.md"]


def test_the_page_of_a_theorem_has_its_formula_proof_terms_and_stored_verdict(theory: dict[str, str]) -> None:
    page = theory["s1.md"]
    assert r"$$" + "\n" + r"\frac{1}{T}\sum_t E f(w_t) - f^* \leq" in page
    assert "Sum over t = 1..T" in page.partition("## Proof")[2].partition("\n## ")[0]
    assert "| `sqrt(d) Delta G/2` | `sqrt(d)` |" in page
    row = re.search(r"^s1 +(\w+)", (ROOT / "docs" / "claims.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    assert f"| verdict | **{row[1]}** |" in page


def test_a_claim_that_no_stored_run_has_says_so() -> None:
    assert claims.verdicts("claim  verdict\ns1     SUPPORTED  0  3 supported  1/2  1  2/2 refuted\n") == {
        "s1": ["SUPPORTED", "0", "3 supported", "1/2", "1", "2/2 refuted"]
    }
    assert "No run of this claim is stored" in claims._verdict(None)


def test_every_method_and_every_verb_has_a_page() -> None:
    assert {name.removesuffix(".md") for name in methods.pages(ROOT)} == {"index", *TABLES}
    made = commands.pages()
    for name, command in cli.commands.items():
        names = getattr(command, "commands", None)
        pages = [f"commands/{name}-{child}.md" for child in names] if names else [f"commands/{name}.md"]
        assert command.hidden or all(page in made for page in pages), name
    assert "| `--bits INTEGER RANGE` |" in made["commands/verify.md"]


def test_every_public_name_is_described_once() -> None:
    made = api.pages()
    described = [
        path for page in made.values() for path in re.findall(r"\.\. auto(?:class|function|data):: (\S+)", page)
    ]
    assert len(described) == len(set(described))
    for name in alpt_ref.__all__:
        if not name.startswith("__") and name != "theory":
            assert f"\n## {name}\n" in made["api/alpt_ref.md"], name


def test_pages_that_nothing_is_left_for_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROOMS, "theory", lambda root: {"a.md": "# A\n"})
    for room in [name for name in ROOMS if name != "theory"]:
        monkeypatch.delitem(ROOMS, room)
    (tmp_path / "docs" / "theory").mkdir(parents=True)
    (tmp_path / "docs" / "theory" / "old.md").write_text("# Old\n")
    assert write_pages(tmp_path) == 2
    assert write_pages(tmp_path) == 0
    assert [path.name for path in (tmp_path / "docs" / "theory").iterdir()] == ["a.md"]


def test_links_move_with_their_page() -> None:
    known = {"CONTRIBUTING.md": "docs/stored/contributing.md"}
    text = "[a](../CONTRIBUTING.md#set-up) [b](../pyproject.toml) [c](start.md#x) [d](https://x.y) ![e](../f.png)"
    assert relink(text, "docs/a.md", "docs/b/c.md", known, ROOT) == (
        "[a](../stored/contributing.md#set-up) [b](../../pyproject.toml) [c](../start.md#x) [d](https://x.y) "
        "![e](../../f.png)"
    )
    assert "(https://host/blob/main/pyproject.toml)" in relink(
        text, "docs/a.md", "docs/a.md", known, ROOT, "https://host/blob/main"
    )
    assert moved(ROOT)["analysis/results/small/README.md"] == "docs/stored/results/small/index.md"


def test_tables_of_studies_say_whose_they_are() -> None:
    assert _titled("### Bits\n\n| a |", "analysis/results/small/tables/bits.md") == "# Bits: study small\n\n| a |"
    assert _titled("# Small\n", "analysis/results/small/README.md") == "# Small\n"


def test_text_of_docstrings_keeps_its_signs() -> None:
    assert prose("w* <= |x|_1 and ``a*b`` and `c_d`") == r"w\* \<= \|x\|\_1 and `a*b` and `c_d`"
    assert formulas("$a$\nwith $b*c$") == "$$\na\n$$\n\nwith $b*c$"
    assert sections("One.\n\nProof\n-----\nTwo.\n") == {"": "One.", "Proof": "Two."}
    assert table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |"


def test_sections_of_theorems_stand_in_the_notes() -> None:
    made = plain_text_to_rst(["S: |w*|.", "", "Terms", "-----", "a: b", "", "Examples", "--------", ">>> 2 * 3"])
    assert made == [
        "S: \\|w\\*\\|.",
        "",
        "Notes",
        "-----",
        "**Terms**",
        "",
        "- ``a: b``",
        "",
        "Examples",
        "--------",
        ">>> 2 * 3",
    ]
    assert with_rubrics(["A", "", "Examples", "--------", ">>> 1"])[2] == ".. rubric:: Examples"


def test_check_finds_dead_links_missing_texts_and_what_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="p"><a href="b.html#q">1</a><a href="c.html">2</a><a href="#p">3</a><a href="https://x.y">4</a>'
        '<img src="a.html"><script src="https://x.y/z.js"></script><link rel="canonical" href="https://x.y/a">'
    )
    (tmp_path / "b.html").write_text('<img src="a.html" alt="text">')
    assert check.faults(tmp_path) == (
        [
            "a.html: picture a.html has no text in its place (alt)",
            "a.html: loads https://x.y/z.js from elsewhere",
            "a.html: b.html#q: there is no such place on the page",
            "a.html: c.html leads nowhere",
        ],
        {"https://x.y"},
    )
    assert check.main(tmp_path) == 1
    assert (tmp_path / "external-links.txt").read_text() == "https://x.y\n"


def test_a_page_that_the_index_leaves_out_is_listed_at_its_end() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = [line for block in re.findall(r":hidden:\n\n(.*?)```", index, re.DOTALL) for line in block.splitlines()]
    assert len(listed) == len(set(listed)) > 40, "a page is listed twice"
    assert with_unlisted(index, ["start", "faults"]) == index
    made = with_unlisted(index, ["start", "zzz", "aaa"])
    assert made.endswith("```{toctree}\n:caption: More\n:hidden:\n\naaa\nzzz\n```\n")
    assert with_unlisted(made, ["zzz"]) == made


def test_ci_builds_the_site_by_the_command_of_the_contributing_page() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"<!-- command:docs -->\n```sh\n(.*)\n```\n<!-- /command -->", text)
    assert "pip install -q '.[docs]'" in command
    assert "sphinx-build -W" in command
    assert "marked_command CONTRIBUTING.md docs" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"sphinx", "myst-parser", "furo", "numpydoc"} <= {one.partition(">=")[0] for one in extras["docs"]}


def test_a_link_that_names_the_file_of_a_notebook_brings_the_file() -> None:
    text = "[A problem](tutorials/a.ipynb), [`a.ipynb`](tutorials/a.ipynb)"
    assert downloads(text) == "[A problem](tutorials/a.ipynb), {download}`a.ipynb <tutorials/a.ipynb>`"


def test_notebooks_are_listed_hold_no_output_and_describe_their_pictures() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    notebooks = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
    assert len(notebooks) >= 3
    for path in notebooks:
        assert f"\ntutorials/{path.stem}\n" in index
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert cells[0]["source"][0].startswith("# ")
        for cell in cells:
            assert not cell.get("outputs")
            compile("".join(cell["source"]), str(path), "exec") if cell["cell_type"] == "code" else None
            assert ".plot(" not in "".join(cell["source"]) or cell["metadata"]["mystnb"]["image"]["alt"]
