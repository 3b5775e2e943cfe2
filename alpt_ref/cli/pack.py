"""``alpt-ref pack``: a run stripped for serving."""

from __future__ import annotations

import click

from alpt_ref.cli.options import allow_option, echo, echo_json, hint, json_option


@click.command("pack", short_help="Strip a run for serving.")
@click.argument("run", metavar="RUN_OR_CHECKPOINT")
@allow_option
@click.option("--output", metavar="FOLDER", required=True, help="Receives the packed run.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing.")
def pack_command(run: str, output: str, as_json: bool, quiet: bool) -> None:
    """Keep of a run what scoring needs: codes and step sizes, dense weights, configuration, schema and vocabulary.

    `alpt-ref predict`, `alpt-ref export` and `alpt_ref.Scorer` take the folder in place of the run. It has no optimiser
    state and no history, so training cannot resume from it.
    """
    from alpt_ref.serving.packed import describe, pack

    facts = pack(run, output)
    if as_json:
        echo_json(facts)
    if quiet or as_json:
        return
    for line in describe(facts):
        echo(line)
    echo(f"wrote {output}")
    hint("score rows", f"alpt-ref predict {output} FILE --output scores.csv")
