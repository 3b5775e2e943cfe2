"""A wheel and an editable installation, each in an environment of its own, used from an empty folder."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wheels_wanted")]
ROOT = Path(__file__).resolve().parents[2]
CLAIMS = len(list((ROOT / "analysis" / "claims").glob("[!_]*.py")))
TINY = [
    "--set=data.rows=600", "--set=data.fields=3", "--set=data.features=30", "--set=model.hidden=[4]",
    "--set=model.dim=4", "--set=model.cross_layers=1", "--set=train.batch_size=100", "--set=train.epochs=2",
    "--set=train.milestones=[1]",
]  # fmt: skip


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(wheels_wanted: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows, so that a build leaves nothing here."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "-coz", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``sdist``, the wheel made ``from_sdist`` and the wheel made ``from_tree``."""
    pytest.importorskip("build", reason="needs the extra dev")
    out, tree = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("tree")
    run(sys.executable, "-m", "build", "--outdir", out, checkout, cwd=out)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tree, checkout, cwd=out)
    (sdist,), (first,), (second,) = out.glob("*.tar.gz"), out.glob("*.whl"), tree.glob("*.whl")
    return {"sdist": sdist, "from_sdist": first, "from_tree": second}


def environment_of(folder: Path) -> Path:
    """An environment that sees the libraries installed here, but no package installed in editable mode."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    return folder / "bin"


def install(bin_folder: Path, *what: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", bin_folder / "python", "install", "-q", "--no-deps"]
    run(*command, "--force-reinstall", *what, cwd=bin_folder.parent)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_the_sdist_builds_the_same_wheel(built: dict[str, Path]) -> None:
    first, second = contents(built["from_sdist"]), contents(built["from_tree"])
    assert sorted(first) == sorted(second)
    assert first == second


def test_the_wheel_holds_the_package_and_the_sdist_its_tests(built: dict[str, Path], checkout: Path) -> None:
    held = set(contents(built["from_tree"]))
    for file in [
        *checkout.glob("alpt_ref/**/*.py"),
        *checkout.glob("alpt_ref/**/*.jinja*"),
        checkout / "alpt_ref/py.typed",
    ]:
        assert file.relative_to(checkout).as_posix() in held
    for pattern in ("**/*.py", "**/*.toml", "results/**/*.csv", "results/**/*.json"):
        for file in (checkout / "analysis").glob(pattern):
            assert f"alpt_ref/{file.relative_to(checkout).as_posix()}" in held
    assert not any(name.startswith(("tests/", "analysis/")) for name in held)
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("tests/conftest.py", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "LICENSE", "analysis/__init__.py"):
        assert name in names


def test_twine_accepts_both(built: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("twine", reason="needs the extra dev")
    printed = run(sys.executable, "-m", "twine", "check", "--strict", built["sdist"], built["from_sdist"], cwd=tmp_path)
    assert printed.count("PASSED") == 2


def test_the_installed_wheel_works_from_an_empty_folder(built: dict[str, Path], tmp_path: Path) -> None:
    programs = environment_of(tmp_path / "venv")
    install(programs, built["from_sdist"])
    empty = tmp_path / "empty"
    empty.mkdir()
    command = programs / "alpt-ref"
    where = run(programs / "python", "-c", "import alpt_ref.analysis as a; print(a.__file__)", cwd=empty).strip()
    assert Path(where).is_relative_to(tmp_path / "venv")
    assert len(run(command, "verify", "list", cwd=empty).splitlines()) == CLAIMS
    assert "r2     SUPPORTED" in run(command, "verify", "--claim", "r2", "--quiet", "--jobs", "1", cwd=empty)
    few = ["--seeds=2", "--jobs=1", "--only=bits", "--only=accuracy_over_bits", "--claim=r1", "--quiet"]
    run(command, "reproduce", "--quick", *TINY, *few, cwd=empty)
    assert (empty / "runs" / "reproduce" / "tables" / "bits.md").exists()
    assert "accuracy_over_bits" in run(command, "figures", "--quiet", cwd=empty).splitlines()
    small = [*TINY, "--methods=lpt-sr", "--bits=8", "--seeds=2", "--jobs=1", "--quiet"]
    compared = run(command, "compare", *small, cwd=empty)
    assert "lpt-sr" in compared
    run(command, "bench", "--repeats=1", "--no-peers", "--quiet", "--output", "bench.json", cwd=empty)
    assert sorted(path.name for path in empty.iterdir()) == ["bench.json", "figures", "runs"]


def test_an_editable_installation_finds_analysis_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    programs = environment_of(tmp_path / "venv")
    install(programs, "-e", checkout)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = "import alpt_ref.analysis.figures as a; print(a.__file__)"
    assert run(programs / "python", "-c", code, cwd=empty).strip() == str(checkout / "analysis/figures/__init__.py")
    assert len(run(programs / "alpt-ref", "verify", "list", cwd=empty).splitlines()) == CLAIMS


def test_an_installed_distribution_adds_a_claim(built: dict[str, Path], tmp_path: Path) -> None:
    programs = environment_of(tmp_path / "venv")
    install(programs, built["from_sdist"])
    half = (
        "from alpt_ref.verification import Claim, Control, exact\nfrom guest import LIMIT\n"
        "CLAIM = Claim(id='half', title='from another distribution', statement='$1 < 2$', kind='upper',\n"
        "    grid=lambda budget: [{'n': 1}, {'n': 2}], bound=lambda cell, constants: LIMIT,\n"
        "    measure=lambda cell, seed, broken=None: exact(3.0 if broken else 1.0), control=Control('three', 'is 3'))\n"
    )
    about = "guest-1.5.dist-info"
    files = {
        "guest/__init__.py": "LIMIT = 2.0\n",
        "guest/half.py": half,
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: guest\nVersion: 1.5\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[alpt_ref.claims]\nhalf = guest.half:CLAIM\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(tmp_path / "guest-1.5-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    install(programs, *tmp_path.glob("guest*.whl"))
    command = programs / "alpt-ref"
    assert len(run(command, "verify", "list", cwd=tmp_path).splitlines()) == CLAIMS + 1
    assert "half   SUPPORTED" in run(command, "verify", "--claim", "half", "--jobs", "2", "--quiet", cwd=tmp_path)
    assert "file: guest.half:CLAIM of guest 1.5" in run(command, "verify", "show", "half", cwd=tmp_path)
