"""The documents say what is true: examples run, commands parse, links lead somewhere; see `test_readme_numbers` too."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from alpt_ref.cli import cli, main
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import apply_overrides, update
from tests.analysis.documents import DOCUMENTS, README, ROOT, TEXT, blocks


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
