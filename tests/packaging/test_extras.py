"""What messages about a missing extra tell a user to install: real requirements, never this package from an index."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from alpt_ref import InputError, _version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_a_checkout_names_what_its_pyproject_declares(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_metadata(monkeypatch)
    assert [Requirement(one) for one in _version.extra_requirements(extra)] == [
        Requirement(one) for one in EXTRAS[extra]
    ]


def test_an_installation_names_what_its_metadata_say(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "numpy>=2.0",
        'numba-cuda[cu13]>=0.30.4; extra == "gpu"',
        "numpy<2.5; extra == 'gpu'",
        'cupy>=14; (python_version < "3.14") and extra == "gpu"',
        'onnx>=1.17; extra == "gpu-export"',
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    command = "pip install 'numba-cuda[cu13]>=0.30.4' 'numpy<2.5' 'cupy>=14; python_version < \"3.14\"'"
    assert _version.install_hint("gpu") == command
    assert _version.install_hint("gpu", "--upgrade") == command.replace("install", "install --upgrade", 1)


def test_without_a_gpu_library_the_message_names_them() -> None:
    code = (
        "import sys; sys.modules['cupy'] = None\nfrom alpt_ref.kernels.backend import get_backend\nget_backend('cuda')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(f": {_version.install_hint('gpu')}")
    assert "'numba-cuda[cu13]>=" in done.stderr.splitlines()[-1]


def test_without_dask_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from alpt_ref._util.cluster import run_on_cluster

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="--scheduler needs the package distributed: pip install 'distributed>="):
        list(run_on_cluster(abs, [], "tcp://127.0.0.1:1", code_hash=str))


@pytest.mark.parametrize(
    "call",
    [
        "from alpt_ref.analysis.benchmarks import quantize; sys.argv[1:] = ['--elements=1000', '--repeats=1']; "
        "quantize.main()",
        "from alpt_ref.analysis.benchmarks import montecarlo; sys.argv[1:] = ['--runs=4', '--steps=2', '--repeats=1']; "
        "montecarlo.main()",
    ],
    ids=["quantize", "montecarlo"],
)
def test_benchmarks_without_pytorch_name_it(call: str, tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules['torch'] = None; {call}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "PyTorch is not installed: left out (pip install 'torch>=" in done.stdout


def test_no_text_names_an_installation_of_this_package_from_an_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in listed.split("\0") if name.endswith((".py", ".md", ".toml", ".cff", "run", ".yml"))]
    if not names:
        pytest.skip("not a git checkout")
    bad = "alpt-ref" + "["
    for name in names:
        file = ROOT / name
        assert not file.exists() or bad not in file.read_text(encoding="utf-8"), name
