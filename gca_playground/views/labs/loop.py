"""Work that goes on while the page lives: one task in slices, drawn by the clock.

A training that is drawn at every step answers nobody, and one that runs in a thread shares everything with everybody.
So it is a task in the event loop of the kernel: short slices of work, and between them all else that the page wants.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SLICE = 0.025
"""Seconds of work before others have their turn."""
PERIOD = 1 / 12
"""Seconds from one drawing to the next in the long run, at least."""
TURN = 0.002
"""Seconds that others have between two slices, at least: in zero a waiting thread would not wake up."""


class Loop:
    """``work`` again and again, and ``draw`` now and then, until ``stop``.

    Given: ``work`` and ``draw``, called with ``lock`` held; ``failed``, told of an error of theirs, which ends the run;
    ``interrupted``, told when the kernel was interrupted, which ends it too.
    """

    def __init__(
        self,
        work: Callable[[], object],
        draw: Callable[[], object],
        *,
        failed: Callable[[Exception], object],
        interrupted: Callable[[], object],
        lock: Any,
    ) -> None:
        self._work, self._draw, self._failed, self._interrupted, self._lock = work, draw, failed, interrupted, lock
        self._generation = 0
        self._heard_interrupt = False
        self._runs = 0
        self._home = _running_loop()  # a callback may come from a thread whose loop has other things to do

    @property
    def running(self) -> bool:
        """Whether a task is alive; after ``stop`` it ends at its next turn."""
        return self._runs > 0

    def start(self) -> None:
        """Begin, from whatever thread; an earlier run ends. Raises: RuntimeError where no event loop runs."""
        here = self._home if self._home is not None and self._home.is_running() else _running_loop()
        if here is None:
            raise RuntimeError("playing needs an event loop, as every notebook has: here, take single steps")
        self._generation += 1
        self._heard_interrupt = False
        self._runs += 1
        asyncio.run_coroutine_threadsafe(self._run(self._generation), here)

    def stop(self) -> None:
        """End the run, from whatever thread: no slice begins after this."""
        self._generation += 1

    async def _run(self, generation: int) -> None:
        """The task. A generation counter, and not its cancellation, ends it: that is heard in any thread at once."""
        due = 0.0
        try:
            with _on_interrupt(self._hear_interrupt):
                while generation == self._generation:
                    due = self._turn(generation, due)
                    await asyncio.sleep(TURN)
        finally:
            self._runs -= 1

    def _turn(self, generation: int, due: float) -> float:
        """A slice of work and maybe a drawing. Returns when the next drawing is due."""
        with self._lock:
            if generation != self._generation:
                return due
            try:
                return self._slice(due)
            except KeyboardInterrupt:
                self._heard_interrupt = True
            except Exception as error:  # whatever it is, the run is over and someone must hear of it
                self.stop()
                self._failed(error)
            if self._heard_interrupt:
                self.stop()
                self._interrupted()
        return due

    def _slice(self, due: float) -> float:
        if self._heard_interrupt:
            raise KeyboardInterrupt
        end = time.perf_counter() + SLICE
        self._work()
        while time.perf_counter() < end and not self._heard_interrupt:
            self._work()
        now = time.perf_counter()
        if now < due:
            return due
        self._draw()
        return max(due + PERIOD, now + PERIOD / 2)  # a late one is made up for, but never at once

    def _hear_interrupt(self) -> None:
        self._heard_interrupt = True


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def _on_interrupt(told: Callable[[], object]) -> Iterator[None]:
    """Be told of the kernel's interrupt, which it ignores between two cells; whoever listened before still does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may ask
        return
    before = signal.getsignal(signal.SIGINT)

    def heard(number: int, frame: Any) -> None:
        told()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        if before is not None and signal.getsignal(signal.SIGINT) is heard:
            signal.signal(signal.SIGINT, before)
