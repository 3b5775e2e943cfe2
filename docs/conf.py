"""Settings of the documentation site: ``pip install '.[docs]' && sphinx-build -W docs OUT``.

Everything is made from this checkout, without a network: the generated pages (`analysis.docs_pages`), the API from the
docstrings, formulas as MathML. Links out of ``docs`` lead to the file in the repository, at the address that
``[project.urls] Repository`` of pyproject.toml names, or, while there is none, to a copy of the file in the site.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROFILE = Path(tempfile.mkdtemp(prefix="alpt-ref-docs-"))  # of the notebooks' kernels, in place of the user's own
atexit.register(shutil.rmtree, PROFILE, ignore_errors=True)
sys.path.insert(0, str(ROOT))  # the pages describe this checkout, whatever version is installed

from alpt_ref import __version__  # noqa: E402
from analysis.docs_pages import write_pages  # noqa: E402
from analysis.docs_pages.docstrings import plain_text_to_rst, with_rubrics  # noqa: E402
from analysis.docs_pages.markdown import downloads, relink, with_unlisted  # noqa: E402
from analysis.docs_pages.stored import moved  # noqa: E402

warnings.filterwarnings("ignore", message="Unknown section")  # numpydoc reads docstrings once before they are changed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = PROJECT["urls"].get("Repository", "")
MOVED = moved(ROOT)

project = "alpt_ref"
author = "The alpt_ref authors"
version = release = __version__
language = "en"
smartquotes = False  # two hyphens begin an option
extensions = [
    "myst_nb",  # pages in Markdown (MyST), and notebooks, which it runs
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "analysis.docs_pages.mathml",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

default_role = "py:obj"  # `name` in a docstring: a link where the site has the name, code where it has not
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say dtype, shape and unit
numpydoc_show_class_members = False
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # for kernels
os.environ["IPYTHONDIR"] = str(PROFILE)
(PROFILE / "profile_default").mkdir()
(PROFILE / "profile_default" / "ipython_kernel_config.py").write_text(
    "c.IPKernelApp.log_level = 40\n", encoding="utf-8"
)
logging.getLogger("traitlets").setLevel(logging.WARNING)
nb_execution_mode = "force"  # notebooks lie in git without output
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # bars of progress


def _relink(app: Any, name: str, source: list[str]) -> None:
    """Links of a page to files outside ``docs``; pages that the index does not know yet."""
    path = f"docs/{name}.md"
    if name == "index":
        source[0] = with_unlisted(source[0], (page.stem for page in (ROOT / "docs").glob("*.md") if page.stem != name))
    if (ROOT / path).exists():
        source[0] = relink(downloads(source[0]), path, path, MOVED, ROOT, BASE)


def _docstring(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    lines[:] = with_rubrics(lines) if what == "module" else plain_text_to_rst(lines)


def setup(app: Any) -> None:
    """Make the generated pages before anything is read."""
    app.connect("builder-inited", lambda _: write_pages(ROOT))
    app.connect("source-read", _relink)
    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before numpydoc
