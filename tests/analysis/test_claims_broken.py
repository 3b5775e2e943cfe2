"""Breaking the package's rounding turns the matching claims red, and leaves alone those that do not depend on it.

A compiled function is rebuilt from its own source with one name in it replaced: what the claims then measure is the
package's code with one defect, all the way from the scalar rule to the kernels behind `quantize`.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.kernels.cpu import quantize, random
from alpt_ref.scalar import lattice, quantizer, rounding
from alpt_ref.scalar.jit import scalar
from tests.analysis.test_claims_rsx import verdict


def rebuilt(compiled: Any, **names: Any) -> Any:
    """The jitted function once more, with other functions under these names."""
    source = compiled.py_func
    changed = types.FunctionType(source.__code__, {**source.__globals__, **names}, source.__name__)
    return scalar(changed)


def break_quantize_sr(patch: pytest.MonkeyPatch, **names: Any) -> None:
    """Rebuild `quantize_sr` with a chunk of rows made under these names."""
    chunk = rebuilt(quantize.quantize_chunk, **names)
    patch.setattr(quantize, "quantize_sr", rebuilt(quantize.quantize_sr, quantize_chunk=chunk))


def break_stochastic_rounding(patch: pytest.MonkeyPatch, sr: Any, goes_away: Any) -> None:
    """Both rules: of a move on the grid, and of a weight between the values of codes."""
    code = rebuilt(lattice.random_code, random_in_cell=rebuilt(lattice.random_in_cell, goes_away=goes_away))
    patch.setattr(lattice, "random_code", code)
    patch.setattr(quantizer, "moved_code", rebuilt(quantizer.moved_code, sr=sr))
    break_quantize_sr(patch, random_code=code)


def biased_word(patch: pytest.MonkeyPatch) -> None:
    right, right_away, less = rounding.sr, lattice.goes_away, np.uint32(1 << 24)

    @scalar
    def sr(x: np.float32, word: np.uint32) -> np.int32:
        return right(x, np.uint32(word - min(word, less)))

    @scalar
    def goes_away(word: np.uint32, rest: np.float32, gap: np.float32) -> bool:
        return bool(right_away(np.uint32(word - min(word, less)), rest, gap))

    break_stochastic_rounding(patch, sr, goes_away)


def floor_for_nearest(patch: pytest.MonkeyPatch) -> None:
    @scalar
    def broken(x: np.float32) -> np.int32:
        whole = np.int32(x)
        return np.int32(whole - np.int32(1)) if np.float32(whole) > x else whole

    @scalar
    def in_cell(
        negative: bool, size: np.float32, whole: np.float32, count: np.int32, step_size: np.float32
    ) -> np.int32:
        return np.int32(-count - (size > np.float32(whole * step_size))) if negative else count

    code, derivative = (
        rebuilt(lattice.nearest_code, nearest_in_cell=in_cell),
        rebuilt(quantizer.step_derivative, dr=broken),
    )
    patch.setattr(lattice, "nearest_code", code)
    patch.setattr(quantizer, "step_derivative", derivative)
    patch.setattr(quantizer, "moved_code", rebuilt(quantizer.moved_code, dr=broken))
    patch.setattr(quantize, "quantize_dr", rebuilt(quantize.quantize_dr, nearest_code=code))
    patch.setattr(quantize, "step_gradient", rebuilt(quantize.step_gradient, step_derivative=derivative))


def one_word_a_row(patch: pytest.MonkeyPatch) -> None:
    right = random.compact_rows

    @scalar
    def broken(words: Any, rows: int, d: int, stride: int) -> None:
        right(words, rows, d, stride)
        for i in range(rows):
            for j in range(1, d):
                words[i * d + j] = words[i * d]

    break_quantize_sr(patch, compact_rows=broken)


CASES = [
    (biased_word, ("r1", "r2", "r3", "r6"), ("r4", "r5", "r7")),
    (floor_for_nearest, ("r4", "r5"), ("r1", "r2", "r3", "r6")),
    (one_word_a_row, ("r7",), ("r3", "r6")),
]


@pytest.mark.parametrize(("defect", "red", "green"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_defect_refutes_the_matching_claims(
    defect: Any, red: tuple[str, ...], green: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    defect(monkeypatch)
    assert {name: verdict(name, tmp_path).outcome for name in red} == dict.fromkeys(red, "REFUTED")
    outcomes = {name: [cell.outcome for cell in verdict(name, tmp_path).cells] for name in green}
    assert {name for name in green if "REFUTED" in outcomes[name]} == set()


def test_rebuilding_without_a_defect_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    break_stochastic_rounding(monkeypatch, rounding.sr, lattice.goes_away)
    names = ("r1", "r2", "r3", "r6", "r7")
    assert {verdict(name, tmp_path).outcome for name in names} == {"SUPPORTED"}


def test_the_generator_itself_is_caught_when_its_words_are_biased(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only the words that `quantize` draws are biased: the cells of R1 that count the scalar rules stay green."""
    right, less = random.fill_words, np.uint32(1 << 24)

    @scalar
    def broken(lanes: int, c0: Any, c1: Any, step: int, purpose: int, k0: Any, k1: Any, words: Any) -> None:
        right(lanes, c0, c1, step, purpose, k0, k1, words)
        for i in range(4 * lanes):
            words[i] -= min(words[i], less)

    break_quantize_sr(monkeypatch, draw_chunk=rebuilt(random.draw_chunk, fill_words=broken))
    cells = verdict("r1", tmp_path).cells
    outcomes = {"all": {"SUPPORTED"}, "chosen": {"REFUTED"}, "drawn": {"REFUTED"}}
    assert {words: {cell.outcome for cell in cells if cell.cell["words"] == words} for words in outcomes} == outcomes
