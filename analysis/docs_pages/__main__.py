"""Make the generated pages of the documentation site: ``python -m analysis.docs_pages``."""

from __future__ import annotations

from pathlib import Path

from . import write_pages

if __name__ == "__main__":
    print(f"{write_pages(Path(__file__).resolve().parents[2])} files changed")
