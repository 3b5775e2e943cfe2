"""Paths and names of 0.1.0: the new objects, a warning that names the new path; `train` and others stay functions."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

from alpt_ref._util.renamed import MODULES, NAMES, PACKAGES
from tests.util import old_names

GONE = {
    "alpt_ref.checkpoint.OWN_FILE": "training.checkpoint_files, which nothing outside reads",
    "alpt_ref.train_cuda.LOOK": "the guard is read every ten steps without a stall (training.watch_cuda)",
    "alpt_ref.verify.picture.svg_bytes": "reports hold WebP (verification.picture)",
    "alpt_ref.compare.cell.load_cell": "runs are read through the study's index",
    "alpt_ref.compare.cluster.measure_remotely": "the cluster calls any function",
    "alpt_ref.compare.grid.make_cells": "make_grid, which varies any setting and takes other arguments",
    "alpt_ref.compare.paired.Difference": "a comparison is a study of one table",
    "alpt_ref.compare.paired.Runs": "a comparison is a study of one table",
    "alpt_ref.compare.paired.differences": "a comparison is a study of one table",
    "alpt_ref.compare.summary.Results": "a comparison is a study of one table",
    "alpt_ref.compare.summary.summarise": "a comparison is a study of one table",
    "alpt_ref.config.check": "settings are declared, and checked, by the options of a method",
    "alpt_ref.data.spill.identity_of": "a piece names itself (`pieces.Job.identity`), whatever holds it",
    "alpt_ref.data.splits.split_rows": "it asks for labels and times too (`alpt_ref.data.encoding`)",
    "alpt_ref.data.store.VERSION": "there are two versions of the manifest, VERSIONS",
    "alpt_ref.data.text.MAX_EXAMPLES": "of all readers (`alpt_ref.data.formats.faulty`)",
    "alpt_ref.data.text.Payload": "of all readers (`alpt_ref.data.formats.pieces`)",
    "alpt_ref.data.text.Work": "of all readers (`alpt_ref.data.formats.pieces`)",
    "alpt_ref.evaluation.score": "`alpt_ref.training.quality.quality`, which knows more measures and weights",
    "alpt_ref.optim.StepSchedule": "one of several schedules (`alpt_ref.training.schedule`)",
    "alpt_ref.output.write_arrays": "nothing writes .npz files",
    "alpt_ref.reproduce.claims.paired_values": "differences come with what makes them ones for new rows",
    "alpt_ref.reproduce.claims.runs_of": "the folder of a study is an argument",
    "alpt_ref.reproduce.inference.results_of": "tables ask their runs",
    "alpt_ref.reproduce.stored.FOLDER": "the folder of a study is an argument",
    "alpt_ref.reproduce.stored.VARIABLE": "the folder of a study is an argument",
    "alpt_ref.sources.FILES": "formats are found by the registry",
    "alpt_ref.tables.alpt.GRAD_SCALES": "declared in the method's Options",
    "alpt_ref.tables.alpt.STEP_DOMAINS": "declared in the method's Options",
    "alpt_ref.tables.full.require_float32": "checked by the base class",
    "alpt_ref.tables.lpt.GRANULARITIES": "declared in the method's Options",
    "alpt_ref.tables.plan.make_plan": "unique_rows, which takes no backend",
    "alpt_ref.theory.montecarlo_cuda.linear": "one Monte Carlo driver",
    "alpt_ref.theory.montecarlo_cuda.separable": "one Monte Carlo driver",
    "alpt_ref.verify.code_hash.imported_parts": "imports are followed file by file (`alpt_ref._util.code_parts`)",
    "alpt_ref.verify.plugin.find_folder": "the loader takes no folder of the current directory any more",
    "alpt_ref.verify.stats.MIN_RUNS_FOR_SKEWNESS": "Student's t has no correction for skewness any more",
    "alpt_ref.verify.task.start_worker": "the process runner starts workers",
}
"""Public names of 0.1.0 that have no successor, and why."""


def run(code: str, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(
        command, cwd=old_names.ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """All old paths, imported in one process."""
    simulated = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "tests.util.old_names"]
    done = subprocess.run(command, cwd=old_names.ROOT, env=simulated, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_line_of_the_changelog_can_be_imported_both_ways(report: dict[str, Any]) -> None:
    assert report["failures"] == []
    assert report["unlike"] == []
    assert report["unnamed"] == []
    assert len(old_names.rows_of_changelog()) > 100


def test_the_changelog_has_the_table_that_the_finder_serves() -> None:
    written = old_names.CHANGELOG.read_text(encoding="utf-8")
    assert old_names.table() in written, "run python -m tests.util.old_names --write"


def test_every_public_name_of_the_old_release_is_there_or_known_to_be_gone(report: dict[str, Any]) -> None:
    assert sorted(report["missing"]) == sorted(GONE)


def test_functions_of_the_root_stay_functions(report: dict[str, Any]) -> None:
    before, after = report["functions"]
    assert before == {"train": "function", "compare": "function", "verify": "function"}
    assert after == before


def test_tables_are_sorted_and_disjoint() -> None:
    for table in (MODULES, NAMES, PACKAGES):
        assert list(table) == sorted(table)
    assert not set(MODULES) & set(PACKAGES)


WAYS = (
    "import alpt_ref.train; alpt_ref.train; alpt_ref.train.train",
    "from alpt_ref.train import train; import alpt_ref; assert alpt_ref.train is train",
    "from alpt_ref.verify import Claim; import alpt_ref; assert callable(alpt_ref.verify); alpt_ref.verify.Claim",
    "from alpt_ref.compare import compare; import alpt_ref; assert alpt_ref.compare is compare",
    "import alpt_ref.verify.figures; alpt_ref.verify.figures.load_figures; assert callable(alpt_ref.verify)",
    "import alpt_ref.verify as verify; verify.Claim",
    "import alpt_ref; alpt_ref.train; import alpt_ref.train; assert not hasattr(alpt_ref.train, '__path__')",
    "import alpt_ref.compare.grid as old; import alpt_ref.studies.grid as new; assert old is new",
    "from alpt_ref.reproduce import preset; import alpt_ref.reproduce.study as old; assert old.preset is preset",
    "from alpt_ref.export.source import __name__ as name; assert name == 'alpt_ref.serving.source'",
    "from alpt_ref.data.synthetic import synthetic_clicks as f; import alpt_ref; assert f",
    "from alpt_ref.data.store import reader; from alpt_ref.tables.cuda import rows",
    "from alpt_ref import config; assert config.RunConfig",
    "import alpt_ref; f = lambda: 0; alpt_ref.train = f; assert alpt_ref.train is f",
)
"""Ways to write an old import; each is run in an interpreter that has not met the package."""
FORKS = """
import os, sys, warnings
import numpy, numba, scipy.stats, msgspec  # not this package: a child begins as a new interpreter would, but for these
warnings.simplefilter("ignore", DeprecationWarning)
for number, code in enumerate(sys.argv[1:]):
    child = os.fork()
    if not child:
        exec(code, {"__name__": "__main__"})
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(number)
"""


@pytest.mark.parametrize("cuda", [False, True])
def test_every_way_to_write_an_old_import(cuda: bool) -> None:
    codes = [code for code in WAYS if ("cuda" in code) is cuda]
    simulated = {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"} if cuda else {}
    if hasattr(os, "fork") and not cuda:
        command = [sys.executable, "-c", FORKS, *codes]
        done = subprocess.run(command, cwd=old_names.ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), [codes[int(number)] for number in done.stdout.split()] + [
            done.stderr
        ]
    else:
        for code in codes:
            done = run(code, "-W", "ignore::DeprecationWarning", **simulated)
            assert done.returncode == 0, done.stderr


def test_the_warning_names_the_new_path_and_the_line_that_imports(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nfrom alpt_ref.config import RunConfig\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(old_names.ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"{script}:2: DeprecationWarning: alpt_ref.config is alpt_ref.training.config now" in done.stderr


def test_with_warnings_as_errors_an_old_import_fails_and_new_ones_do_not() -> None:
    old = run("import alpt_ref.metrics", "-W", "error")
    assert old.returncode == 1
    assert old.stderr.rstrip().endswith("the old path will be removed in the next release")
    new = run("from alpt_ref import *; import alpt_ref.studies.reproduce, alpt_ref.verification.runner", "-W", "error")
    assert (new.returncode, new.stderr) == (0, "")


def test_an_old_package_has_no_second_copy_of_its_modules() -> None:
    done = run("import alpt_ref.verify.doubt", "-W", "ignore")
    assert "No module named 'alpt_ref.verify.doubt'; look in alpt_ref.verification" in done.stderr
    code = "import sys, alpt_ref.verify.store as s; import alpt_ref.verification.store as t; assert s is t"
    assert run(code, "-W", "ignore").returncode == 0


@pytest.mark.filterwarnings("ignore:alpt_ref:DeprecationWarning")
def test_a_pickle_of_the_old_release_gives_the_new_class() -> None:
    from alpt_ref.training.config import RunConfig

    assert pickle.loads(b"calpt_ref.config\nRunConfig\n.") is RunConfig


def test_public_names_are_shown_and_importing_them_is_lazy() -> None:
    code = """
import sys, alpt_ref
wanted = {"train", "compare", "verify", "theory", "EmbeddingTable", "TableSpec", "RunResult", "quantize", "RunConfig"}
assert wanted <= set(dir(alpt_ref)), wanted - set(dir(alpt_ref))
assert "numba" not in sys.modules and "numpy" not in sys.modules
for name in dir(alpt_ref):
    value = getattr(alpt_ref, name)
    assert name == "__version__" or value.__doc__, name
"""
    done = run(code, "-W", "error")
    assert done.returncode == 0, done.stderr
