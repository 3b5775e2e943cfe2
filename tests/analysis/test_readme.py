"""The documents say what is true: examples run, commands parse, links lead somewhere, numbers have a file."""

from __future__ import annotations

import csv
import doctest
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

import alpt_ref
from alpt_ref.cli import cli, main
from alpt_ref.studies.comparison_text import HEADER
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import apply_overrides, update
from analysis import headline, readme, study_sentences

ROOT = Path(alpt_ref.__file__).parent.parent
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
TEXT = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
README = TEXT["README.md"]


def blocks(text: str, language: str) -> list[str]:
    """Contents of the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def marked_command(name: str) -> str:
    """The one line between ``<!-- command:name -->`` and ``<!-- /command -->``, which .ci/run reads in the same way."""
    (block,) = re.findall(rf"<!-- command:{name} -->\n```sh\n(.*)\n```\n<!-- /command -->", README)
    return str(block)


def shell_lines() -> list[str]:
    """Every command of the documents' shell blocks."""
    shell = [block for text in TEXT.values() for block in blocks(text, "sh")]
    return [part.strip() for block in shell for line in block.splitlines() for part in line.split("&&")]


def running_text() -> list[str]:
    """Every `alpt-ref ...` in the documents' running text, where what does not matter may be left out."""
    texts = [re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE) for text in TEXT.values()]
    return [command for text in texts for command in re.findall(r"`(alpt-ref [^`]+)`", text)]


ABSENT = ("pip", "my_package")
"""Lines that install, and those that name a package which the page only imagines."""
COMMANDS = sorted({line for line in shell_lines() if "alpt-ref " in line and not any(name in line for name in ABSENT)})
MENTIONED = sorted(set(running_text()))


def parse(arguments: list[str]) -> click.Context:
    """Parse arguments as the command line does, without running anything; a click error is a failure."""
    command: click.Command = cli
    context = click.Context(cli, info_name="alpt-ref")
    while isinstance(command, click.Group) and arguments and arguments[0] in command.commands:
        command = command.commands[arguments.pop(0)]
        context = click.Context(command, info_name=command.name, parent=context)
    if isinstance(command, click.Group) and not command.invoke_without_command and arguments[:1] != ["--help"]:
        raise click.UsageError(f"{command.name} has no command {arguments[:1]}")
    if arguments == ["--help"]:
        return context
    return command.make_context(command.name, arguments, parent=context.parent)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_documents_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    assert words.pop(0).endswith("alpt-ref")
    without = {"cuda": "cpu", "model.precision=bf16": "model.precision=tf32"}  # --device asks for a GPU at once
    words = [without.get(word, word) for word in words]
    context = parse([word for word in words if word != "…"])
    apply_overrides(RunConfig(), context.params.get("overrides", ()))


def mentioned(line: str) -> None:
    """A command in running text: its verb and its options exist."""
    words = shlex.split(line)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            raise click.UsageError(f"there is no command {words[0]}")
        command = command.commands[words.pop(0)]
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in {*names, "--help", "--version"}:
            raise click.NoSuchOption(name)


def test_mentioned_commands_exist() -> None:
    assert len(MENTIONED) > 30
    for line in MENTIONED:
        mentioned(line)


@pytest.mark.parametrize("line", ["alpt-ref compare --colour", "alpt-ref decode"])
def test_a_wrong_mention_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        mentioned(line)


@pytest.mark.parametrize("line", ["alpt-ref compare --colour", "alpt-ref data decode", "alpt-ref train --seed -1"])
def test_a_wrong_command_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(shlex.split(line)[1:])


def test_the_documents_show_commands() -> None:
    assert {"compare", "train", "data"} <= {shlex.split(line, comments=True)[1] for line in COMMANDS}


def test_settings_of_the_example_exist() -> None:
    (example,) = blocks(TEXT["docs/configuration.md"], "toml")
    config = update(RunConfig(), tomllib.loads(example))
    assert (config.table.bits, config.train.milestones) == (4, (6, 9))


