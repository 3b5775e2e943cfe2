"""``alpt-ref export``: a trained table for other runtimes."""

from __future__ import annotations

import click

from alpt_ref.cli.options import allow_option, echo, echo_json, hint, json_option


@click.command("export", short_help="Write a trained model for PyTorch, FBGEMM or ONNX Runtime.")
@click.argument("source", metavar="RUN_OR_CHECKPOINT")
@click.option(
    "--to",
    "to",
    type=click.Choice(["safetensors", "torch", "fbgemm", "tbe", "onnx"]),
    required=True,
    help="Codes and step sizes; the same with a PyTorch module; fused rows; ONNX graphs.",
)
@allow_option
@click.option("--output", metavar="FOLDER", required=True, help="Receives the files and export.json.")
@click.option("--wide", is_flag=True, help="fbgemm: 4- and 2-bit codes as 8-bit rows with float32 scales, exact.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing.")
def export_command(source: str, to: str, output: str, wide: bool, as_json: bool, quiet: bool) -> None:
    """Write table, backbone and vocabulary of a run for other runtimes.

    RUN_OR_CHECKPOINT is the output folder of `alpt-ref train` or `pack`, a checkpoint, or the folder of a table that
    `alpt-ref quantize` wrote. `encode.py` in the export turns raw rows into ids without this package. Printed: how
    far values are from `table.lookup`, and what the export lacks.
    """
    from alpt_ref.serving import export
    from alpt_ref.serving.complete import sentence

    facts = export(source, to, output, wide=wide)
    if as_json:
        echo_json(facts)
    if quiet or as_json:
        return
    width = f"{facts['bits']}-bit" if facts["bits"] < 32 else "float32"
    echo(f"table: {facts['n']:,} rows of {facts['d']}, {width}, {facts['table_bytes']:,} bytes")
    echo(f"values: {facts['values']}")
    if "scope" in facts:
        echo(f"scope: {facts['scope']}")
    echo(sentence(facts["lacks"]))
    for name, entry in facts["files"].items():
        echo(f"wrote {output}/{name} ({entry['bytes']:,} bytes)")
    if "vocabulary.json" in facts["files"]:
        hint("score in this package without the run", f"alpt-ref pack {source} --output {output}-packed")
    else:
        hint("what it holds", f"cat {output}/export.json")
