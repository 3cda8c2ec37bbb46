"""The event loop: its timers."""

from __future__ import annotations

from redislite.loop import TIMERS_SWEPT, Loop


def test_cancelled_timers_do_not_stay() -> None:
    loop = Loop()
    fired = []
    kept = [loop.call_later(0.0, lambda number=number: fired.append(number)) for number in range(3)]
    for _ in range(10_000):
        loop.call_later(1000.0, lambda: fired.append(-1)).cancel()
    assert len(loop._timers) <= TIMERS_SWEPT + len(kept)
    loop.serve_ready()
    assert fired == [0, 1, 2]
    loop.close()


def test_many_timers_stay_in_order() -> None:
    loop = Loop()
    fired: list[int] = []
    timers = [loop.call_later(-number, lambda number=number: fired.append(number)) for number in range(1000)]
    for timer in timers[::2]:
        timer.cancel()
    for _ in range(1000):
        loop.call_later(1000.0, lambda: fired.append(-1)).cancel()
    loop.serve_ready()
    assert fired == list(range(999, 0, -2))
    loop.close()
