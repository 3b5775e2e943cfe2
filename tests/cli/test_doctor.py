"""``alpt-ref doctor``: what is installed and what works here, for people and for scripts."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy
import pytest

from alpt_ref import __version__
from alpt_ref.cli import doctor
from alpt_ref.kernels.cache import cache_directory
from tests.cli.calls import Caller


def test_json_names_versions_threads_blas_gpu_cache_and_disk(run: Caller) -> None:
    done = run("doctor", "--json")
    facts = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert facts["alpt_ref"]["version"] == __version__
    assert facts["packages"]["numpy"] == numpy.__version__
    assert facts["threads"]["used"] >= 1
    assert facts["gpu"]["usable"] or facts["gpu"]["reason"].startswith("device 'cuda'")
    assert facts["disk"]["free_bytes"] > 0
    directory = cache_directory()
    if directory is not None:
        assert facts["cache"]["folder"] == str(directory.parent)
        files = sum(file.stat().st_size for file in directory.parent.rglob("*") if file.is_file())
        assert facts["cache"]["bytes"] == pytest.approx(files, rel=0.2)  # other tests compile meanwhile


def test_text_says_the_same_and_names_the_next_command(run: Caller) -> None:
    done = run("doctor")
    assert done.status == 0
    first = [line.split()[0] for line in done.out.splitlines()]
    assert first[:6] == ["alpt-ref", "python", "platform", "packages", "absent", "threads"]
    assert "Windows and macOS are untested" in done.out
    assert done.err.strip() == "next, all in two minutes: alpt-ref reproduce --quick"


def test_a_missing_package_is_named_with_its_remedy(run: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "scipy":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    done = run("doctor")
    assert done.status == 1
    assert "scipy is not installed: pip install scipy" in done.out


def test_every_requirement_of_the_package_is_looked_at() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    required = {line.partition(">=")[0] for line in project["dependencies"]}
    assert required | {"llvmlite"} == set(doctor.REQUIRED)  # which comes with Numba
