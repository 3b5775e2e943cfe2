"""The documents' texts, and the code blocks in them."""

from __future__ import annotations

import re
from pathlib import Path

import alpt_ref

ROOT = Path(alpt_ref.__file__).parent.parent
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
TEXT = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
README = TEXT["README.md"]


def blocks(text: str, language: str) -> list[str]:
    """Contents of the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
