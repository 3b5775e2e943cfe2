"""Progress: silent for two seconds, then a plain line every ten where there is no terminal."""

from __future__ import annotations

import io

from alpt_ref._util.progress import Progress


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _lines(times: tuple[float, ...], *, enabled: bool = True) -> list[str]:
    stream, clock = io.StringIO(), _Clock()
    with Progress(enabled=enabled, stream=stream, clock=clock) as progress:
        progress.begin(3000, "training", unit="samples")
        for time in times:
            clock.now = time
            progress.advance(100, "epoch 1/2")
    return stream.getvalue().splitlines()


def test_plain_lines_where_there_is_no_terminal() -> None:
    assert _lines((1.0, 1.9, 2.1, 5.0, 12.0, 12.2, 22.3)) == [
        "training  10 % · 143 samples/s · 15 s left · epoch 1/2",
        "training  20 % · 49 samples/s · 54 s left · epoch 1/2",
        "training  23 % · 31 samples/s · 1 min 22 s left · epoch 1/2",
    ]


def test_the_time_left_does_not_count_the_start() -> None:
    first, last = _lines((100.0, 101.0, 111.0))
    assert first == "training   3 % · 1.00 samples/s · epoch 1/2"
    assert last == "training  10 % · 2.70 samples/s · 2 min 29 s left · epoch 1/2"


def test_short_work_and_disabled_progress_say_nothing() -> None:
    assert _lines((0.5, 1.9)) == []
    assert _lines((5.0, 50.0), enabled=False) == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal() -> None:
    stream = _Terminal()
    with Progress(stream=stream) as progress:
        progress.begin(2, "training", unit="samples")
        bar = progress._bar
        assert bar.delay == 2.0
        assert bar.total == 2
        progress.advance(2, "epoch 1/1")
        assert bar.n == 2
    assert progress._bar is None
