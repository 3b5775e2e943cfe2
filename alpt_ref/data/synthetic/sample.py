"""A click log as people have them, drawn: header, times, ids, categories, prices with gaps, and clicks.

For tutorials and first trials, so that none needs a download. The log depends on rows and seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref._util.text import csv_lines
from alpt_ref.data.splits import check_seed, keyed_generator

HEADER = ("shown_at", "user", "site", "category", "device", "price", "click")
SITES = ("news", "shop", "video", "mail", "games", "forum", "weather", "sport")
CATEGORIES = ("books", "phones", "shoes", "travel", "food", "toys", "tools", "music", "garden", "cars")
DEVICES = ("phone", "desktop", "tablet")
START = datetime(2024, 3, 1)
_STREAM = 0x53414D  # second word of the Philox key


def sample_log(rows: int, *, seed: int = 0) -> bytes:
    """A comma-separated log of `rows` impressions with a header, about a fifth of them clicked.

    Parameters
    ----------
    rows : int
        From 10 to 10,000,000.
    seed : int
        Draws everything.

    Returns
    -------
    bytes
        UTF-8 text; columns `HEADER`; a tenth of the prices are empty.

    Raises
    ------
    InputError
        Rows or seed out of range.

    Examples
    --------
    >>> sample_log(10).decode().splitlines()[0]
    'shown_at,user,site,category,device,price,click'
    """
    rows = _check.whole_number("rows", rows, 10, 10_000_000)
    rng = keyed_generator(check_seed(seed), _STREAM)
    users, sites, categories = (len(names) for names in (range(400), SITES, CATEGORIES))
    taste = {"user": 0.7 * rng.standard_normal(users), "site": 0.6 * rng.standard_normal(sites)}
    pair = 0.8 * rng.standard_normal((sites, categories))
    user = (users * rng.random(rows) ** 2.0).astype(np.int64)
    site, category = rng.integers(sites, size=rows), rng.integers(categories, size=rows)
    device = rng.choice(len(DEVICES), size=rows, p=[0.6, 0.3, 0.1])
    price = np.round(np.exp(2.5 + 0.8 * rng.standard_normal(rows)), 2)
    empty = rng.random(rows) < 0.1
    logit = -1.8 + taste["user"][user] + taste["site"][site] + pair[site, category] - 0.3 * (np.log(price) - 2.5)
    click = rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))
    seconds = np.cumsum(rng.exponential(60.0, rows))
    texts: list[Sequence[object]] = [HEADER]
    for i in range(rows):
        at = (START + timedelta(seconds=int(seconds[i]))).isoformat(sep=" ")
        cost = "" if empty[i] else f"{price[i]:.2f}"
        texts.append(
            (at, f"u{user[i]:04d}", SITES[site[i]], CATEGORIES[category[i]], DEVICES[device[i]], cost, int(click[i]))
        )
    return csv_lines(texts).encode()
