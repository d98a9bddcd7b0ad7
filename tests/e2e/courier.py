"""Carries events from the WorldService's topic to the Gateway's, and loses, holds or repeats them where a test says so.

What the WorldService has published is the truth; what reaches the Gateway is what the courier makes of it.
"""

import asyncio
import contextlib
import json

from ackgap.history import Emitted


class Courier:
    """`change[world]` turns one event (its body) into what is delivered: a list of `NOW`, `HOLD` or nothing (lost)."""

    NOW, HOLD = "now", "hold"

    def __init__(self, instance, partitions):
        self.instance = instance
        self.change = {}
        self.seen: dict[tuple[str, str, int], list[bytes]] = {}  # every copy on the WorldService's topic
        self.bodies: dict[str, list[dict]] = {}  # per world, first copies in order
        self.lost: dict[str, list[bytes]] = {}
        self.held: dict[str, list[bytes]] = {}
        self.queues: dict[str, asyncio.Queue] = {}
        self.tasks: set[asyncio.Task] = set()
        self.news = asyncio.Event()

    def record(self, record):
        """One record of the WorldService's topic."""
        body = json.loads(record.value)
        body = body.get("data", body)
        world = body["world_id"]
        place = (world, body["run_id"] or "", body["sequence"] or 0)
        copies = self.seen.setdefault(place, [])
        copies.append(record.value)
        if len(copies) == 1 or not place[2]:
            self.bodies.setdefault(world, []).append(body)
            recorder = self.instance.recorder
            recorder.see(Emitted(t=recorder.now(), instance=self.instance.name, world_id=world, body=body))
        ways = self.change.get(world, lambda _: [self.NOW])(body)
        if not ways:
            self.lost.setdefault(world, []).append(record.value)
        for way in ways:
            if way == self.HOLD:
                self.held.setdefault(world, []).append(record.value)
            else:
                self.deliver(world, record.value)
        self.news.set()

    def deliver(self, world, value):
        """Queue one record behind those of its world."""
        if world not in self.queues:
            self.queues[world] = asyncio.Queue()
            task = asyncio.create_task(self._carry(world))
            self.tasks.add(task)
        self.queues[world].put_nowait(value)

    def release(self, world, *, order=lambda values: values):
        """Deliver what was held, in the order given."""
        for value in order(self.held.pop(world, [])):
            self.deliver(world, value)

    async def idle(self, world):
        """Wait until everything queued for the world is on the Gateway's topic."""
        if world in self.queues:
            await self.queues[world].join()

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _carry(self, world):
        queue = self.queues[world]
        while True:
            value = await queue.get()
            with contextlib.suppress(asyncio.CancelledError):
                await self.instance.deliver(world_id=world, key=world, value=value)
            queue.task_done()
