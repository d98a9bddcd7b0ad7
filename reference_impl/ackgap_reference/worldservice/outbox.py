"""Publishes what the store holds: one event of a world at a time, in order, again until the bus has it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from ackgap_reference.service.bus import RecordProducer

log = logging.getLogger("ackgap.reference.outbox")

PAUSE_FIRST_S, PAUSE_MOST_S = 0.1, 2.0


class Outbox:
    """Queues per world. `on_published` is told of each event that the bus has, by world and number."""

    def __init__(
        self, *, brokers: str, topic: str, loop: asyncio.AbstractEventLoop, on_published: Callable[[str, int], None]
    ) -> None:
        self.loop, self.on_published = loop, on_published
        self.producer = RecordProducer(brokers=brokers, topic=topic, loop=loop, report=self._reported)
        self.queues: dict[str, deque[tuple[int, bytes]]] = {}
        self.worlds: dict[int, str] = {}  # token -> world
        self.pauses: dict[str, float] = {}
        self.retries: dict[str, asyncio.TimerHandle] = {}
        self.tokens = 0
        self.failures = 0

    def add(self, world_id: str, number: int, value: bytes) -> None:
        """Publish this event after those of its world that were added before."""
        queue = self.queues.setdefault(world_id, deque())
        queue.append((number, value))
        if len(queue) == 1:
            self._send(world_id)

    async def stop(self, grace_s: float) -> None:
        """Let what is on its way get through; the rest stays in the store."""
        for retry in self.retries.values():
            retry.cancel()
        self.queues = {world_id: deque(list(queue)[:1]) for world_id, queue in self.queues.items()}
        await self.producer.stop(grace_s)

    def key(self, world_id: str, value: bytes) -> bytes:
        """The key of a record: its world, so that one partition has all of it in order."""
        return world_id.encode()

    def _send(self, world_id: str) -> None:
        self.retries.pop(world_id, None)
        self.tokens += 1
        self.worlds[self.tokens] = world_id
        value = self.queues[world_id][0][1]
        self.producer.publish(self.tokens, self.key(world_id, value), value)

    def _reported(self, token: int, confirmed: bool) -> None:
        world_id = self.worlds.pop(token)
        queue = self.queues[world_id]
        if not confirmed:
            self.failures += 1
            pause = self.pauses[world_id] = min(2 * self.pauses.get(world_id, PAUSE_FIRST_S / 2), PAUSE_MOST_S)
            log.warning("event not published; it is tried again", extra={"world": world_id, "pause_s": pause})
            self.retries[world_id] = self.loop.call_later(pause, self._send, world_id)
            return
        self.pauses.pop(world_id, None)
        number, _ = queue.popleft()
        if queue:
            self._send(world_id)
        else:
            del self.queues[world_id]
        self.on_published(world_id, number)
