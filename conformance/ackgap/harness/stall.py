"""Watches whether the tester itself gets to run: what was due during a stall was seen late."""

import asyncio
from collections.abc import Callable

TICK_S = 0.01
THRESHOLD_MS = 30.0


class StallWatch:
    """Reports every time the event loop was late by more than the threshold."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self.report = report
        self.worst_ms = 0.0
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self.task = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Stop watching."""
        if self.task is not None:
            self.task.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            late_ms = (now - before - TICK_S) * 1000
            before = now
            if late_ms > THRESHOLD_MS:
                self.worst_ms = max(self.worst_ms, late_ms)
                self.report(late_ms)
