"""Pages of the documentation site that are made from the code and from stored results, each time the site is built.

`write_pages` fills folders below ``docs`` that git ignores: ``theory`` (a page per claim), ``gallery`` (per figure),
``methods`` (per table method), ``reference`` (verbs, the API, file formats), ``stored`` (copies of what lies in
``analysis/results``, CONTRIBUTING.md and CHANGELOG.md). ``docs/conf.py`` calls it; ``python -m analysis.docs_pages``
does so by hand. Nothing is measured here.
"""

from __future__ import annotations

from pathlib import Path

from alpt_ref._util.files import write_text

from . import api, claims, commands, figures, formats, methods, stored

ROOMS = {
    "theory": claims.pages,
    "gallery": figures.pages,
    "methods": methods.pages,
    "reference": lambda root: {**commands.pages(), **api.pages(), **formats.pages()},
    "stored": stored.pages,
}
"""Folders below ``docs`` and what fills each: ``pages(root)`` -> text by file name."""


def write_pages(root: Path) -> int:
    """Make the pages of the checkout `root`; returns how many files changed. Files that no page is left for go."""
    changed = 0
    for room, pages in ROOMS.items():
        folder = root / "docs" / room
        made = {folder / name: text for name, text in pages(root).items()}
        for path, text in made.items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_text(path, text)
                changed += 1
        for path in folder.rglob("*.md"):
            if path not in made:
                path.unlink()
                changed += 1
    return changed
