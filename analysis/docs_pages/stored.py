"""Pages that stand elsewhere in the repository: results of studies, CONTRIBUTING.md, CHANGELOG.md, SECURITY.md."""

from __future__ import annotations

import re
from pathlib import Path

from alpt_ref.verification.figures import load_figures

from .markdown import prose, relink

_ANCHOR = re.compile(r'^(#+ )<a id="([\w-]+)"></a>', re.MULTILINE)
_TITLE = re.compile(r"\A#+ (.+)$", re.MULTILINE)
_PICTURE = re.compile(r"!\[\]\(([^)\s]*?([\w-]+)\.png)\)")
DOCUMENTS = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "figures/INDEX.md")
"""Documents outside docs that become pages as they are."""


def moved(root: Path) -> dict[str, str]:
    """Every file of the repository that has a page: its path -> the path of the page."""
    results = root / "analysis" / "results"
    files = [path.relative_to(results).as_posix() for path in sorted(results.rglob("*.md"))]
    pages = {f"analysis/results/{name}": f"docs/stored/{_page_name(name)}" for name in files}
    pages |= {name: f"docs/stored/{Path(name).name.lower()}" for name in DOCUMENTS if name != "figures/INDEX.md"}
    return {**pages, "figures/INDEX.md": "docs/gallery/index.md", "README.md": "docs/index.md"}


def _page_name(name: str) -> str:
    return f"results/{name.replace('README.md', 'index.md')}"


def _titled(text: str, source: str) -> str:
    """A table or page of a study says in its title of which study it is."""
    parts = Path(source).parts
    if parts[:2] != ("analysis", "results") or len(parts) < 4 or parts[-1] == "README.md":
        return text
    return _TITLE.sub(lambda found: f"# {found[1]}: study {parts[2]}", text, count=1)


def pages(root: Path) -> dict[str, str]:
    """Copies of these documents with their links moved, and a list of the results."""
    known = moved(root)
    made = {}
    seen = {one.id: prose(" ".join((one.alt or one.title).split())) for one in load_figures()}
    for source, page in known.items():
        if page.startswith("docs/stored/"):
            text = (root / source).read_text(encoding="utf-8")
            text = _ANCHOR.sub(r"(\2)=\n\1", relink(text, source, page, known, root))
            text = _PICTURE.sub(lambda found: f"![{seen.get(found[2], found[2])}]({found[1]})", text)
            made[page.removeprefix("docs/stored/")] = _titled(text, source)
    listed = sorted(
        name.removesuffix(".md") for name in made if name.startswith("results/") and name != "results/index.md"
    )
    toc = "\n".join(name.removeprefix("results/") for name in listed)
    made["results/index.md"] += f"\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    return made