def test_python_example_runs() -> None:
    (example,) = blocks(README, "python")
    test = doctest.DocTestParser().get_doctest(example, {}, "README example", "README.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    report: list[str] = []
    assert len(test.examples) >= 5
    assert runner.run(test, out=report.append).failed == 0, "".join(report)


def test_readme_is_short_and_leads_to_the_pages() -> None:
    assert len(README.encode()) <= 8000
    assert len(re.findall(r"\]\(docs/[\w-]+\.md\)", README)) >= 12
    fenced = re.findall(r"^```.*?^```$", README, re.DOTALL | re.MULTILINE)
    assert marked_command("reproduce") in next(block for block in fenced if "install" in block)


WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "alpt_ref").rglob("*.py")
    if re.search(r">>> (?!.*doctest: \+SKIP)", path.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples_run(name: str) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", re.sub(r"\]\([^)]*\)", "", title).lower()).replace(" ", "-") for title in titles}


MADE = ("theory", "gallery", "methods", "reference", "stored")
"""Folders of pages that the site's build makes; it refuses a link to one that it did not make (`sphinx-build -W`)."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings(document: str) -> None:
    text = re.sub(r"^```.*?^```$", "", TEXT[document], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, heading = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        if document == "docs/index.md" and name.partition("/")[0] in MADE:
            continue
        assert path.exists(), f"{document}: {target} does not exist"
        if heading and path.suffix == ".md":
            known = heading in headings(path) or f'id="{heading}"' in path.read_text(encoding="utf-8")
            assert known, f"{document}: {target} is no heading"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_paths_exist(document: str) -> None:
    paths = re.findall(r"(?<![\w/.-])((?:alpt_ref|analysis|tests|\.ci)/[\w./]*)", TEXT[document])
    for path in paths:
        full = ROOT / path.rstrip(".")
        may_be_absent = path.startswith(
            ("analysis/benchmarks/results/", "analysis/results/", "analysis/claims", "analysis/figures")
        )
        assert may_be_absent or full.exists(), f"{document} names {path}, which does not exist"


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("reproduce", "test"):
        assert re.search(rf"\$\(readme_command {name}\)", script), f".ci/run does not run the command {name}"
        command = marked_command(name)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q ")
        assert command not in script, "read it from README.md instead of repeating it"
    assert marked_command("reproduce").endswith(".venv/bin/alpt-ref reproduce --quick")
    assert marked_command("test").endswith(".venv/bin/python -m pytest -n 2 --dist loadfile")


def test_extras_of_the_commands_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {
        extra for text in TEXT.values() for group in re.findall(r"'\.\[([\w,]+)\]'", text) for extra in group.split(",")
    }
    assert {"test", "peers"} <= named <= set(extras)


def table_rows() -> list[list[str]]:
    """Cells of the comparison table."""
    (block,) = blocks(readme.part(TEXT["docs/compare.md"], "table"), "text")
    lines = block.partition("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", re.sub(r" \*", "", line.strip())) for line in lines]


def test_comparison_table_is_what_the_command_prints() -> None:
    header, rule, *rows = table_rows()
    assert header == list(HEADER)
    assert all(set(cell) == {"-"} for cell in rule)
    assert [tuple(row[:2]) for row in rows] == [
        ("fp32", "32"),
        *((method, bits) for method in ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr") for bits in "842"),
    ]
    assert [row[9] for row in rows] == ["1.00x", *(["3.20x", "5.33x", "8.00x"] * 4)]


def test_comparison_table_and_figure_come_from_one_run() -> None:
    with (ROOT / "figures" / "compare.csv").open(encoding="utf-8", newline="") as file:
        stored = list(csv.DictReader(file))
    shown = table_rows()[2:]
    assert len(shown) == len(stored)
    for row, values in zip(shown, stored, strict=True):
        assert row[0] == values["method"]
        assert row[3].split(" ±")[0] == f"{float(values['test_auc']):.4f}"
        assert row[4].split(" ±")[0] == f"{float(values['test_logloss']):.4f}"
        assert row[8] == f"{int(values['serving_bytes']):,}"


def test_parts_from_files_are_those_of_their_files() -> None:
    parts = readme.stored()
    assert {"headline", "first", "studies", *readme.BENCHMARKS, "gpu"} == set(parts)
    for path, text in readme.with_parts(parts).items():
        assert text == TEXT[path], f"{path}: run python -m analysis.readme --stored"


def test_every_marked_part_has_a_page() -> None:
    mark = r"<!-- (\w+):begin \(python -m analysis\.readme"
    marked = {(name, path) for path, text in TEXT.items() for name in re.findall(mark, text)}
    assert set(readme.PARTS.items()) == marked


def test_main_command_is_shown_with_what_it_prints() -> None:
    (block,) = blocks(readme.part(README, "quick"), "text")
    lines = block.splitlines()
    assert len(lines) <= 20
    assert [line[:3] for line in lines if line.startswith("(")] == ["(a)", "(b)", "(c)", "(d)"]
    assert readme.screen(block) == f"```text\n{block.rstrip()}\n```"
    with pytest.raises(SystemExit, match="no four answers"):
        readme.screen("### A table\n")


def test_the_picture_of_the_four_answers_shows_the_numbers_that_are_printed() -> None:
    with (ROOT / "figures" / "four_answers.csv").open(encoding="utf-8", newline="") as file:
        shown = [row for row in csv.DictReader(file) if row["panel"] in ("b", "c", "d")]
    printed = readme.part(README, "quick")
    assert [row["panel"] for row in shown] == ["b", "b", "b", "c", "c", "d"]
    for row in shown:
        half = float(row["high"]) - float(row["value"])
        text = f"{float(row['value']):+.4f} ± {half:.4f}".replace("-", "−")
        assert text in " ".join(printed.split()), f"run python -m analysis.readme: {text} is not printed"


STUDY: dict[str, Any] = {
    "data": ["clicks"],
    "rows": [800, 100, 100],
    "runs": 1234,
    "seeds": 9,
    "few": 5,
    "conclusions": {
        "methods": {"title": "All methods", "sentences": ["A* is B."]},
        "other": {"title": "Other", "sentences": ["Not shown."]},
    },
    "claims": {
        "m1": {"title": "SR | DR", "verdict": "INCONCLUSIVE", "cells": "1 inconclusive", "about_runs": True},
        "r1": {"title": "unbiased", "verdict": "SUPPORTED", "cells": "5 supported", "about_runs": False},
    },
}


def test_studies_are_shown_in_order_and_absent_ones_left_out(tmp_path: Path) -> None:
    for name in ("criteo", "another", "small"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(json.dumps(STUDY), encoding="utf-8")
    (tmp_path / "README.md").write_text("index")
    assert list(study_sentences.studies(tmp_path)) == ["small", "criteo", "another"]


def test_study_is_told_by_its_own_sentences() -> None:
    what = "clicks, 1,000 rows, 1,234 runs, 9 seeds (5 in tables of variants)."
    assert study_sentences.studies_part({"small": STUDY, "old": {**STUDY, "claims": {}}}).splitlines() == [
        f"**[small](../analysis/results/small/README.md)**: {what} 2 claims: 1 INCONCLUSIVE, 1 SUPPORTED.",
        "",
        "- [All methods](../analysis/results/small/tables/methods.md)",
        "  - A\\* is B.",
        "",
        f"**[old](../analysis/results/old/README.md)**: {what} Claims not verified.",
        "",
        "- [All methods](../analysis/results/old/tables/methods.md)",
        "  - A\\* is B.",
        "",
        "| claim on the runs | small | old |",
        "| --- | --- | --- |",
        "| m1: SR \\| DR | INCONCLUSIVE: 1 inconclusive |  |",
    ]
    assert "No study is stored" in study_sentences.studies_part({})


MACHINE: dict[str, Any] = {
    "processor": "P",
    "cores": 2,
    "python": "3.11",
    "versions": {"numpy": "2.4"},
    "date": "2026-01-02",
}
FIGURES: dict[str, dict[str, Any]] = {
    "quantize": {"million_elements_per_second": {"ours": 1234.4}, "times_naive_numpy": {"ours": 11.26}},
    "train_step": {
        "unique_rows": 56789,
        "cases": {"ours": {"milliseconds": 1234.44, "times_torch_sparse_adam": 11.264}},
    },
    "montecarlo": {
        "runs": 4,
        "normal": {"million_updates_per_second": {"ours": 1234.4, "NumPy": 1.0}, "times_faster_than": {"NumPy": 11.26}},
    },
    "montecarlo_regression": {
        "threads": 2,
        "64 runs, SR, 4 rows": {"times_faster_than": {"NumPy": 11.26, "NumPy, blocks on threads": 2.0}},
        "1024 runs, SR, 4 rows": {"times_faster_than": {"NumPy": 3.04, "NumPy, blocks on threads": 4.0}},
        "64 runs, SR, all rows": {
            "times_faster_than": {"NumPy": 5.0, "NumPy, blocks on threads": 6.0},
            "products_of_numpy": 0.8,
        },
    },
}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("quantize", ["| ours | 1,234 | 11.3 |"]),
        ("train_step", ["| ours | 1,234.4 | 11.26 |"]),
        ("montecarlo", ["| normal | ours | 1,234 |  |", "| normal | NumPy | 1 | 11.3 |"]),
        ("montecarlo_regression", [
                "| SR, 4 rows | 11.3 | 2.0 | 3.0 | 4.0 | |",
                "| SR, all rows | 5.0 | 6.0 | | | 80%: at most 1.2 |",
            ]),
    ],
)
def test_benchmark_table(name: str, rows: list[str]) -> None:
    text = readme.BENCHMARKS[name]({"command": "python -m x", "machine": MACHINE, **FIGURES[name]})
    assert text.splitlines()[2:-2] == rows
    assert text.endswith("`python -m x` on P, 2 cores, Python 3.11, numpy 2.4; 2026-01-02.")


def test_headline_compares_both_sides_at_their_best() -> None:
    rates = {headline.LPT: 2e6, "PyTorch fp32, SGD": 1e6}
    run = {"device": "D", "machine": {"date": "today"}, "batch": {"10000": {"samples_per_s": rates}}}
    said = "2.0 M samples/s at batches of 10,000, 2.0 times the fastest PyTorch"
    assert headline._gpu(run) == (said, "D, today")
    rates |= {f"{headline.LPT}, bf16": 6e6, "PyTorch fp32 table, CUDA graph, bf16": 4e6}
    said = "6.0 M samples/s (dense part bf16) at batches of 10,000, 1.5 times the fastest PyTorch"
    assert headline._gpu(run) == (said, "D, today")


def test_parts_are_replaced_and_nothing_else() -> None:
    text = "a\n<!-- x:begin (how) -->\nold\n<!-- x:end -->\nb\n"
    assert readme.part(text, "x") == "old\n"
    assert readme.with_part(text, "x", "\\1 new") == text.replace("old", "\\1 new")
    with pytest.raises(SystemExit, match="y:begin"):
        readme.part(text, "y")


def test_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## \[{re.escape(alpt_ref.__version__)}\]", TEXT["CHANGELOG.md"], re.MULTILINE)


def test_example_claim_is_supported_and_its_control_refuted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(TEXT["CONTRIBUTING.md"], "python")
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "example_rounding.py").write_text(example, encoding="utf-8")
    folders = ["--claims", str(tmp_path / "claims"), "--claim", "example", "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as caught:
        main(["verify", *folders, "--jobs", "1", "--quiet"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    assert "SUPPORTED" in printed
    assert "1/1 refuted" in printed
