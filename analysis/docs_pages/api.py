"""The API reference: a page a package, with its public names; the site reads their docstrings when it is built."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Iterator
from types import ModuleType

PACKAGES = {
    "alpt_ref": "The names at the top",
    "alpt_ref.quantizer": "Quantisers on arrays",
    "alpt_ref.tables": "Embedding tables",
    "alpt_ref.models": "Backbones",
    "alpt_ref.data": "Click data",
    "alpt_ref.training.train": "Training",
    "alpt_ref.distributed": "One table over many processes",
    "alpt_ref.serving": "Export and serving",
    "alpt_ref.studies.experiment": "Experiments on problems",
    "alpt_ref.theory": "Theory",
    "alpt_ref.theory.bounds": "Convergence bounds",
    "alpt_ref.verification": "Claims and their verification",
    "alpt_ref.verification.figures": "Figures",
    "alpt_ref.testing": "Tests for parts of others",
    "alpt_ref.sklearn": "scikit-learn",
}
"""Packages with a page, and its title."""
EXTRA = {"alpt_ref.sklearn": ("CTRClassifier",), "alpt_ref.serving": ("export",)}
"""Names of modules without ``__all__``, or beyond it."""


DESCRIPTORS = (property, classmethod, staticmethod)


def pages() -> dict[str, str]:
    """The pages of the API, and their index. A name is described on one page, where it lives."""
    made: dict[str, str] = {}
    seen: dict[int, str] = {}
    for name in [*PACKAGES][::-1]:  # the names at the top last: they are described where they live
        made[f"api/{name}.md"] = _page(name, PACKAGES[name], seen)
    rows = [f"- [{title}]({name}.md): `{name}`" for name, title in PACKAGES.items()]
    listed = "\n".join(PACKAGES)
    index = [
        "# API",
        "What is listed here is public: it keeps its name, meaning and bits, or the change is in the changelog.",
        "\n".join(rows),
        f"```{{toctree}}\n:hidden:\n\n{listed}\n```",
    ]
    return {"api/index.md": "\n\n".join(index) + "\n", **made}


def _public(module: ModuleType) -> Iterator[str]:
    names = [*getattr(module, "__all__", ()), *EXTRA.get(module.__name__, ())]
    yield from (name for name in dict.fromkeys(names) if not name.startswith("__"))


def _page(name: str, title: str, seen: dict[int, str]) -> str:
    module = importlib.import_module(name)
    parts = [f"# {title}", f"```{{eval-rst}}\n.. automodule:: {name}\n   :no-members:\n```"]
    for public in _public(module):
        value = getattr(module, public)
        if inspect.ismodule(value):
            continue
        if typing.get_origin(value) is not None:
            parts.append(f"## {public}\n\nA short name for `{value}`.".replace("typing.", ""))
            continue
        if id(value) in seen and (inspect.isclass(value) or callable(value)):
            parts.append(f"## {public}\n\nSee {{py:obj}}`{seen[id(value)]}`.")
            continue
        path = f"{name}.{public}"
        seen[id(value)] = path
        parts.append(f"## {public}\n\n```{{eval-rst}}\n{_directive(path, value)}\n```")
    return "\n\n".join(parts) + "\n"


def _directive(path: str, value: object) -> str:
    if inspect.isclass(value):
        members = [
            name
            for name, member in vars(value).items()
            if not name.startswith("_")
            and (callable(member) or isinstance(member, property | classmethod | staticmethod))
        ]
        listed = f"\n   :members: {', '.join(members)}" if members else ""
        return f".. autoclass:: {path}{listed}"
    return f".. autofunction:: {path}" if callable(value) else f".. autodata:: {path}\n   :no-value:"
