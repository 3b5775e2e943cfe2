"""Which distribution this is: its version, and what its extras install. Below everything that prints or stores it."""

from __future__ import annotations

__version__ = "0.3.0"

DISTRIBUTION = "alpt-ref"


def install_hint(extra: str, *options: str) -> str:
    """The command that brings what an extra needs, for messages: ``pip install 'onnx>=1.17' 'onnxruntime>=1.19'``.

    It names the requirements themselves, from the metadata of the installed package or the checkout's pyproject.toml:
    the name of this package is on no index, so that asking one for its extra would fail or fetch a stranger's package.
    """
    words = [*options, *(f"'{one}'" for one in extra_requirements(extra))]
    return f"pip install {' '.join(words)}"


def extra_requirements(extra: str) -> list[str]:
    """What an extra adds, as pip takes it."""
    from importlib import metadata

    try:
        declared = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return _declared_in_checkout(extra)
    found = []
    for line in declared:
        requirement, _, marker = line.partition(";")
        parts = [part.strip() for part in marker.replace("(", "").replace(")", "").split(" and ")]
        own = [part for part in parts if part.replace("'", '"').replace(" ", "") == f'extra=="{extra}"']
        others = " and ".join(part for part in parts if part not in own)
        if own:
            found.append(requirement.strip() + (f"; {others}" if others else ""))
    return found


def _declared_in_checkout(extra: str) -> list[str]:
    import tomllib
    from pathlib import Path

    file = Path(__file__).resolve().parents[1] / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"] if file.exists() else {}
    return list(project.get("optional-dependencies", {}).get(extra, [])) if project.get("name") == DISTRIBUTION else []
