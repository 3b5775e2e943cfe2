"""What nobody promised: the dtype of results, and what becomes of NaN and infinity."""

from __future__ import annotations

import numpy as np

from alpt_ref.testing.common import same_bits
from alpt_ref.testing.quantizer.probe import Broken, Probe
from alpt_ref.testing.quantizer.report import Finding

_OTHER_END, _OTHER_INFINITY, _ANOTHER = "the other end", "the other infinity", "another value"
_NO_RULE = (_OTHER_END, _OTHER_INFINITY, _ANOTHER)
"""What no rule makes of infinity."""


def dtype(probe: Probe) -> Finding:
    """What comes back for float32, float64 and float16."""
    x = probe.inside(probe.random("dtype"), (probe.lattice.rows or 16, 16))
    got = {"float32": str(probe.raw(x, probe.next_draw()).dtype)}
    for other in ("float64", "float16"):
        try:
            with np.errstate(over="ignore"):
                got[other] = str(np.asarray(probe.fn(x.astype(other), probe.next_draw())).dtype)
        except (Exception, SystemExit) as error:
            got[other] = f"refused ({type(error).__name__})"
    text = "; ".join(f"{name}: {result}" for name, result in got.items())
    return Finding(got["float32"] == "float32", text)


def nan_policy(probe: Probe) -> Finding:
    """NaN is refused or stays NaN; the infinities are treated alike; the other elements do not notice."""
    said, holds = {}, True
    for name, value in (("NaN", np.nan), ("+inf", np.inf), ("-inf", -np.inf)):
        said[name], good = _one_policy(probe, np.float32(value))
        holds &= good
    alike = said["+inf"] == said["-inf"]
    kinds = {"NaN": said["NaN"], "infinity": said["+inf"]} if alike else said
    return Finding(holds and alike, "; ".join(f"{name}: {rule}" for name, rule in kinds.items()))


def _one_policy(probe: Probe, value: np.float32) -> tuple[str, bool]:
    """What becomes of one kind of number in words, and whether that is one rule."""
    random = probe.random("nan")
    rules = set()
    for shape in ((probe.lattice.rows or 1, 1), (probe.lattice.rows or 67, 33)):
        clean, draw = probe.inside(random, shape), probe.next_draw()
        where = random.random(shape) < 0.05
        where.flat[0] = where.flat[-1] = True
        x = np.where(where, value, clean).astype(np.float32)
        try:
            with np.errstate(all="ignore"):
                result = probe.call(x, draw)
        except Broken as broken:
            rules.add(f"raises {type(broken.__cause__).__name__}" if broken.__cause__ else str(broken))
            continue
        if not same_bits(result[~where], probe.call(clean, draw)[~where]):
            return "changes the results of other elements", False
        rows = np.nonzero(where)[0].tolist()
        rules |= {_kind(probe, value, one, row) for one, row in zip(result[where], rows, strict=True)}
    if len(rules) > 1:
        return f"no one rule ({', '.join(sorted(rules))})", False
    rule = rules.pop()
    if np.isnan(value):
        silent = not rule.startswith(("raises", "NaN"))
        return f"{rule} (silently a number)" if silent else rule, not silent
    return rule, rule not in _NO_RULE


def _kind(probe: Probe, value: np.float32, result: np.float32, row: int) -> str:
    """What became of `value`, in words."""
    if np.isnan(result):
        return "NaN"
    if np.isinf(result):
        return "infinity" if np.isnan(value) or result == value else _OTHER_INFINITY
    place = row if probe.lattice.rows is not None else 0
    low, high = probe.lattice.low[place, 0], probe.lattice.high[place, 0]
    if result in (low, high):
        return "the end" if np.isnan(value) or result == (high if value > 0 else low) else _OTHER_END
    return "0" if result == 0 else _ANOTHER
