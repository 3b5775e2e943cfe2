"""Learned step size against the best one, over bits and distributions (A2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref._util.looks import NOISES, look, shades
from alpt_ref.verification.figures import Figure
from alpt_ref.verification.results import ClaimResult

from ._style import BOUND, PlottedRow, below, extra, panels

LEARNED = look("alpt-sr")["color"]
LOOKS = {
    name: (colour, NOISES[name]["marker"], NOISES[name]["linestyle"])
    for name, colour in (("normal", LEARNED), ("laplace", shades(LEARNED, 3)[2]))
}
"""Shades of ALPT, the marker and the dash of the distribution."""
BOUNDS = {"bound_excess_error": ("error", "--"), "bound_off_best": ("step size", "-.")}
"""What is bounded, and the dash of its bound."""
LEAST = 1e-10


def draw(results: Mapping[str, ClaimResult]) -> tuple[Any, list[PlottedRow]]:
    figure, (sizes, errors) = panels(2, height=3.2)
    rows: list[PlottedRow] = []
    for distribution, (colour, marker, line) in LOOKS.items():
        cells = [c for c in results["a2"].cells if c.points and c.cell["distribution"] == distribution]
        cells = sorted(cells, key=lambda c: (c.cell["start"], c.cell["bits"]))
        cells = [c for c in cells if c.cell["start"] == cells[-1].cell["start"]]
        bits = [c.cell["bits"] for c in cells]
        name = "Laplace" if distribution == "laplace" else "normal"
        sizes.plot(bits, [extra(c)["best"] for c in cells], color=colour, linestyle=line, linewidth=1.2,
                   label=f"best, {name}")  # fmt: skip
        sizes.plot(bits, [extra(c)["learned"] for c in cells], linestyle="none", marker=marker, color=colour,
                   markerfacecolor="white", markersize=5, label=f"learned, {name}")  # fmt: skip
        for place, (what, fill, dash) in enumerate((("error", "white", "-"), ("step size", colour, (0, (1, 1))))):
            label = f"{what}, {name}"
            values = [max(c.points[place].value, LEAST) for c in cells]
            errors.plot(bits, values, marker=marker, markersize=4.5, markerfacecolor=fill, color=colour, linestyle=dash,
                        linewidth=0.8, label=label)  # fmt: skip
        for c in cells:
            kept = extra(c)
            rows.append({
                "distribution": distribution, "bits": c.cell["bits"], "best": kept["best"], "learned": kept["learned"],
                "predicted_rest": kept["rest"], "least_error": kept["least"], "error": kept["error"],
                "excess_error": c.points[0].value, "bound_excess_error": c.points[0].high,
                "off_best": c.points[1].value, "bound_off_best": c.points[1].high,
            })  # fmt: skip
    bits = sorted({row["bits"] for row in rows})
    for key, (what, dash) in BOUNDS.items():
        bound = [next(row[key] for row in rows if row["bits"] == m) for m in bits]
        errors.plot(bits, bound, color=LEARNED, label=f"bound, {what}", **{**BOUND, "linestyle": dash})
    sizes.set(yscale="log", xlabel="bits $m$", ylabel=r"step size $\Delta$ / scale of $w$")
    errors.set(yscale="log", xlabel="bits $m$", ylabel="relative excess\nof the learned step size", ylim=(LEAST, 0.3))
    below(sizes, 2)
    below(errors, 2)
    return figure, rows


FIGURE = Figure(
    "learned_step",
    "Does learning find the best step size?",
    ("a2",),
    draw,
    caption="Yes: the learned step size differs from the best one by a few percent at 2 bits and by less with "
    "every bit more; its squared error is within a percent of the least.",
    alt="Left: step size over bits on a logarithmic axis, learned markers on the lines of the best, for normal and "
    "Laplace weights. Right: the relative excess of the learned step and of its squared error falls with the bits, "
    "below the bounds that are claimed.",
    notes="(b) Relative excess of the step size and of the squared error over the best; bounds: claim A2.",
)
