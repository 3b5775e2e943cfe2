"""What a caller hears of a run while it trains: one interface, for a history file, a tracker or code of one's own.

A callback observes. It is called after the epoch's checkpoint and after the run's result are on disk, changes no bit of
either, and may fail: one that raises is warned about, switched off for the rest of the run, and the run goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from alpt_ref.errors import AlptWarning, InputError

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.results import EpochRecord, RunResult


class Callback:
    """Base class of what listens to a run: ``train(config, data, callbacks=[...])``. Override what is needed.

    An object with these three methods need not be derived from it.

    Examples
    --------
    >>> from alpt_ref import Callback, RunConfig, synthetic_clicks, train
    >>> class Best(Callback):
    ...     losses: list[float] = []
    ...     def on_epoch(self, record):
    ...         self.losses.append(record.valid_logloss)
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", batch_size=100, epochs=2)
    >>> heard = Best()
    >>> result = train(config, synthetic_clicks(rows=2000, fields=3, features=60, seed=0), callbacks=[heard])
    >>> heard.losses == [record.valid_logloss for record in result.history]
    True
    """

    def on_start(self, config: RunConfig, dataset: ClickDataset, history: Sequence[EpochRecord]) -> None:
        """Before the first batch of this process; `history` has the epochs that a resumed run has done before."""

    def on_epoch(self, record: EpochRecord) -> None:
        """After an epoch's validation and checkpoint."""

    def on_end(self, result: RunResult | None) -> None:
        """After the last epoch and the test, once the result is stored; None where the run was stopped or diverged."""


METHODS = ("on_start", "on_epoch", "on_end")


class Listeners:
    """The callbacks of one run that are still well.

    Raises
    ------
    InputError
        One of them lacks a method; before anything is trained.
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._well = list(callbacks)
        self._started = False
        for one in self._well:
            missing = [name for name in METHODS if not callable(getattr(one, name, None))]
            if missing or isinstance(one, type):
                lacks = "is a class" if isinstance(one, type) else f"has no {missing[0]}"
                raise InputError(f"callbacks must be objects with {', '.join(METHODS)}, got {one!r}, which {lacks}")

    def start(self, config: RunConfig, dataset: ClickDataset, history: Sequence[EpochRecord]) -> None:
        """See `Callback.on_start`."""
        self._started = True
        self._tell("on_start", config, dataset, tuple(history))

    def epoch(self, record: EpochRecord) -> None:
        """See `Callback.on_epoch`."""
        self._tell("on_epoch", record)

    def end(self, result: RunResult | None) -> None:
        """See `Callback.on_end`; nothing where the run has not begun."""
        if self._started:
            self._started = False
            self._tell("on_end", result)

    def hear(self, run: Callable[[], RunResult]) -> RunResult:
        """The result of `run`, which stores it before anybody hears of the end."""
        result = None
        try:
            result = run()
        finally:
            self.end(result)
        return result

    def _tell(self, method: str, *values: Any) -> None:
        for one in list(self._well):
            try:
                getattr(one, method)(*values)
            except Exception as error:  # whatever a tracker does, the run is not lost
                self._well.remove(one)
                said = " ".join(f"{error}".split()) or "no message"
                warnings.warn(
                    f"callback {type(one).__name__} failed in {method} ({type(error).__name__}: {said[:200]}) and "
                    "hears nothing more of this run, which goes on",
                    AlptWarning,
                    stacklevel=2,
                )
