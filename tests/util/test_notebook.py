"""What notebooks show: tables with every text escaped, and a bar in place of lines."""

from __future__ import annotations

import re
import sys
import types

import pytest

from alpt_ref._util.notebook import html_table, in_notebook
from alpt_ref._util.progress import Progress, shown


def test_a_table_escapes_what_it_shows() -> None:
    text = html_table(["name", "n"], [["<b>", 1]], caption="a & b", notes=["x < y"])
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "x &lt; y" in text
    assert "<b>" not in text


def test_silence_outside_a_notebook_and_a_bar_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    assert not shown(None).enabled
    own = Progress(enabled=False)
    assert shown(own) is own
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    progress = shown(None)
    assert progress.enabled
    with progress:
        progress.begin(3, "training", unit="samples")
        progress.advance(3)
        assert progress._bar is not None
        assert progress._bar.n == 3


def test_columns_of_numbers_are_set_to_the_right() -> None:
    text = html_table(["name", "AUC", "seen"], [["a", "0.5 ± 0.1", "3 of 4"], ["b", "–", ""]])
    assert re.findall(r'th style="text-align:(\w+)"', text) == ["left", "right", "left"]
    assert html_table(["a", "b"], []).count("<th ") == 2
