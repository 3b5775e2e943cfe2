"""One page a figure: the question, the picture as it is stored, the answer, what it is drawn from, numbers and code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref.verification.figures import Figure, load_figures

from .markdown import prose

Told = Mapping[str, Any]
"""What ``figures/figures.json`` says of a figure; it knows the captions that are made from the numbers."""


def pages(root: Path) -> dict[str, str]:
    """The pages of the package's figures, and the gallery that shows those that are stored."""
    figures = load_figures()
    path = root / "figures" / "figures.json"
    listed = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    told = {one["id"]: one for one in listed}
    made = {f"{one.id}.md": _page(one, told.get(one.id, {}), root) for one in figures}
    return {"index.md": _gallery(figures, told, root), **made}


def _stored(one: Figure, root: Path) -> list[str]:
    suffixes = ("svg", "png", "pdf", "pgf", "csv")
    return [suffix for suffix in suffixes if (root / "figures" / f"{one.id}.{suffix}").exists()]


def _picture(one: Figure) -> str:
    return f"![{prose(' '.join((one.alt or one.title).split()))}](../../figures/{one.id}.png)"


def _caption(one: Figure, told: Told) -> str:
    caption = told.get("caption") or (one.caption if isinstance(one.caption, str) else "")
    return prose(" ".join(caption.split()))


def _gallery(figures: Sequence[Figure], told: Mapping[str, Told], root: Path) -> str:
    lines = [
        "# Gallery",
        "",
        "Every figure of `alpt-ref figures` and `alpt-ref reproduce`, drawn from stored results. Each has a page with",
        "the numbers behind it and the file that draws it. [How to add one](../how-to.md).",
    ]
    for one in figures:
        lines += ["", f"## [{prose(one.title)}]({one.id}.md)"]
        if "png" in _stored(one, root):
            lines += ["", _picture(one)]
        caption = _caption(one, told.get(one.id, {}))
        lines += ["", caption] if caption else []
    names = "\n".join(one.id for one in figures)
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", names, "```", ""])


def _page(one: Figure, told: Told, root: Path) -> str:
    module = inspect.getmodule(one.draw)
    stored = _stored(one, root)
    parts = [f"# {prose(one.title)}"]
    parts.append(_picture(one) if "png" in stored else "This figure is not stored; the command below draws it.")
    parts += [_caption(one, told), prose(" ".join(one.notes.split())) or prose(inspect.getdoc(module) or "")]
    if one.claims:
        links = ", ".join(f"[{name}](../theory/{name}.md)" for name in one.claims)
        how = f"`alpt-ref verify`, then `alpt-ref figures --only {one.id}`"
        parts.append(f"Drawn from the stored results of {links}: {how}.")
    else:
        parts.append(f"Drawn from the runs of a study: `alpt-ref reproduce --only {one.id}`.")
    source = Path(inspect.getsourcefile(one.draw) or "").name
    files = [f"[{suffix}](../../figures/{one.id}.{suffix})" for suffix in stored]
    code = f"Code: [analysis/figures/{source}](../../analysis/figures/{source})."
    parts.append(f"Files: {', '.join(files)}. {code}" if files else code)
    return "\n\n".join(part for part in parts if part) + "\n"
