"""No bit of a result changes unseen: every case has the digests that are stored for it.

After a change of bits that is meant: a sentence in CHANGELOG.md under "Changed bits", then
``python -m tests.bits.regenerate --because "THE SENTENCE"``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.catalog import MODELS, TABLES
from tests.bits import meanings
from tests.bits.case import Case
from tests.bits.corpus import ANYWHERE, all_cases, differences, digests_of, machine_of, stored

CASES = all_cases()
DIGESTS, CHANGES = stored()
WHAT_TO_DO = (
    "Bits of results have changed. If that is not meant, find the cause. If it is, name the change in CHANGELOG.md "
    'under "Changed bits" and run: python -m tests.bits.regenerate --because "THE SENTENCE OF THE CHANGELOG"'
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bits_are_those_stored(case: Case) -> None:
    if case.needs:
        pytest.importorskip(case.needs)
    machine = machine_of(case)
    if machine not in DIGESTS:
        pytest.skip(f"no digests are stored for {machine} (there are those of {', '.join(DIGESTS)})")
    found = differences(case.name, DIGESTS[machine].get(case.name), digests_of(case))
    assert not found, "\n".join([*found, WHAT_TO_DO])


def test_no_digest_is_stored_for_a_case_that_is_gone() -> None:
    names = {case.name for case in CASES}
    assert not [name for cases in DIGESTS.values() for name in cases if name not in names]


def test_every_method_and_backbone_is_in_the_corpus() -> None:
    names = [case.name for case in CASES]
    for method in TABLES:
        assert any(re.match(rf"fm: {method}\b", name) for name in names), f"no case trains {method}"
    for backbone in MODELS:
        assert any(name.startswith(f"{backbone}: ") for name in names), f"no case trains {backbone}"


def test_every_change_of_bits_is_named_in_the_changelog() -> None:
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    named = " ".join(" ".join(re.split(r"^#+ Changed bits$", text, flags=re.M)[1:]).split())
    for sentence in CHANGES:
        assert sentence in named, f'CHANGELOG.md does not say under "Changed bits": {sentence}'


def test_one_bit_changes_a_digest() -> None:
    values = np.arange(5, dtype=np.float32)
    other = values.copy()
    other.view(np.uint32)[3] ^= 1
    assert meanings.digest(values) == meanings.digest(values.copy())
    assert len({meanings.digest(one) for one in (values, other, values.astype(np.float64), -values)}) == 4
    assert meanings.digest(np.float32(0.0)) != meanings.digest(np.float32(-0.0))


def test_a_difference_names_case_and_meaning() -> None:
    stored_before = {"codes": "1", "step sizes": "2", "clips": "3"}
    found = differences("lpt", stored_before, {"codes": "1", "step sizes": "9", "weights": "4"})
    assert found == [
        "lpt: step sizes was 2, is 9",
        "lpt: clips is no longer computed",
        "lpt: weights has no digest stored",
    ]
    assert differences("lpt", None, {}) == ["lpt: no digests are stored"]


def test_meanings_do_not_depend_on_names() -> None:
    known = {"step sizes": ("step_size", "step"), "weights of layer {}": ("mlp.{}.weight",)}
    assert meanings.by_meaning({"step": 1}, known) == meanings.by_meaning({"step_size": 1}, known) == {"step sizes": 1}
    assert meanings.by_meaning({"mlp.2.weight": 1}, known, "dense") == {"dense weights of layer 2": 1}
    with pytest.raises(LookupError, match="'steps' has no meaning"):
        meanings.by_meaning({"steps": 1}, known)


def test_most_cases_run_on_any_machine() -> None:
    assert len(DIGESTS[ANYWHERE]) >= 150
