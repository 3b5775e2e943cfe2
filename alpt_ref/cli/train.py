"""``alpt-ref train``: one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import Interrupted, advice, config_options, data_options, describe, echo_unless, make_config, run_options

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data.dataset import ClickDataset
    from ..history import RunResult


@click.command("train", short_help="Train one table and model.")
@data_options
@config_options
@click.option("--seed", type=click.IntRange(min=0), help="Initial weights, order of rows, rounding.  [default: 0]")
@click.option("--output", metavar="FOLDER", help="Keep result, history and state here.  [default: nothing is kept]")
@run_options
def train_command(seed: int | None, output: str | None, quiet: bool, device: str, **options: Any) -> None:
    """Train one embedding table and model, and test it.

    Without data arguments the synthetic set is drawn. The method is chosen by settings, for example `--set
    table.method=lpt --set table.bits=4 --set table.rounding=dr` (default: alpt, 8 bits, sr).

    An output folder that holds this run's finished result is read instead of training again.
    """
    config = make_config(options)
    if seed is not None:
        config = config.replace("train", seed=seed)
    say = echo_unless(quiet)
    from ..progress import Progress
    from ..sources import load_dataset
    from ..train import train

    with Progress(enabled=not quiet) as progress:
        dataset = load_dataset(config.data, progress=progress)
    say(describe(dataset))
    say(advice(config, dataset))
    try:
        result = train(config, dataset, output=output, progress=Progress(enabled=not quiet))
    except KeyboardInterrupt:
        kept = "nothing was kept" if output is None else f"finished epochs are in {output}/history.jsonl"
        raise Interrupted(f"interrupted; {kept}; the same command trains again from the start") from None
    click.echo(_report(config, dataset, result, quiet))


def _report(config: RunConfig, dataset: ClickDataset, result: RunResult, quiet: bool) -> str:
    lines = []
    if not quiet:
        lines.append("epoch  table lr  train loss  valid AUC  valid logloss  samples/s")
        lines += [
            f"{one.epoch:5d}  {one.lr['table']:8.1e}  {one.train_loss:10.5f}  {one.valid_auc:9.5f}  "
            f"{one.valid_logloss:13.5f}  {one.timing['samples_per_s']:9,.0f}"
            for one in result.history
        ]
    name = result.label if result.bits is None else f"{result.label} {result.bits}-bit"
    lines.append(
        f"{name} {config.model.kind}, seed {result.seed}, state after epoch {result.tested_epoch}: "
        f"test AUC {result.test_auc:.5f}, test logloss {result.test_logloss:.5f}; "
        f"table bytes {result.training_bytes:,} in training, {result.serving_bytes:,} in serving"
    )
    if "bayes_auc" in dataset.info:
        optimum = f"AUC {dataset.info['bayes_auc']:.5f}, logloss {dataset.info['bayes_logloss']:.5f}"
        lines.append(f"Bayes optimum on the test rows: {optimum}")
    return "\n".join(lines)
