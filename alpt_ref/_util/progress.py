"""Progress of work that takes over two seconds: a bar on a terminal or in a notebook, else a line now and then."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from alpt_ref._util.notebook import in_notebook
from alpt_ref._util.text import printable

DELAY_S = 2.0
"""Shorter work shows no progress."""
INTERVAL_S = 10.0
"""Seconds between two plain lines where there is no terminal."""


def _duration(seconds: float) -> str:
    """``75`` -> ``"1 min 15 s"``."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60} min"


def _bar_class(notebook: bool) -> Any:
    """tqdm's bar for a terminal, or the one for notebooks, which is text where ipywidgets is not installed."""
    if not notebook:
        from tqdm import tqdm

        return tqdm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ipywidgets is missing
        from tqdm.auto import tqdm as auto

    return auto


def shown(progress: Progress | None) -> Progress:
    """The progress given, or one that is silent; in a notebook one that shows a bar after two seconds."""
    return Progress(enabled=in_notebook()) if progress is None else progress


class Progress:
    """Counts `total` units of work; usable as a context manager, silent if not `enabled`.

    Examples
    --------
    >>> with Progress(enabled=False) as progress:
    ...     progress.begin(100, "training", unit="samples")
    ...     progress.advance(100)
    """

    def __init__(
        self,
        *,
        enabled: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing yet; `stream` is stderr by default."""
        self._stream: TextIO | None = stream if stream is not None else sys.stderr  # None: a service, or 2>&-
        self.enabled = enabled and self._stream is not None
        self._clock = clock
        self._bar: Any = None
        self._label, self._unit, self._total, self._done = "", "", 0, 0
        self._started = self._last = 0.0
        self._first: tuple[float, int] | None = None
        self._spoke = False

    def begin(self, total: int, label: str, *, unit: str) -> None:
        """Start counting to `total`."""
        self.close()
        self._label, self._unit, self._total, self._done = printable(label), unit, total, 0
        self._started = self._last = self._clock()
        self._first = None
        self._spoke = False
        notebook = in_notebook() and self._stream is sys.stderr
        if self.enabled and self._stream is not None and (notebook or self._stream.isatty()):
            self._bar = _bar_class(notebook)(
                total=total, desc=self._label, unit=f" {unit}", file=self._stream, delay=DELAY_S, leave=False,
                unit_scale=total >= 10_000, dynamic_ncols=True,
            )  # fmt: skip

    def advance(self, amount: int, note: str = "") -> None:
        """Count `amount` more; `note` is a short text such as the epoch or the loss."""
        note = printable(note)
        self._done += amount
        if not self.enabled:
            return
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(amount)
            return
        now = self._clock()
        if self._first is None:
            self._first = now, self._done
        if now - self._last >= (INTERVAL_S if self._spoke else DELAY_S):
            self._last, self._spoke = now, True
            self._line(now, note)

    def _line(self, now: float, note: str) -> None:
        share = f"{100 * self._done / max(self._total, 1):3.0f} %"
        rate = self._done / max(now - self._started, 1e-9)
        speed = f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2f} {self._unit}/s"
        left = self._left(now)
        line = " · ".join(filter(None, (f"{self._label} {share}", speed, left, note)))
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):  # nobody reads it any more: the work goes on
            self.enabled = False

    def _left(self, now: float) -> str:
        """The time left at the pace since the first units were done: before them came compilation and processes."""
        time, done = self._first or (now, self._done)
        if not done < self._done < self._total or now <= time:
            return ""
        return f"{_duration((self._total - self._done) * (now - time) / (self._done - done))} left"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away, whatever happened."""
        self.close()
