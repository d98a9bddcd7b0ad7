"""Puts the parts of the WorldService together: one event loop, one core, one store, everything else at its edges.

Inputs of the core are collected and written in one transaction; publishing, switching and answering come after it. So
whatever anybody outside has seen is in the store, and a service that is killed goes on from there.
"""

import asyncio
import logging
import os
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any

from ackgap.contract import load
from ackgap_reference.worldservice.acktopic import NO_ACK, AckTopic, Batch
from ackgap_reference.worldservice.core import Effect, Ended, Keep, Publish, Switch
from ackgap_reference.worldservice.metrics import Metrics
from ackgap_reference.worldservice.parts import REFERENCE, Parts
from ackgap_reference.worldservice.settings import Settings
from ackgap_reference.worldservice.store import Store
from ackgap_reference.worldservice.world import NS_PER_MS, Limits

log = logging.getLogger("ackgap.reference.worldservice")

GRACE_S = 3.0
DISK_FAILED = 74  # EX_IOERR


class Clocks:
    """The clocks of this machine."""

    def now(self) -> int:
        """ns of the monotonic clock."""
        return time.monotonic_ns()

    def wall_ms(self) -> int:
        """ms since the epoch."""
        return time.time_ns() // NS_PER_MS

    def timestamp(self) -> str:
        """RFC 3339, in ms."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class WorldServiceApp:
    """A running reference WorldService."""

    def __init__(self, settings: Settings, parts: Parts = REFERENCE) -> None:
        """Open the store. Raises StoreError."""
        self.settings, self.clocks, self.metrics = settings, Clocks(), Metrics()
        self.store = Store(settings.database)
        self.loop = loop = asyncio.get_running_loop()
        self.core = parts.core(
            constants=load().constants,
            limits=Limits(freeze=settings.freeze_timeout_ms * NS_PER_MS, switch=settings.switch_timeout_ms * NS_PER_MS),
            enveloped=settings.wire_form == "enveloped",
            timestamp=self.clocks.timestamp,
        )
        self.effects: list[Effect] = []
        self.confirmed: list[tuple[str, int]] = []
        self.acks: list[tuple[Batch, int]] = []
        self.scheduled = False
        self.timer: asyncio.TimerHandle | None = None
        self.switches: set[asyncio.TimerHandle] = set()
        self.stopping = False
        brokers = settings.kafka_brokers
        self.outbox = parts.outbox(
            brokers=brokers, topic=settings.activation_topic, loop=loop, on_published=self._published
        )
        self.ack_topic = AckTopic(
            brokers=brokers, topic=settings.ack_topic, loop=loop, places=self.store.places(), on_batch=self._acked
        )
        desk = parts.desk(
            core=self.core, store=self.store, metrics=self.metrics, clock=self.clocks, take=self._take,
            settle=self.settle, rehearsals=settings.rehearsals, late_ms=settings.ack_late_ms,
        )  # fmt: skip
        self.http = parts.http(desk=desk, ready=self._ready, page=self._page, body_limit=settings.body_limit)

    async def start(self) -> None:
        """Take over what the store holds, then listen and publish. Raises OSError if the port cannot be had."""
        self._take(self.core.resume(self.store.worlds(), self.clocks.now()))
        waiting = self.store.waiting()
        await self.http.start(self.settings.http_host, self.settings.http_port)
        for event in waiting:
            self.outbox.add(event.world_id, event.number, event.value)
        self.ack_topic.start()
        log.info("listening", extra={"host": self.settings.http_host, "port": self.http.port})

    async def stop(self) -> None:
        """Answer no more, let what is on its way through, and close the store. Applies go on with the next start."""
        self.stopping = True
        await self.http.stop()
        for handle in self.switches:
            handle.cancel()
        if self.timer is not None:
            self.timer.cancel()
        await self.outbox.stop(GRACE_S)
        await self.ack_topic.stop()
        await asyncio.sleep(0)
        self.settle()
        self.store.close()
        log.info("stopped")

    # --- one transaction ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Write everything that is open in one transaction, then let it take effect."""
        if not (self.effects or self.confirmed or self.acks):
            return
        effects, self.effects = self.effects, []
        confirmed, self.confirmed = self.confirmed, []
        acks, self.acks = self.acks, []
        try:
            with self.store.transaction():
                self._write(effects, confirmed)
                counted = [self._write_acks(batch, at_ms) for batch, at_ms in acks]
        except sqlite3.Error:
            log.critical("the database cannot be written; the service ends and goes on from there", exc_info=True)
            os._exit(DISK_FAILED)
        for outcome in [o for each in counted for o in each]:
            self._count_ack(*outcome)
        for effect in effects:
            self._perform(effect)
        self._arm()

    def _write(self, effects: list[Effect], confirmed: list[tuple[str, int]]) -> None:
        emitted_ms = self.clocks.wall_ms()
        for effect in effects:
            match effect:
                case Keep():
                    self.store.keep(effect)
                case Publish():
                    self.store.emit(effect, emitted_ms)
                case Ended(world_id=world_id):
                    self.store.forget(world_id, self.settings.keep_runs)
        for world_id, number in confirmed:
            self.store.published(world_id, number)

    def _write_acks(self, batch: Batch, at_ms: int) -> list[tuple[str, int]]:
        acks, places = batch
        outcomes = []
        for ack in acks:
            if ack is NO_ACK:
                outcomes.append(("unreadable", 0))
            else:
                outcomes.append(self.store.acked(ack.world_id, ack.run_id, ack.sequence, at_ms))
        self.store.read_upto(places)
        return outcomes

    def _count_ack(self, result: str, latency_ms: int) -> None:
        self.metrics.acks.labels(result).inc()
        if result == "first":
            self.metrics.latency.observe(latency_ms)
            if latency_ms > self.settings.ack_late_ms:
                self.metrics.late.inc()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Publish() if not self.stopping:
                self.outbox.add(effect.world_id, effect.number, effect.value)
            case Switch() if not self.stopping:
                handle = self.loop.call_later(effect.ms / 1000, self._switch, effect)
                self.switches.add(handle)
            case Ended():
                self.metrics.applies.labels(str(effect.stage)).inc()
                log.info("apply ended", extra={"world": effect.world_id, "run": effect.run_id, "state": effect.stage})

    # --- inputs of the core ------------------------------------------------------------------------------------

    def _take(self, effects: list[Effect]) -> None:
        self.effects += effects
        self._soon()

    def _published(self, world_id: str, number: int) -> None:
        self.confirmed.append((world_id, number))
        self._take(self.core.published(world_id, number, self.clocks.now()))

    def _acked(self, batch: Batch) -> None:
        self.acks.append((batch, self.clocks.wall_ms()))
        now = self.clocks.now()
        for ack in batch[0]:
            self.effects += self.core.acked(ack.world_id, ack.run_id, ack.sequence, now)
        self._soon()

    def _switch(self, effect: Switch) -> None:
        """The reference has nothing else to put in force: its own state is the switch."""
        self.switches = {handle for handle in self.switches if handle.when() > self.loop.time()}
        now = self.clocks.now()
        if effect.fail:
            why = "rehearsed failure of the switch"
            self._take(self.core.switch_failed(effect.world_id, effect.run_id, why, now))
        else:
            self._take(self.core.switched(effect.world_id, effect.run_id, now))

    def _tick(self) -> None:
        self.timer = None
        self._take(self.core.tick(self.clocks.now()))
        self._arm()

    def _soon(self) -> None:
        """Settle once everything that is ready in this turn of the loop has been taken."""
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self._scheduled_settle)

    def _scheduled_settle(self) -> None:
        self.scheduled = False
        self.settle()

    def _arm(self) -> None:
        due = self.core.next_timer()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if due is not None and not self.stopping:
            pause = max(0.0, (due - self.clocks.now()) / 1e9)
            self.timer = self.loop.call_later(pause, self._tick)

    # --- questions ---------------------------------------------------------------------------------------------

    def _ready(self) -> tuple[bool, dict[str, bool]]:
        facts: dict[str, Any] = {"ack_topic": self.ack_topic.assigned, "stopping": self.stopping}
        return self.ack_topic.assigned and not self.stopping, facts

    def _page(self) -> bytes:
        self.settle()
        figures = self.store.figures(self.clocks.wall_ms() - self.settings.ack_late_ms)
        self.metrics.waiting.set(figures["waiting"])
        self.metrics.missing.set(figures["missing"])
        self.metrics.failures.set(self.outbox.failures)
        self.metrics.running.set(sum(1 for world in self.core.worlds.values() if world.stage is not None))
        return self.metrics.page()
