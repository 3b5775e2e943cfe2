"""Where claims, figures and tables come from: the package, installed distributions, folders that are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.errors import InputError
from alpt_ref.studies.table import load_tables
from alpt_ref.verification.figures import load_figures
from alpt_ref.verification.runner import load_claims
from alpt_ref.verification.task import run_task

CLAIM = """
from alpt_ref.verification import Claim, Control, exact
CLAIM = Claim(
    id="{id}", title="t", statement="s", kind="upper", grid=lambda budget: [{{}}], bound=lambda cell, constants: 2.0,
    measure=lambda cell, seed, broken=None: exact(3.0 if broken else 1.0), control=Control("three", "is 3"),
)
"""
FIGURE = (
    "from alpt_ref.verification.figures import Figure\nFIGURE = Figure('{id}', 't', ('r1',), lambda results: None)\n"
)
TABLE = (
    "from alpt_ref.studies.reproduce import Table\n"
    "TABLE = Table(id='{id}', title='t', label_columns=(), runs=lambda s: {{}}, rows=lambda s: [])\n"
)
OWN = Path(__file__).resolve().parents[2] / "analysis"


def write(folder: Path, **sources: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def installed(folder: Path, entry_points: str, monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    """A distribution ``guest`` as an installer leaves it."""
    write(folder, **modules)
    about = folder / "guest-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.5\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)


def test_python_files_of_the_current_folder_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("claims", "figures", "tables"):
        write(tmp_path / "analysis" / kind, zz_bad="open('ran', 'w').close()\n", __init__="open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    assert "r2" in load_claims()
    assert load_figures()
    assert load_tables()
    assert not (tmp_path / "ran").exists()


def test_a_folder_adds_to_the_packages_own(tmp_path: Path) -> None:
    claims = load_claims(add=write(tmp_path / "c", mine_claim=CLAIM.format(id="mine")))
    assert list(claims)[-1] == "mine"
    assert len(claims) == len(load_claims()) + 1
    figures = load_figures(add=write(tmp_path / "f", mine=FIGURE.format(id="mine")))
    assert [len(figures), figures[-1].id] == [len(load_figures()) + 1, "mine"]
    tables = load_tables(add=write(tmp_path / "t", mine=TABLE.format(id="mine")))
    assert [len(tables), tables[-1].id] == [len(load_tables()) + 1, "mine"]


def test_the_packages_own_folder_adds_nothing() -> None:
    assert list(load_claims(add=OWN / "claims")) == list(load_claims())


@pytest.mark.parametrize(
    ("kind", "name", "source", "message"),
    [
        ("claims", "r2_mine", CLAIM.format(id="r2"), r"r2_mine\.py and r2_sr_variance\.py both define claim 'r2'"),
        ("figures", "mine", FIGURE.format(id="floors"), r"mine\.py and floors\.py both define figure 'floors'"),
        ("tables", "mine", TABLE.format(id="bits"), r"mine\.py and b_bits\.py both define table 'bits'"),
    ],
)
def test_an_added_file_with_an_id_of_the_package_is_refused(
    kind: str, name: str, source: str, message: str, tmp_path: Path
) -> None:
    loaders: dict[str, Callable[..., Any]] = {"claims": load_claims, "figures": load_figures, "tables": load_tables}
    with pytest.raises(InputError, match=message):
        loaders[kind](add=write(tmp_path / kind, **{name: source}))


def test_an_added_folder_must_hold_something(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no claims"):
        load_claims(add=tmp_path)
    with pytest.raises(InputError, match=f"--figures {tmp_path}/none is not a folder"):
        load_figures(add=tmp_path / "none")


def test_only_what_is_named_is_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path, a_ok=CLAIM.format(id="a"), b_bad="raise ValueError('loaded')\n")
    assert list(load_claims(folder, only=["a"])) == ["a"]
    with pytest.raises(InputError, match=r"b_bad\.py cannot be loaded: ValueError: loaded"):
        load_claims(folder)
    with pytest.raises(InputError, match="no claim 'c'; there are: a, b"):
        load_claims(folder, only=["c"])
    with pytest.raises(InputError, match="no figure 'floor'; nearest: floors"):
        load_figures(only=["floor"])


def test_an_installed_distribution_adds_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[alpt_ref.claims]\nguest = guest_claims:OTHER\nplain = guest_plain\n"
    sources = {"guest_claims": CLAIM.format(id="guest") + "OTHER = CLAIM\n", "guest_plain": CLAIM.format(id="plain")}
    installed(tmp_path, points, monkeypatch, **sources)
    claims = load_claims(only=["guest", "plain"])
    assert str(claims["guest"].source) == "guest_claims:OTHER of guest 1.5"
    assert claims["plain"].file == tmp_path / "guest_plain.py"
    from alpt_ref.verification.runner import plan

    tasks = plan(claims["plain"], "quick", 0).tasks
    assert [run_task(task).failure for task in tasks] == [""] * 2  # loaded again from the task alone, as a worker does
    before = plan(claims["plain"], "quick", 0).code
    (tmp_path / "guest-1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.6\n")
    assert plan(load_claims(only=["plain"])["plain"], "quick", 0).code != before


def test_an_installed_distribution_adds_figures_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[alpt_ref.figures]\nguest = guest_figure\n[alpt_ref.study_tables]\nguest = guest_table:TABLE\n"
    sources = {"guest_figure": FIGURE.format(id="guest"), "guest_table": TABLE.format(id="guest")}
    installed(tmp_path, points, monkeypatch, **sources)
    assert load_figures()[-1].id == load_tables()[-1].id == "guest"


@pytest.mark.parametrize(
    ("value", "source", "message"),
    [
        ("guest_gone", "", r"guest_gone, 'guest' of alpt_ref\.claims in guest 1\.5, does not exist"),
        ("guest_one", "import nothing_of_that_name", r"guest_one of guest 1\.5 cannot be loaded: ModuleNotFoundError"),
        ("guest_two:CLAIM", "", r"guest_two:CLAIM of guest 1\.5 must define CLAIM"),
        ("guest_three", "CLAIM = 3", r"guest_three of guest 1\.5: CLAIM must be a Claim, got int"),
        ("guest_four", CLAIM.format(id="other"), "is the entry point 'guest', but its claim has the id 'other'"),
    ],
)
def test_an_entry_point_that_is_broken_is_one_sentence(
    value: str, source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {} if value == "guest_gone" else {value.partition(":")[0]: source}
    installed(tmp_path, f"[alpt_ref.claims]\nguest = {value}\n", monkeypatch, **modules)
    with pytest.raises(InputError, match=message):
        load_claims(only=["guest"])
