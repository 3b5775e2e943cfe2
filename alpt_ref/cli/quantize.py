"""``alpt-ref quantize``: a float32 table from elsewhere, as codes and step sizes."""

from __future__ import annotations

import click

from alpt_ref.cli.options import Interrupted, echo, echo_json, hint, json_option


@click.command("quantize", short_help="Quantise a float32 table (.npy, .safetensors).")
@click.argument("file", metavar="FILE")
@click.option("--bits", type=int, default=8, show_default=True, help="16, 8, 4 or 2.")
@click.option(
    "--rounding", type=click.Choice(["dr", "sr"]), default="dr", show_default=True, help="Nearest, stochastic."
)
@click.option(
    "--step-size",
    "--step",
    "step_size",
    default="lsq",
    show_default=True,
    help="lsq (one, from the mean magnitude), rowmax (one per row), or a number.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of stochastic rounding.")
@click.option("--tensor", metavar="NAME", help="Which tensor of a .safetensors file.  [default: its only one]")
@click.option("--output", metavar="FOLDER", required=True, help="Receives table.safetensors and export.json.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing.")
def quantize_command(
    file: str,
    bits: int,
    rounding: str,
    step_size: str,
    seed: int,
    tensor: str | None,
    output: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Quantise a float32 table (n, d) and print what that costs; `alpt-ref export` takes the result further."""
    from alpt_ref._util.progress import Progress
    from alpt_ref.serving.import_table import quantize_file

    quiet = quiet or as_json
    try:
        with Progress(enabled=not quiet) as progress:
            facts = quantize_file(
                file,
                output,
                bits=bits,
                rounding=rounding,
                step_size=step_size,
                seed=seed,
                tensor=tensor,
                progress=progress,
            )
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written; run the same command to start again") from None
    if as_json:
        echo_json(facts)
    if quiet:
        return
    sizes = f"{facts['step_size_min']:.6g}"
    if facts["step_size_max"] > facts["step_size_min"]:
        sizes += f" to {facts['step_size_max']:.6g}"
    echo(f"table: {facts['n']:,} rows of {facts['d']}, {bits}-bit {rounding}, step size {sizes}")
    echo(f"error: largest {facts['max_abs']:.6g}, rms {facts['rms']:.6g}, {100 * facts['clipped_share']:.3g} % clipped")
    ratio = facts["fp32_bytes"] / facts["table_bytes"]
    echo(f"bytes: {facts['table_bytes']:,} instead of {facts['fp32_bytes']:,} ({ratio:.2f}x smaller)")
    echo(f"wrote {output}/table.safetensors")
    hint("for another runtime", f"alpt-ref export {output} --to torch --output {output}-torch")
