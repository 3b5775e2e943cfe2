"""``alpt-ref doctor``: versions, BLAS, threads, GPU, cache and disk, as a report of a fault needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from alpt_ref.cli.options import echo, echo_json, hint, json_option

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = (
    "numpy", "numba", "llvmlite", "scipy", "matplotlib", "click", "msgspec", "tqdm", "pyarrow", "safetensors", "jinja2",
    "tabulate", "threadpoolctl", "pillow",
)  # fmt: skip
OPTIONAL = (
    "numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "torch", "scikit-learn", "pandas", "polars", "onnx", "onnxruntime",
    "distributed", "fsspec",
)  # fmt: skip
TESTED = "Linux on x86-64, CPython 3.11 to 3.14; Windows and macOS are untested"


@click.command("doctor", short_help="Say what is installed and what works here.")
@json_option
def doctor_command(as_json: bool) -> None:
    """Print versions, BLAS, threads, whether a GPU can be used (else the reason), and where caches lie.

    Exit status 1 if something is missing that the package needs. `--json` is what a report of a fault should hold.
    """
    facts = examine()
    if as_json:
        echo_json(facts)
    else:
        for line in lines_of(facts):
            echo(line)
        hint("all in two minutes" if not facts["wrong"] else "after that", FIRST)
    if facts["wrong"]:
        click.get_current_context().exit(1)


FIRST = "alpt-ref reproduce --quick"


def examine() -> dict[str, Any]:
    """What `doctor` prints, by section."""
    import os
    import platform
    import sys
    from pathlib import Path

    from alpt_ref import __version__

    packages = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    wrong = [f"{name} is not installed: pip install {name}" for name in REQUIRED if packages[name] is None]
    facts: dict[str, Any] = {
        "alpt_ref": {"version": __version__, "folder": str(Path(__file__).parents[1])},
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"system": platform.platform(), "machine": platform.machine(), "tested": TESTED},
        "packages": packages,
        "threads": {"cores": _cores(), "NUMBA_NUM_THREADS": os.environ.get("NUMBA_NUM_THREADS")},
        "blas": [], "gpu": {"usable": False, "reason": "not looked at"}, "wrong": wrong,
    }  # fmt: skip
    if not wrong:
        facts["threads"]["used"] = _threads()
        facts["blas"] = _blas()
        facts["gpu"] = _gpu()
        facts["cache"] = _cache(wrong)
    facts["disk"] = {"folder": str(Path.cwd()), "free_bytes": _free(Path.cwd())}
    return facts


def lines_of(facts: dict[str, Any]) -> list[str]:
    """The report as text, one fact a line."""
    known = ", ".join(f"{name} {version}" for name, version in facts["packages"].items() if version is not None)
    absent = ", ".join(name for name in OPTIONAL if facts["packages"][name] is None)
    python, system, threads, gpu = facts["python"], facts["platform"], facts["threads"], facts["gpu"]
    used = f", {threads['used']} used" if "used" in threads else ""
    lines = [
        f"alpt-ref   {facts['alpt_ref']['version']} in {facts['alpt_ref']['folder']}",
        f"python     {python['version']} ({python['executable']})",
        f"platform   {system['system']}; tested on {system['tested']}",
        f"packages   {known}",
        f"absent     {absent or 'nothing'} (optional)",
        f"threads    {threads['cores']} cores{used}; NUMBA_NUM_THREADS {threads['NUMBA_NUM_THREADS'] or 'not set'}",
    ]
    lines += [
        f"BLAS       {one['name']} {one['version']}, {one['threads']} threads, {one['kernel']}" for one in facts["blas"]
    ]
    lines.append(f"GPU        {gpu['name']}" if gpu["usable"] else f"GPU        none: {gpu['reason']}")
    if "cache" in facts:
        cache = facts["cache"]
        where = f"{cache['folder']}, {cache['bytes'] / 1e6:.1f} MB" if cache["folder"] else f"none: {cache['reason']}"
        lines.append(f"cache      {where} (compiled kernels; may be deleted at any time)")
    lines.append(f"disk       {facts['disk']['free_bytes'] / 1e9:.1f} GB free in {facts['disk']['folder']}")
    return [*lines, *(f"wrong      {one}" for one in facts["wrong"])]


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> int:
    from alpt_ref.kernels.jit import num_threads

    return num_threads()


def _blas() -> list[dict[str, Any]]:
    import numpy.linalg  # noqa: F401 (loads the library)
    from threadpoolctl import threadpool_info

    return [
        {
            "name": one["internal_api"], "version": one["version"], "threads": one["num_threads"],
            "kernel": one.get("architecture") or "kernel unknown",
        }
        for one in threadpool_info()
        if one["user_api"] == "blas"
    ]  # fmt: skip


def _gpu() -> dict[str, Any]:
    from alpt_ref.errors import InputError
    from alpt_ref.kernels.backend import get_backend

    try:
        found = get_backend("cuda").description()
    except InputError as error:
        return {"usable": False, "reason": str(error)}
    return {"usable": True, "name": str(found.get("gpu") or found.get("name") or found["device"]), **found}


def _cache(wrong: list[str]) -> dict[str, Any]:
    """Folder and size of all compiled kernels, those of other versions too; a folder that cannot be used is wrong."""
    import os
    import warnings

    from alpt_ref.kernels.cache import cache_directory

    if os.environ.get("ALPT_REF_NO_CACHE"):
        return {"folder": None, "bytes": 0, "reason": "ALPT_REF_NO_CACHE is set"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        directory = cache_directory()
    if directory is None:
        reason = str(caught[0].message) if caught else "the folder for compiled kernels cannot be used"
        wrong.append(reason)
        return {"folder": None, "bytes": 0, "reason": reason}
    root = directory.parent
    return {"folder": str(root), "bytes": sum(_size(path) for path in root.rglob("*")), "reason": ""}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # another process takes it away
        return 0


def _free(folder: Path) -> int:
    import shutil

    return shutil.disk_usage(folder).free
