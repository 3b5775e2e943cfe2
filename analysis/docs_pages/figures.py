"""One page a figure: the picture as it is stored, what it is drawn from, its numbers and its code."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from alpt_ref.verification.figures import Figure, load_figures

from .markdown import prose


def pages(root: Path) -> dict[str, str]:
    """The pages of the package's figures, and the gallery that shows those that are stored."""
    figures = load_figures()
    made = {f"{one.id}.md": _page(one, root) for one in figures}
    return {"index.md": _gallery(figures, root), **made}


def _picture(one: Figure) -> str:
    return f"![{prose(one.title)}](../../figures/{one.id}.png)"


def _gallery(figures: Sequence[Figure], root: Path) -> str:
    lines = [
        "# Gallery",
        "",
        "Every figure of `alpt-ref figures` and `alpt-ref reproduce`, drawn from stored results. Each has a page with",
        "the numbers behind it and the file that draws it. [How to add one](../how-to.md).",
    ]
    for one in figures:
        lines += ["", f"## [{prose(one.title)}]({one.id}.md)"]
        if (root / "figures" / f"{one.id}.png").exists():
            lines += ["", _picture(one)]
    listed = "\n".join(one.id for one in figures)
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", listed, "```", ""])


def _page(one: Figure, root: Path) -> str:
    module = inspect.getmodule(one.draw)
    about = inspect.getdoc(module) if module else ""
    parts = [f"# {prose(one.title)}"]
    stored = [suffix for suffix in ("svg", "png", "csv") if (root / "figures" / f"{one.id}.{suffix}").exists()]
    parts.append(_picture(one) if "png" in stored else "This figure is not stored; the command below draws it.")
    parts.append(prose(about or ""))
    if one.claims:
        links = ", ".join(f"[{name}](../theory/{name}.md)" for name in one.claims)
        parts.append(
            f"Drawn from the stored results of {links}: `alpt-ref verify`, then `alpt-ref figures --only {one.id}`."
        )
    else:
        parts.append(f"Drawn from the runs of a study: `alpt-ref reproduce --only {one.id}`.")
    source = Path(inspect.getsourcefile(one.draw) or "").name
    links = [f"[{suffix}](../../figures/{one.id}.{suffix})" for suffix in stored]
    code = f"[analysis/figures/{source}](../../analysis/figures/{source})"
    parts.append(f"Files: {', '.join(links)}. Code: {code}." if links else f"Code: {code}.")
    return "\n\n".join(part for part in parts if part) + "\n"
