"""The loop that plays a training, driven without a browser."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from gca_playground.views.labs import loop as module
from gca_playground.views.labs.loop import PERIOD, SLICE, Loop


class Told:
    """A loop over work that takes some time, and all it has said."""

    def __init__(self, work: Callable[[], object] = lambda: time.sleep(0.002)) -> None:
        self.worked, self.drawn, self.failed, self.interrupted = 0, [], [], 0
        self._do = work
        self.lock = threading.RLock()
        self.loop = Loop(self._work, self._draw, failed=self.failed.append, interrupted=self._interrupt, lock=self.lock)

    def _work(self) -> None:
        self.worked += 1
        self._do()

    def _draw(self) -> None:
        self.drawn.append(time.perf_counter())

    def _interrupt(self) -> None:
        self.interrupted += 1


def played(act: Callable[[Told], Any], work: Callable[[], object] = lambda: time.sleep(0.002)) -> Told:
    """What a loop has done when ``act`` was through with it; ``act`` may wait."""
    told = []

    async def play() -> None:
        told.append(Told(work))
        await act(told[0])
        told[0].loop.stop()
        await ended(told[0])

    asyncio.run(play())
    return told[0]


async def ended(told: Told) -> None:
    for _ in range(200):
        if not told.loop.running:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the task did not end")


async def wait_for(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


def test_it_draws_by_time_and_not_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only work moves on: 2 ms a time."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def work() -> None:
        now[0] += 0.002

    async def act(told: Told) -> None:
        told.loop.start()
        await wait_for(lambda: len(told.drawn) >= 6)

    told = played(act, work)
    gaps = [later - earlier for earlier, later in pairwise(told.drawn)]
    assert min(gaps) >= PERIOD / 2 and sum(gaps[1:]) >= (len(gaps) - 1.5) * PERIOD
    assert max(gaps) <= PERIOD + SLICE + 0.002
    assert told.worked > 3 * len(told.drawn)


def test_others_have_their_turn_between_slices() -> None:
    turns = []

    async def act(told: Told) -> None:
        told.loop.start()
        for _ in range(10):
            turns.append(told.worked)
            await asyncio.sleep(0)
        await wait_for(lambda: told.worked > turns[-1])

    assert played(act).worked > 0 and len(turns) == 10


def test_no_work_is_done_after_stop() -> None:
    seen = []

    async def act(told: Told) -> None:
        told.loop.start()
        await wait_for(lambda: told.worked > 5)
        told.loop.stop()
        seen.append(told.worked)
        await ended(told)
        await asyncio.sleep(0.05)

    told = played(act)
    assert told.worked == seen[0] and not told.loop.running


def test_a_second_start_ends_the_first_run() -> None:
    async def act(told: Told) -> None:
        for _ in range(3):
            told.loop.start()
            await asyncio.sleep(0.03)
        await wait_for(lambda: told.loop._runs == 1)
        before = told.worked
        await wait_for(lambda: told.worked > before)

    assert played(act).loop._runs == 0


def test_it_starts_and_stops_from_another_thread() -> None:
    async def act(told: Told) -> None:
        start = threading.Thread(target=told.loop.start)
        start.start()
        await wait_for(lambda: told.worked > 3)
        stop = threading.Thread(target=told.loop.stop)
        stop.start()
        stop.join()
        await ended(told)

    assert played(act).worked > 3


def test_whoever_holds_the_lock_is_not_disturbed() -> None:
    async def act(told: Told) -> None:
        told.loop.start()
        await wait_for(lambda: told.worked > 3)
        seen = []

        def hold() -> None:
            with told.lock:
                seen.append(told.worked)
                time.sleep(0.1)
                seen.append(told.worked)

        holder = threading.Thread(target=hold)
        holder.start()
        await wait_for(lambda: len(seen) == 2)
        assert seen[0] == seen[1]

    played(act)


def test_an_error_ends_the_run_and_is_told() -> None:
    def fails() -> None:
        raise ValueError("no more")

    async def act(told: Told) -> None:
        told.loop.start()
        await ended(told)

    told = played(act, fails)
    assert [str(error) for error in told.failed] == ["no more"] and told.worked == 1 and not told.drawn


@pytest.mark.parametrize("raised", [False, True])
def test_an_interrupt_ends_the_run(raised: bool) -> None:
    """As a kernel has it: ignored between cells, or raised wherever the code is."""

    def breaks() -> None:
        time.sleep(0.002)
        if raised:
            raise KeyboardInterrupt

    async def act(told: Told) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        told.loop.start()
        await wait_for(lambda: told.worked > 0)
        if not raised:
            os.kill(os.getpid(), signal.SIGINT)
        await ended(told)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    before = signal.getsignal(signal.SIGINT)
    try:
        told = played(act, breaks)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told.interrupted == 1 and not told.failed


def test_without_an_event_loop_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        Told().loop.start()


def test_the_constants_keep_the_promises() -> None:
    assert module.SLICE + module.TURN < 0.05 and pytest.approx(1 / 12) == PERIOD
