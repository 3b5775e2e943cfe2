"""The pages of `docs`: their Python runs, from top to bottom, and the page of settings is what the declarations say."""

from __future__ import annotations

import doctest
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.training.settings_text import settings_markdown

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    module = types.ModuleType(f"page_{page.stem}")  # classes of the page are looked up in their module
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    for block in _BLOCK.finditer(text):
        above = text[: block.start(1)].count("\n")
        if block[1].startswith(">>> "):
            run_session(block[1], module.__dict__, page, above)
        else:
            exec(compile("\n" * above + block[1], str(page), "exec"), module.__dict__)


def run_session(text: str, names: dict[str, Any], page: Path, above: int) -> None:
    """Run an interactive session and compare what it shows."""
    test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), above)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    assert runner.run(test, out=report.append, clear_globs=False).failed == 0, "".join(report)
    names.update(test.globs)


def test_a_session_that_shows_something_else_is_noticed() -> None:
    with pytest.raises(AssertionError, match="- 3"):
        run_session(">>> 1 + 1\n3\n", {}, DOCS / "page.md", 0)


def test_the_pages_with_python_are_seen() -> None:
    assert "extending" in [page.stem for page in PAGES if _BLOCK.search(page.read_text(encoding="utf-8"))]


def test_the_page_of_settings_is_made_from_the_declarations() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert page == settings_markdown(), "python -m alpt_ref.training.settings_text > docs/settings.md"
    for name in ("`table.bits` | 8 | 2, 4, 8 or 16 | lpt, alpt, pact, lsq, eco, rowmax |", "`train.patience` | none |"):
        assert name in page
