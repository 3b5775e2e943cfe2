"""What the shell completes, and that pressing the key loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from alpt_ref.cli import cli
from alpt_ref.cli.completion import claims, figures, tables_and_figures
from alpt_ref.studies.table import load_tables
from alpt_ref.verification.figures import load_figures
from alpt_ref.verification.runner import load_claims


def completed(*words: str) -> list[str]:
    found = ShellComplete(cli, {}, "alpt-ref", "_ALPT_REF_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [f"{one.type}:{one.value}" if one.type != "plain" else one.value for one in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("doc",), ["doctor"]),
        (("compare", "--methods", "lpt-sr,alpt-s"), ["lpt-sr,alpt-sr"]),
        (("compare", "--methods", "lpt-sr,lpt-s"), []),
        (("train", "--preset", "q"), ["quick"]),
        (("train", "--device", "c"), ["cpu", "cuda"]),
        (("train", "--set", "train.ep"), ["train.epochs="]),
        (("train", "--set", "table.init_st"), ["table.init_std=", "table.init_step="]),
        (("compare", "--vary", "model.cross"), ["model.cross_layers="]),
        (("verify", "--claim", "rm"), ["rm1"]),
        (("verify", "show", "rm"), ["rm1"]),
        (("reproduce", "--claim", "rm"), ["rm1"]),
        (("figures", "--only", "fl"), ["floors"]),
        (("reproduce", "--only", "floo"), ["floors"]),
        (("figures", "--formats", "png,p"), ["png,pdf", "png,pgf"]),
        (("figures", "--style", "n"), ["neurips"]),
        (("predict", "ru"), ["file:ru"]),
        (("train", "--output", "ru"), ["file:ru"]),
        (("init", "cl"), ["claim"]),
        (("data", "sample", "cr"), ["criteo"]),
    ],
)
def test_names_are_completed(words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(*words) == expected


def test_names_are_those_of_the_files_themselves() -> None:
    assert sorted(claims()) == sorted(load_claims())
    assert sorted(figures()) == sorted(figure.id for figure in load_figures())
    assert set(tables_and_figures()) == {table.id for table in load_tables()} | set(figures())


def test_the_key_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom click.shell_completion import ShellComplete\nfrom alpt_ref.cli import cli\n"
        "shell = ShellComplete(cli, {}, 'alpt-ref', 'X')\n"
        "for words in (['train', '--set'], ['compare', '--methods'], ['verify', '--claim'], ['reproduce', '--only']):\n"
        "    assert shell.get_completions(words, '')\n"
        "heavy = {'numba', 'numpy', 'scipy', 'pyarrow', 'matplotlib'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
