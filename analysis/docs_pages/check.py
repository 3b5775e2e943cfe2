"""Look over a built site: ``python -m analysis.docs_pages.check OUT``. It fetches nothing.

Every link within the site must lead to a file of it and to a place on that page, every picture must have a text for
those who cannot see it, and nothing may be loaded from elsewhere. Links to other sites are listed in
``OUT/external-links.txt``. Exit status 1 and a line for each fault.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

from alpt_ref._util.files import write_text

LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements whose address a browser loads by itself."""
NOT_LOADED = {"canonical", "next", "prev", "index", "search", "author", "copyright"}
"""Kinds of `<link>` that are only links."""


@dataclass
class Page(HTMLParser):
    """What a page links to, loads and names."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    without_alt: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin as a parser too."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        for key in ("id", "name"):
            if given.get(key):
                self.names.add(str(given[key]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        kinds = set((given.get("rel") or "").split())
        if tag in LOADED and given.get(LOADED[tag]) and not kinds & NOT_LOADED:
            self.loads.append(str(given[LOADED[tag]]))
        if tag == "img" and not given.get("alt"):
            self.without_alt.append(str(given.get("src")))


def read(path: Path) -> Page:
    """One page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def elsewhere(address: str) -> bool:
    """Whether an address is not one of a file of the site."""
    return "://" in address or address.startswith(("//", "mailto:"))


def faults(site: Path) -> tuple[list[str], set[str]]:
    """One line for each fault, and the links to other sites."""
    pages = {path.resolve(): read(path) for path in sorted(site.rglob("*.html"))}
    external: set[str] = set()
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        external |= {link for link in page.links if elsewhere(link)}
        found += [f"{where}: picture {name} has no text in its place (alt)" for name in page.without_alt]
        found += [f"{where}: loads {one} from elsewhere" for one in page.loads if elsewhere(one)]
        found += [f"{where}: {fault}" for fault in _dead(path, page, pages)]
    return found, external


def _dead(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in dict.fromkeys([*page.links, *page.loads]):
        if elsewhere(link) or link.startswith(("data:", "javascript:")):
            continue
        address, place = urldefrag(unquote(link))
        target = (path.parent / address.partition("?")[0]).resolve() if address else path
        if not target.is_file():
            yield f"{link} leads nowhere"
        elif place and target in pages and place not in pages[target].names:
            yield f"{link}: there is no such place on the page"


def main(site: Path) -> int:
    """Print the faults; the number of them, 0 or 1 as exit status."""
    found, external = faults(site)
    write_text(site / "external-links.txt", "".join(f"{link}\n" for link in sorted(external)))
    print("\n".join([*found, f"{len(found)} faults; {len(external)} links to other sites, listed, not fetched"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
