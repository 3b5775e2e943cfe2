"""A table and a backbone that the package does not know: in `train`, configuration, run hash and a run's folder."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import pytest

from alpt_ref import RunConfig, synthetic_clicks
from alpt_ref._util import parts
from alpt_ref.errors import InputError
from alpt_ref.models import Fm
from alpt_ref.serving import export
from alpt_ref.serving.source import load
from alpt_ref.tables import FullTable, LowPrecisionTable
from alpt_ref.training.config import PRESETS, canonical, code_of, config_hash
from alpt_ref.training.config_io import apply_overrides, dump_toml, load_toml
from alpt_ref.training.train import train

HERE = f"{__name__}:Clipped"


class Clipped(FullTable):
    """FP32 with bounded weights."""

    class Options(msgspec.Struct, frozen=True):
        limit: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        bits: Annotated[int, msgspec.Meta(ge=1, le=32)] = 32

    def _update(self, plan: Any, grads: Any, lr: float, batch_size: int) -> None:
        super()._update(plan, grads, lr, batch_size)
        np.clip(self.weights, -self.spec.limit, self.spec.limit, out=self.weights)


class Offset(Fm):
    """FM with a fixed offset."""

    class Options(msgspec.Struct, frozen=True):
        offset: float = 0.0

    def __init__(self, *arguments: Any, offset: float = 0.0, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params["bias"][...] = offset


@pytest.fixture(autouse=True)
def _unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No class has been named by the caller yet."""
    monkeypatch.setattr(parts, "_BY_CALLER", {})


@pytest.fixture(scope="module")
def data() -> Any:
    return synthetic_clicks(rows=1200, fields=3, features=60, seed=0)


def tiny() -> RunConfig:
    config = RunConfig().replace("model", kind="fm", dim=3).replace("table", lr=0.1)
    return config.replace("train", batch_size=100, epochs=1)


def test_a_class_a_name_and_a_setting_reach_training(data: Any) -> None:
    config = tiny()
    result = train(config, data, table=Clipped, model=Offset)
    assert (result.label, result.bits) == (HERE, 32)
    assert type(result.table) is Clipped
    assert type(result.model) is Offset
    named = config.replace("table", method=HERE, limit=0.01).replace("model", kind=f"{__name__}:Offset", offset=-1.0)
    result = train(named, data)
    weights: Any = result.table
    assert np.abs(weights.weights).max() == np.float32(0.01)
    assert train(config, data, table="fp32").label == "fp32"


def test_settings_of_the_class_go_through_toml_the_command_line_and_pickle(tmp_path: Path) -> None:
    config = apply_overrides(tiny(), ["table.limit=0.25", f"table.method={HERE}"])
    assert (config.table.limit, config.table.bits) == (0.25, 32)  # type: ignore[attr-defined]
    (tmp_path / "run.toml").write_text(dump_toml(config))
    assert load_toml(tmp_path / "run.toml") == config
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(InputError, match=r"table\.limit must be a finite number above 0, got -1"):
        config.replace("table", limit=-1)
    with pytest.raises(InputError, match=r"unknown setting 'table\.limt' in --set; did you mean 'limit'"):
        apply_overrides(config, ["table.limt=1"])
    with pytest.raises(InputError, match=r"unknown setting 'table\.limit' in --set"):
        apply_overrides(RunConfig(), ["table.limit=1"])


def test_another_method_takes_its_own_defaults_and_keeps_what_was_set() -> None:
    chosen = RunConfig().replace("table", lr=0.25).replace("table", method=HERE)
    assert (chosen.table.bits, chosen.table.lr) == (32, 0.25)  # 8 was the default of the method before
    assert RunConfig().replace("table", bits=4).replace("table", method=HERE).table.bits == 4
    back = chosen.replace("table", method="alpt")
    assert back == RunConfig().replace("table", lr=0.25)


def test_the_hash_sees_settings_and_source_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny().replace("table", method=HERE)
    hashes = {config_hash(config), config_hash(config.replace("table", limit=0.25))}
    assert config_hash(config.replace("table", step_lr=0.5)) in hashes  # a setting that it does not have
    assert set(canonical(config)["table"]) == {
        "method", "optimizer", "lr", "weight_decay", "init_std", "limit", "bits", "code",
    }  # fmt: skip
    monkeypatch.setattr("alpt_ref.training.config.identity", lambda entry: {"source": "another", "distribution": ""})
    hashes.add(config_hash(config))
    assert len(hashes) == 3
    assert code_of(RunConfig()) == {}


@pytest.mark.parametrize(
    ("section", "changes", "expected"),
    [
        ("table", {}, "a9b16e50694e6062"),
        ("table", {"method": "fp32"}, "ef944e49e27b0965"),
        ("table", {"method": "lpt"}, "9926e3acf844bde1"),
        ("table", {"method": "hashing"}, "faddf5b02b881ebe"),
        ("table", {"method": "pruning"}, "106ec68d8b04ca36"),
        ("table", {"method": "pact"}, "0ec6add763430d6f"),
        ("table", {"method": "lsq"}, "f128ee1738c26264"),
        ("model", {"kind": "logistic", "dim": 1}, "99a2bf2ce99955b9"),
        ("model", {"kind": "fm", "dim": 8}, "05b53e338e63ebab"),
        ("model", {"kind": "deepfm", "dim": 8}, "b7a37001a4f003a8"),
        ("train", {"device": "cuda"}, "1b120fbfc56c2514"),
        ("table", {"bits": 4, "init_step": "range", "init_range": 0.5, "rounding": "dr", "min_step": 1e-6,
                   "granularity": "field", "two_pass": False, "step_lr": 1e-4}, "a45b16f7ba5f9205"),
    ],
)  # fmt: skip
def test_built_in_parts_have_the_hashes_of_release_0_1(section: str, changes: dict[str, Any], expected: str) -> None:
    assert config_hash(PRESETS["paper"].replace(section, **changes)).startswith(expected)


