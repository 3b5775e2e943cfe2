"""``alpt-ref train --init-from`` and ``--resume`` with more epochs, on a raw file of the run's format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from alpt_ref.training.checkpoint import read_checkpoint
from tests.cli.calls import SMALL, Caller


def log(path: Path, day: int, rows: int = 300) -> None:
    """Clicks with a schema's columns: a site, of which most are new every day, and a price."""
    rng = np.random.default_rng(day)
    lines = ["click,site,price"]
    for _ in range(rows):
        site = int(rng.integers(0, 20))
        name = f"s{site}" if site < 5 else f"s{site} of day {day}"
        lines.append(f"{int(rng.random() < 0.3 + 0.3 * (site % 2))},{name},{rng.lognormal(day):.1f}")
    path.write_text("\n".join(lines) + "\n")


def test_a_run_goes_on_by_its_own_schema_vocabulary_and_settings(run: Caller, tmp_path: Path) -> None:
    for day in (1, 2):
        log(tmp_path / f"{day}.csv", day)
    schema = 'label = "click"\ncategorical = ["site"]\n[numeric.price]\nbinning = "quantile"\nbins = 4\n'
    (tmp_path / "log.toml").write_text(schema)
    split = ("--split", "order", "--shares", "7:2:1")
    assert run("train", "--input", "1.csv", "--schema", "log.toml", *split, *SMALL, "--output", "one").status == 0
    (tmp_path / "log.toml").unlink()
    again = ("train", "--input", "2.csv", "--init-from", "one", "--output", "two", "--seed", "3")
    done = run(*again, "--set", "train.epochs=1")
    assert done.status == 0, done.err
    before, after = read_checkpoint("one"), read_checkpoint("two")
    assert before.vocabulary is not None
    assert after.vocabulary is not None
    assert [after.meta["info"]["encoding"][key] for key in ("by", "split")] == ["order", [7, 2, 1]]  # as there
    size = len(before.vocabulary.categories(0))
    assert after.vocabulary.categories(0)[:size] == before.vocabulary.categories(0)
    assert set(after.vocabulary.categories(0)[size:]) == {f"s{k} of day 2" for k in range(5, 20)}
    assert after.vocabulary.categories(1) == before.vocabulary.categories(1)  # edges of bins
    assert json.loads(Path("two/init_from.json").read_text())["added"] == [15, 0]
    assert f"{size + 2 + len(before.vocabulary.categories(1))} ids kept, 15 added" in done.err
    assert after.config.train.seed == 3
    assert after.config.table == before.config.table
    refused = run(*again, "--set", "train.epochs=3")
    assert "train.epochs is 1 there and 3 here), which --resume goes on with" in refused.err
    longer = run(*again, "--set", "train.epochs=3", "--resume")
    assert longer.status == 0, longer.err
    assert len(read_checkpoint("two").meta["history"]) == 3
    other = run("train", "--input", "1.csv", "--init-from", "two", "--output", "two")
    assert (other.status, other.err.count("\n")) == (2, 1)
    assert "output must be another folder" in other.err
