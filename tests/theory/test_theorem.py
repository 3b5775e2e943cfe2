"""A theorem is stated once: the docstring of the function behind it has every part, and a claim repeats none."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import (
    adam_stall,
    averaging,
    bounds,
    crossover,
    dither,
    few_bits,
    identities,
    lattice,
    learned_step_size,
    quadratic_laws,
    regulariser,
    stalling,
    supermartingale,
)
from alpt_ref.theory.theorem import theorem

MODULES: tuple[ModuleType, ...] = (
    bounds, stalling, dither, crossover, identities, lattice, quadratic_laws, adam_stall, averaging, few_bits,
    regulariser, supermartingale,
)  # fmt: skip
STATED = {
    "sr_convex_constant": "S1", "sr_convex_sqrt": "S2", "sr_strongly_convex_inverse": "S3",
    "sr_strongly_convex_constant": "S4", "sr_smooth": "S5", "step_size_change_floor": "A1",
    "unified_convex": "U1", "grid_floor": "T2", "sr_adagrad": "S6", "adam_dr_first_move": "D7",
    "sr_convex_row_steps": "S1D", "sr_convex_learned_steps": "A1C",
    "dr_convex_constant": "D1", "dr_convex_sqrt": "D2", "dr_is_fixed": "D3", "dr_quadratic_stall": "D3",
    "dr_freeze_step": "D3", "separation": "D4", "dither_bias_bound": "D5",
    "quiet_ratio": "D5b quiet", "loud_ratio": "D5b loud", "whole_width_ratio": "D5b whole",
    "step_size_change_variance": "A1", "lattice_bias": "R1",
    "sr_bias": "R1", "sr_variance": "R2", "sr_error_from_grid": "R3", "dr_error_bound": "R4",
    "expected_step_size_derivative": "R5",
    "mean_error": "X1", "quadratic_stationary": "X2", "noisy_quadratic_second_moment": "X3",
    "averaged_second_moment": "X4", "increment": "X5", "few_bits_stall": "R8", "word_bias_floor": "R8b",
    "expected_rise": "R9",
    "sr_pl_constant": "S7", "dr_residual_constant": "EF1", "eco_constant": "EF1b",
}  # fmt: skip


def public(module: ModuleType) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__.startswith(module.__name__) and not name.startswith("_")
    }


@pytest.mark.parametrize("name", STATED)
def test_a_docstring_states_its_theorem_in_full(name: str) -> None:
    function = next(vars(module)[name] for module in (*MODULES, learned_step_size) if name in vars(module))
    stated = theorem(function)
    assert stated.name == STATED[name]
    assert stated.statement.count("$") % 2 == 0
    assert stated.statement.count("$") > 0
    assert stated.plain
    assert stated.proof
    assert stated.source.split(";")[0].split(",")[0] in ("ours", "Esser et al.")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_function_has_an_example(module: ModuleType) -> None:
    functions = public(module)
    assert functions
    assert [name for name, function in functions.items() if ">>>" not in (inspect.getdoc(function) or "")] == []


def test_paragraphs_of_a_statement_are_lines_and_a_missing_part_is_named() -> None:
    assert theorem(stalling.dr_is_fixed).statement.splitlines()[1] == (
        "at the smallest (largest) code the lower (upper) end is free"
    )
    with pytest.raises(InputError, match="dither_bias has no section Statement or In words or Proof or Source"):
        theorem(dither.dither_bias)


QUANTIZED_NETS, DIMENSION_FREE = "Training Quantized Nets", "De Sa"
RELATIVES = {
    "sr_convex_constant": (QUANTIZED_NETS, DIMENSION_FREE),
    "sr_convex_sqrt": (QUANTIZED_NETS, DIMENSION_FREE),
    "sr_strongly_convex_inverse": (QUANTIZED_NETS, DIMENSION_FREE),
    "sr_strongly_convex_constant": (DIMENSION_FREE,),
    "sr_error_from_grid": (QUANTIZED_NETS, DIMENSION_FREE),
    "sr_convex_constant_small_updates": ("Stochastic Markov Gradient Descent", "2008.11117"),
    "sr_strongly_convex_constant_small_updates": ("Stochastic Markov Gradient Descent", "2008.11117"),
    "unified_convex": (DIMENSION_FREE,),
    "grid_floor": (DIMENSION_FREE, "SWALP"),
    "few_bits_stall": ("2504.20634", "2408.03069"),
    "sr_pl_constant": ("2301.09511",),
    "sr_smooth": ("2202.12276",),
}
"""What is close to a theorem and was published before it."""


@pytest.mark.parametrize("name", RELATIVES)
def test_the_closest_published_relatives_are_named(name: str) -> None:
    function = next(vars(module)[name] for module in MODULES if name in vars(module))
    source = theorem(function).source if name in STATED else " ".join((inspect.getdoc(function) or "").split())
    assert [one for one in RELATIVES[name] if one not in source] == []
