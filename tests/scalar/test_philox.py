"""Philox4x32-10: published known answers, the Python oracle, and the counter layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref import InputError, philox4x32
from alpt_ref.kernels import oracle
from alpt_ref.scalar import philox
from alpt_ref.scalar.philox import counter_1, counter_2, counter_3
from tests.plain import plain

U32 = st.integers(0, 2**32 - 1)

# Random123 1.14, tests/kat_vectors, "philox4x32 10".
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    result = philox4x32(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert result.dtype == np.uint32
    assert tuple(result.tolist()) == expected
    assert oracle.philox4x32(counter, key) == expected


@given(st.tuples(U32, U32, U32, U32), st.tuples(U32, U32))
def test_equals_the_oracle(counter: tuple[int, ...], key: tuple[int, ...]) -> None:
    result = philox4x32(np.array([counter], np.uint32), np.array(key, np.uint32))
    assert tuple(result[0].tolist()) == oracle.philox4x32(counter, key)


def test_broadcasts_leading_dimensions() -> None:
    counters = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)
    keys = np.array([[7, 8]], np.uint32)
    result = philox4x32(counters, keys)
    assert result.shape == (2, 3, 4)
    assert tuple(result[1, 2].tolist()) == oracle.philox4x32(counters[1, 2].tolist(), (7, 8))


@pytest.mark.parametrize(
    ("counter", "key"),
    [
        (np.zeros(4, np.int64), np.zeros(2, np.uint32)),
        (np.zeros(3, np.uint32), np.zeros(2, np.uint32)),
        (np.zeros(4, np.uint32), np.zeros(4, np.uint32)),
        (np.zeros((2, 4), np.uint32), np.zeros((3, 2), np.uint32)),
    ],
)
def test_bad_shapes_and_dtypes_are_one_sentence(counter: np.ndarray, key: np.ndarray) -> None:
    with pytest.raises(InputError, match="must"):
        philox4x32(counter, key)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**56 - 1), st.integers(0, 255))
def test_counter_words_follow_the_stated_layout(row: int, block: int, step: int, purpose: int) -> None:
    assert int(counter_1(np.int64(row), np.int64(block))) == (row >> 32) << 16 | block
    assert int(counter_2(np.int64(step))) == step & 0xFFFFFFFF
    assert int(counter_3(np.int64(step), np.int64(purpose))) == (step >> 32) << 8 | purpose


def test_the_published_constants() -> None:
    """Salmon et al. 2011: two multipliers, the golden ratio and the root of 3 less 1 as Weyl steps, ten rounds."""
    assert [int(philox.MULTIPLIER_0), int(philox.MULTIPLIER_1)] == [0xD2511F53, 0xCD9E8D57]
    assert int((5**0.5 - 1) / 2 * 2**32) == philox.WEYL_0
    assert int((3**0.5 - 1) * 2**32) == philox.WEYL_1
    assert len(philox.W0) == len(philox.W1) == philox.ROUNDS == 10
    with np.errstate(over="ignore"):
        assert plain(philox.philox4x32)(*np.zeros(6, np.uint32)) == KNOWN_ANSWERS[0][2]


def test_the_last_row_column_and_step_fill_the_counter() -> None:
    full = 0xFFFFFFFF
    assert plain(counter_1)(np.int64(philox.MAX_ROWS - 1), np.int64(philox.MAX_COLUMNS // 4 - 1)) == full
    assert plain(counter_3)(np.int64(philox.MAX_STEPS - 1), np.int64(255)) == full
    assert (philox.MAX_ROWS, philox.MAX_COLUMNS, philox.MAX_STEPS) == (2**48, 2**18, 2**56)
    purposes = philox.PURPOSE_QUANTIZE, philox.PURPOSE_INITIAL, philox.PURPOSE_UPDATE, philox.PURPOSE_REPLAY
    assert purposes == (0, 1, 2, 3)  # part of every random word: another number is another result
