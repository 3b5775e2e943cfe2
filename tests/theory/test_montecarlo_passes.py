"""Parts of a step of the Monte Carlo driver on a few elements, by hand, in plain Python: no kernel is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_passes as passes
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from tests.plain import plain

from . import oracle

F, C, U = np.float32, np.int32, np.uint32
KEY = (123456789, 7)
SEED = 7 << 32 | 123456789


@pytest.fixture(autouse=True)
def _wrapping() -> Iterator[None]:
    """Whole numbers of NumPy warn where they wrap around."""
    with np.errstate(over="ignore"):
        yield


def method(**changes: Any) -> Any:
    given: dict[str, Any] = {
        "rounding": kinds.STOCHASTIC, "noise": kinds.NOISE_NONE, "start": np.array([3, -2, 5], C), "low": C(-8),
        "step_size": np.array([0.5, 0.25, 0.125]), "high": C(7), "sigma": F(0.5), "k0": U(KEY[0]), "k1": U(KEY[1]),
        "learning_rates": np.array([0.3, 0.3, 0.1, 0.1, 0.2, 0.3]),
    }  # fmt: skip
    return SimpleNamespace(**given | changes)


def test_rates_are_those_of_their_step_and_kept_while_they_stay() -> None:
    set_rates, sizes = plain(passes.set_rates), np.array([0.5, 0.25, 0.125])
    for step_size in (sizes, np.full(3, 0.25)):
        for rounding in (kinds.STOCHASTIC, kinds.FULL):
            made = method(step_size=step_size, rounding=rounding)
            buffers = SimpleNamespace(rate=np.full(7, F(-1.0)))
            for t, eta in enumerate(made.learning_rates.tolist()[:5], start=1):
                set_rates(t, 6, made, buffers)
                unit = np.ones(3) if rounding == kinds.FULL else step_size
                assert buffers.rate[:6].tolist() == (eta / np.tile(unit, 2)).astype(F).tolist()
            assert buffers.rate[6] == -1.0
            buffers.rate[:] = 9.0
            for t, kept in ((2, True), (3, False), (4, True), (5, False)):
                set_rates(t, 6, made, buffers)
                assert (buffers.rate[0] == 9.0) == kept
                buffers.rate[:] = 9.0


def test_rate_of_a_single_coordinate() -> None:
    buffers = SimpleNamespace(rate=np.zeros(2, F))
    plain(passes.set_rates)(3, 2, method(step_size=np.array([0.5]), start=np.array([1], C)), buffers)
    assert buffers.rate.tolist() == [F(0.2)] * 2


def test_one_step_size_is_one_for_every_coordinate() -> None:
    one = plain(passes.one_step_size)
    for sizes, same in (([0.5], 1), ([0.5, 0.5], 1), ([0.25, 0.5], 0), ([0.5, 0.25], 0), ([0.5, 0.5, 0.25], 0)):
        assert one(method(step_size=np.array(sizes))) == bool(same)
    assert not one(method(step_size=np.array([0.25, 0.5, 0.5])))


def test_counters_of_blocks_of_four_elements() -> None:
    counters = plain(passes.element_counters)
    for first in (0, 4, 4096, 4 * (2**32 - 2), 4 * (2**32 + 5), 4 * (3 * 2**32 - 1)):
        low, high = np.full(5, 9, U), np.full(5, 9, U)
        counters(first, 4, low, high)
        blocks = [first // 4 + lane for lane in range(4)]
        assert low.tolist() == [block % 2**32 for block in blocks] + [9]
        assert high.tolist() == [block // 2**32 * 2**16 for block in blocks] + [9]


def test_every_run_begins_at_the_start() -> None:
    buffers = SimpleNamespace(code=np.zeros(7, C), w=np.zeros(7, F), step_size=np.tile(F([0.5, 0.25, 0.125]), 3)[:7])
    plain(passes.place_start)(7, method(), buffers)
    assert buffers.code.tolist() == [3, -2, 5, 3, -2, 5, 3]
    assert buffers.w.tolist() == [1.5, -0.5, 0.625, 1.5, -0.5, 0.625, 1.5]


def buffers_of(n: int) -> Any:
    lanes = (n + 3) // 4
    words = {name: np.zeros(4 * lanes, U) for name in ("random_bits", "noise_bits", "angle_bits")}
    buffers = SimpleNamespace(
        **words, c0=np.zeros(lanes, U), c1=np.zeros(lanes, U), code=np.zeros(n, C), w=np.zeros(n, F), g=np.zeros(n, F),
        rate=np.zeros(n, F), step_size=np.full(n, F(0.25)), pending_noise=np.zeros(n, F),
    )  # fmt: skip
    plain(passes.element_counters)(0, lanes, buffers.c0, buffers.c1)
    return buffers


def test_noise_of_each_step_takes_its_own_words() -> None:
    """For numbers of elements that fill a block of four, and that do not; words last 32 steps, pairs two."""
    add_noise = plain(passes.add_noise)
    for n in (1, 4, 6):
        for kind, name in ((1, "two-point"), (2, "uniform"), (3, "normal")):
            buffers, sigma = buffers_of(n), F(0.5)
            noise = SimpleNamespace(kind=name, sigma=0.5, largest=0.5)
            wanted = oracle.twin.noises(noise, n, 35, SEED)  # type: ignore[arg-type]
            for t in range(1, 36) if kind != 2 else range(1, 4):
                buffers.g[:] = F(0.25)
                add_noise(t, n, method(noise=kind, sigma=sigma), buffers)
                assert buffers.g.tolist() == (F(0.25) + wanted[t - 1]).tolist()


def test_updates_by_their_definition() -> None:
    eta, g = 0.3, np.array([1.5, -2.0, 0.25, 40.0, -50.0, 3.0], F)
    for rounding, name in ((kinds.STOCHASTIC, "sr"), (kinds.NEAREST, "dr"), (kinds.FULL, "full")):
        for sizes in ([0.25], [0.25] * 4, [0.25] * 6, [0.25, 0.5, 0.125, 0.5], [0.25, 0.5, 0.125] * 2):
            n, each_coordinate = len(sizes), np.array(sizes[: 4 if len(sizes) == 4 else 3])
            made = method(rounding=rounding, step_size=each_coordinate, learning_rates=np.array([0.9, eta, 0.1]))
            buffers, unit, code = buffers_of(n), np.array(sizes, F), np.array([3, -2, 5, 3, -2, 5], C)[:n]
            buffers.step_size[:], buffers.code[:], buffers.w[:], buffers.g[:] = unit, code, code * unit, g[:n]
            buffers.rate[:] = F(eta) if rounding == kinds.FULL else (eta / np.array(sizes)).astype(F)
            plain(passes.update_all if sizes[-1] == sizes[n // 2] == 0.25 else passes.update_each)(2, n, made, buffers)
            if rounding == kinds.FULL:
                wanted = np.clip(code * unit - F(eta) * g[:n], F(-8) * unit, F(7) * unit)
            else:
                words = oracle.words(n, 1, oracle.twin.ROUNDING, SEED)
                move = oracle.twin.round_move(-(eta / np.array(sizes)).astype(F) * g[:n], name, words)
                codes = np.clip(code + move, -8, 7)
                assert buffers.code.tolist() == codes.tolist()
                wanted = codes.astype(F) * unit
            assert buffers.w.tolist() == wanted.astype(F).tolist()


def test_an_update_of_millions_of_steps_is_cut_before_it_is_a_whole_number() -> None:
    assert passes._FAR == 2.0**22
    assert passes._U32 == 32
    for rate in (F(2.0**21), F(1e30)):
        for g in (F(5.0), F(-5.0)):
            wanted = -8 if g > 0 else 7
            assert plain(passes.next_code_stochastic)(C(3), rate, g, U(0), C(-8), C(7)) == wanted
            assert plain(passes.next_code_nearest)(C(3), rate, g, C(-8), C(7)) == wanted
    widest = C(2**30)
    assert plain(passes.next_code_nearest)(C(0), F(1e30), F(-1.0), -widest, widest) == 2**22
    assert plain(passes.next_code_stochastic)(C(0), F(1e30), F(1.0), U(0), -widest, widest) == -(2**22)


def test_words_of_the_driver_in_numpy() -> None:
    assert each._U32 == 32
    for lo, hi in ((0, 2), (1, 3)):
        out = np.zeros(12, U)
        plain(each.element_words)(lo, hi, 2**32 + 9, 17, U(KEY[0]), U(KEY[1]), out)
        wanted = np.zeros(12, U)
        wanted[4 * lo : 4 * hi] = oracle.words(12, 2**32 + 9, 17, SEED)[4 * lo : 4 * hi]
        assert out.tolist() == wanted.tolist()


def test_few_bits_by_their_definition() -> None:
    update, out = F([0.75, -0.75, -0.0, 3.3, -3.3, 2.0]), np.zeros(6, np.int64)
    for bits in (1, 3, 8, 32):
        for word in (0, 2**31 - 1, 2**31, 2**32 - 1):
            plain(each.few_bit_moves)(0, 6, update, np.full(6, word, U), bits, out)
            for x, move in zip(update.tolist(), out.tolist(), strict=True):
                whole = int(abs(x))
                away = (word >> (32 - bits)) < int((abs(x) - whole) * 2**bits)
                assert move == (whole + away) * (-1 if x < 0 else 1)


def test_numbers_that_are_part_of_every_result() -> None:
    """Purposes keep the words of rounding, noise, angle, rows and start apart; a change of one is another result."""
    names = ("ROUNDING", "NOISE", "ANGLE", "SAMPLE", "START")
    assert [getattr(kinds, f"PURPOSE_{name}") for name in names] == [16, 17, 18, 19, 20]
