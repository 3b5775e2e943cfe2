"""Generated days: which categories are new on each, and that a log without days is as it was."""

from __future__ import annotations

import io

import numpy as np
import pytest

from alpt_ref.data.synthetic.days import RENEWED, DayText
from alpt_ref.data.synthetic.generate import RawText, iter_raw_text, support, write_raw_text
from alpt_ref.errors import InputError

ROWS = 4000


def ranks(shape: str, day: int) -> dict[str, np.ndarray]:
    source = DayText(shape, 1, day)
    return dict(zip([column.name for column in source.layout.columns], source._ranks(0), strict=True))


@pytest.mark.parametrize("shape", sorted(RENEWED))
def test_a_share_of_one_fields_categories_is_new_and_all_else_is_drawn_alike(shape: str) -> None:
    days = [ranks(shape, day) for day in (1, 2, 3)]
    field = RENEWED[shape]
    layout = {column.name: column for column in RawText(shape).layout.columns}
    size = support(layout[field].size, int(RawText(shape).layout.rows * (1 - layout[field].missing)))
    for name in days[0]:
        if name not in (field, "hour"):
            assert max(int(day[name].max()) for day in days) <= support(
                layout[name].size, int(RawText(shape).layout.rows * (1 - layout[name].missing))
            )
    for number, day in enumerate(days, 1):
        renewed = day[field] > size
        assert set((day[field][renewed] - 1) // (size + 1)) == {number}  # no other day has them
        distinct = np.unique(np.where(renewed, day[field] - number * (size + 1), day[field]))
        new = np.isin(distinct + number * (size + 1), day[field])
        assert new.mean() == pytest.approx(0.8, abs=0.04)
    assert (days[0]["C14" if shape == "avazu" else "C1"] != days[1]["C14" if shape == "avazu" else "C1"]).any()


def test_the_text_of_a_day_has_its_date_and_the_rate_of_the_shape() -> None:
    out = io.BytesIO()
    write_raw_text(out, "avazu", ROWS, day=2, workers=1)
    rows = [line.split(b",") for line in out.getvalue().splitlines()[1:]]
    assert {row[2][:6] for row in rows} == {b"141022"}
    assert np.mean([row[1] == b"1" for row in rows]) == pytest.approx(0.17, abs=0.03)
    first = b"".join(text for _, text in iter_raw_text("avazu", 200, day=2, workers=1))
    assert out.getvalue().startswith(first)
    usual = b"".join(text for _, text in iter_raw_text("avazu", 200, workers=1))
    assert usual.endswith(RawText("avazu").block(0, 200))
    assert usual != first


@pytest.mark.parametrize(("day", "renewed"), [(0, 0.8), (101, 0.8), (1, 1.5)])
def test_days_and_shares_have_their_range(day: int, renewed: float) -> None:
    with pytest.raises(InputError, match=r"(day must be|renewed must be a share)"):
        DayText("avazu", 0, day, renewed)