def test_a_runs_own_files_import_only_what_the_caller_names(
    data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny(), data, table=Clipped, output=tmp_path / "run")
    for act in (
        lambda: export(tmp_path / "run", "safetensors", tmp_path / "out"),
        lambda: train(tiny(), data, output=tmp_path / "run"),
    ):
        monkeypatch.setattr(parts, "_BY_CALLER", {})
        with pytest.raises(InputError, match=f"names the class '{HERE}' as table.method, .*--allow {HERE}"):
            act()
    parts.allow(HERE)
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    again = train(tiny(), data, table=HERE, output=tmp_path / "run")
    assert again.label == HERE


def test_a_run_of_another_version_of_the_class_is_not_taken_for_this_one(
    data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alpt_ref.training.trainer import StoppedError

    config = tiny().replace("table", method=Clipped).replace("train", epochs=2)
    with pytest.raises(StoppedError):
        train(config, data, output=tmp_path / "stopped", stop=lambda: True)
    train(config, data, output=tmp_path / "done")
    changed = lambda entry: {"source": "another", "distribution": ""}  # noqa: E731
    monkeypatch.setattr("alpt_ref.training.config.identity", changed)
    with pytest.raises(InputError, match=r"written with another version of table\.method; bring that version back"):
        train(config, data, output=tmp_path / "stopped", resume=True)
    with pytest.raises(InputError, match=r"a run of another version of table\.method"):
        train(config, data, output=tmp_path / "done")


class Shifted(LowPrecisionTable):
    """Reads something else than code times step size, without a word about it."""

    def _lookup(self, ids: Any, out: Any) -> None:
        super()._lookup(ids, out)
        out += np.float32(0.25)


@pytest.mark.parametrize(("table", "bits"), [(LowPrecisionTable, 8), (Shifted, 32), (Clipped, 32)])
def test_what_is_exported_is_what_the_table_reads(data: Any, tmp_path: Path, table: Any, bits: int) -> None:
    result = train(tiny(), data, table=table, output=tmp_path / "run")
    facts = export(tmp_path / "run", "safetensors", tmp_path / "out")
    assert facts["bits"] == bits
    rows = np.arange(result.table.n)
    assert np.array_equal(load(tmp_path / "out").table.lookup(rows), result.table.lookup(rows))


class TwicePerStep(FullTable):
    """Two passes, and no setting to switch one off."""

    two_pass_capable = True
    calls: ClassVar[list[str]] = []

    def begin_update(self, ids: Any, grads: Any, *, lr: float | None = None) -> Any:
        self.calls.append("begin")
        return ids, grads, lr

    def lookup_pending(self, pending: Any) -> Any:
        self.calls.append("lookup")
        return self.lookup(pending[0])

    def finish_update(self, pending: Any, grads: Any, *, batch_size: int | None = None) -> None:
        self.calls.append("finish")
        self.apply_gradients(pending[0], pending[1], lr=pending[2], batch_size=batch_size)


def test_two_passes_of_a_class_are_made(data: Any) -> None:
    config = tiny().replace("table", method=TwicePerStep)
    train(config.replace("table", two_pass=False), data)  # a setting of ALPT, which this class does not have
    steps = -(-len(data.rows_of("train")) // 100)
    assert TwicePerStep.calls == ["begin", "lookup", "finish"] * steps


def test_a_local_class_cannot_go_to_another_process() -> None:
    class Local(Clipped):
        pass

    with pytest.raises(InputError, match=r"cannot be used in other processes, .* move it to a module"):
        pickle.dumps(tiny().replace("table", method=Local))


SCRIPT = """
from alpt_ref import RunConfig, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.studies.comparison import compare
from alpt_ref.tables import FullTable

class Mine(FullTable):
    pass

if __name__ == "__main__":
    config = RunConfig().replace("model", kind="fm", dim=2).replace("train", epochs=1).replace("table", method=Mine)
    data = synthetic_clicks(rows=600, fields=2, features=20, seed=0)
    try:
        compare(config, data, "out", methods=["fp32", "__main__:Mine"], seeds=[0, 1], jobs=2)
    except InputError as error:
        print(error)
    found = compare(config, data, "out", methods=["fp32", "__main__:Mine"], seeds=[0], jobs=1)
    print([row.setting.label for row in found.rows])
"""


def test_a_class_of_the_script_itself_is_refused_in_worker_processes_and_runs_in_one(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(parts.__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, labels = done.stdout.splitlines()
    assert refused.startswith("table.method '__main__:Mine' cannot be used in other processes")
    assert labels == "['fp32', '__main__:Mine']"
