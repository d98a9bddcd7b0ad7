"""Puts the parts together: one event loop, one core, everything else at its edges."""

import asyncio
import contextlib
import importlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from confluent_kafka import Message

from ackgap_reference.gateway import Gateway
from ackgap_reference.messages import Event
from ackgap_reference.service.bus import ActivationConsumer, RecordProducer
from ackgap_reference.service.http import HttpFace
from ackgap_reference.service.metrics import Metrics
from ackgap_reference.service.relay import RelayHub
from ackgap_reference.service.resync import ResyncClient
from ackgap_reference.service.settings import Settings
from ackgap_reference.service.standstill import watch
from ackgap_reference.service.state import StateStore
from ackgap_reference.stream import BUFFER_LIMIT

log = logging.getLogger("ackgap.reference")

DRAIN_S = 5.0
DISK_FAILED = 74  # EX_IOERR


class GatewayService:
    """A running reference Gateway."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        module, _, name = settings.core.partition(":")
        factory = getattr(importlib.import_module(module), name)
        told = {"constants": settings.constants} if settings.contract else {}
        self.core: Gateway = factory(
            gap_timeout_ms=settings.gap_timeout_ms,
            resync_enforced=settings.resync_enforced,
            seed=settings.seed,
            **told,
        )
        if settings.buffer_limit != BUFFER_LIMIT:
            self.core.rules = replace(self.core.rules, buffer_limit=settings.buffer_limit)
        self.core.enveloped = settings.wire_form == "enveloped"
        self.core.wall_clock = time.time_ns
        self.core.observe_ack = self._ack_begins
        self.metrics: Metrics = getattr(self.core, "metrics_type", Metrics)(settings.constants.ack_latency_metric)
        self.relay = RelayHub(self.metrics, self._client_left)
        self.open_acks: dict[int, int | None] = {}
        self.applied_at: dict[tuple[str, str, int], int] = {}  # of events whose ACK is not confirmed yet
        self.acked_events: dict[int, tuple[str, str, int]] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.stopping = False
        self.watching: asyncio.Task[None] | None = None
        self.drained = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.core.catching_up = True
        self.state = StateStore(settings.state_db) if settings.state_db else None
        self.unwritten: list[Any] = []  # effects that wait for what has led to them to be written
        self.scheduled = False
        self.consumer = ActivationConsumer(
            settings, loop, on_batch=self._batch, on_assigned=self._assigned, on_caught_up=self.core.caught_up
        )
        self.consumer.on_revoked = lambda partitions: self._hint("revoked", partitions)
        self.acks = RecordProducer(
            brokers=settings.kafka_brokers, topic=settings.ack_topic, loop=loop, report=self._ack_reported
        )
        self.resync = ResyncClient(
            base=settings.worldservice_url,
            timeout_ms=settings.http_timeout_ms,
            body_limit=settings.body_limit,
            answered=self._answered,
            failed=self._failed,
        )
        self.http = HttpFace(
            gate=self.core.gate,
            gate_path=settings.constants.gate_path,
            ready=lambda: self.consumer.assigned and not self.stopping,
            refresh=lambda: self.metrics.take_over(self.core.counters()),
            metrics=self.metrics,
            relay=self.relay,
        )

    async def start(self) -> None:
        """Remember, listen, then join the group. Raises OSError if the port cannot be had, StoreError for a bad file."""
        if self.state is not None:
            self.state.restore(self.core, time.monotonic_ns())
        await self.http.start(self.settings.http_host, self.settings.http_port)
        self.consumer.start()
        if hasattr(self.core, "relay_stalled"):
            self.watching = asyncio.create_task(watch(self.relay.transports, self._clients_changed))
        self._perform(())
        log.info("listening", extra={"host": self.settings.http_host, "port": self.http.port})

    async def stop(self) -> None:
        """Stop reading, let open ACKs through, commit, leave."""
        self.stopping = True
        if self.watching is not None:
            self.watching.cancel()
        self.consumer.stopping.set()
        if self.open_acks:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.drained.wait(), DRAIN_S)
        self._hint("closing")
        await self.consumer.stop()
        self._settle()
        await self.acks.stop(DRAIN_S)
        self._settle()
        await self.resync.close()
        if self.timer is not None:
            self.timer.cancel()
        await self.http.stop()
        if self.state is not None:
            self.state.close()
        log.info("stopped", extra={"counters": dict(self.core.counters())})

    def _hint(self, name: str, *given: Any) -> None:
        """A core may want to know that it is asked to stop, or that partitions are taken from it; most do not."""
        call = getattr(self.core, name, None)
        if call is not None:
            self._perform(call(*given, time.monotonic_ns()))

    # --- inputs of the core ------------------------------------------------------------------------------------

    def _batch(self, messages: list[Message]) -> None:
        for message in messages:
            now = time.monotonic_ns()
            key, value = message.key(), message.value()
            effects = self.core.record(
                partition=message.partition() or 0,
                offset=message.offset() or 0,
                key=key.encode() if isinstance(key, str) else key,
                value=value.encode() if isinstance(value, str) else value,
                now=now,
            )
            self._perform(effects)
        self.consumer.done(len(messages))

    def _ack_reported(self, token: int, confirmed: bool) -> None:
        now = time.monotonic_ns()
        began = self.open_acks.pop(token, None)
        event = self.acked_events.pop(token, None)
        if confirmed and event is not None:
            self.applied_at.pop(event, None)
        if self.stopping and not self.open_acks:
            self.drained.set()
        if confirmed and began is not None:
            self.metrics.acked_after((now - began) / 1e6)
        self._perform(self.core.ack_confirmed(token, now) if confirmed else self.core.ack_failed(token, now))

    def _answered(self, token: int, status: int, body: bytes) -> None:
        self._perform(self.core.http_answered(token, status, body, time.monotonic_ns()))

    def _failed(self, token: int, reason: str) -> None:
        log.info("resync request failed", extra={"reason": reason})
        self._perform(self.core.http_failed(token, reason, time.monotonic_ns()))

    def _clients_changed(self, stalled: bool) -> None:
        """For a core that wants to know how its clients downstream are doing."""
        tell: Callable[[bool, int], list[Any]] = self.core.relay_stalled  # type: ignore[attr-defined]
        self._perform(tell(stalled, time.monotonic_ns()))

    def _client_left(self) -> None:
        """Likewise, for one that wants to know when a client is gone."""
        tell: Callable[[int], None] | None = getattr(self.core, "relay_left", None)
        if tell is not None:
            tell(time.monotonic_ns())

    def _tick(self) -> None:
        self.timer = None
        self._perform(self.core.tick(time.monotonic_ns()))

    def _ack_begins(self, event: Event, token: int) -> None:
        key = (event.world_id, event.run_id, event.sequence)
        self.acked_events[token] = key
        self.open_acks[token] = self.applied_at.setdefault(
            key, time.monotonic_ns()
        )  # a repeated attempt began long ago

    def _assigned(self, committed: dict[int, int]) -> None:
        self.core.assigned(committed)
        self._perform(())

    # --- effects of the core -----------------------------------------------------------------------------------

    def _perform(self, effects: Iterable[Any]) -> None:
        """Let effects happen; where there is a state file, once it holds what has led to them."""
        if self.state is None:
            self._do(effects)
            return
        self.unwritten += effects
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Write what has changed in this turn of the loop, then let it take effect."""
        self.scheduled = False
        if self.state is None:
            return
        try:
            self.state.write(self.core)
        except sqlite3.Error:
            log.critical("the state file cannot be written; the service ends and goes on from there", exc_info=True)
            os._exit(DISK_FAILED)
        effects, self.unwritten = self.unwritten, []
        self._do(effects)

    def _do(self, effects: Iterable[Any]) -> None:
        for effect in effects:
            match effect.kind:
                case "publish_ack":
                    self.open_acks.setdefault(effect.token, None)
                    self.acks.publish(effect.token, effect.key, effect.value)
                case "http_get" if not self.stopping:
                    self.resync.get(effect.token, effect.path)
                case "relay":
                    self.relay.publish(effect.frame)
                case "commit":
                    self.consumer.commit(effect.partition, effect.offset)
        self._arm()

    def _arm(self) -> None:
        """Wake up when the core's next timer is due, and not before."""
        due = self.core.next_timer()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if due is not None and not self.stopping:
            pause = max(0.0, (due - time.monotonic_ns()) / 1e9)
            self.timer = self.loop.call_later(pause, self._tick)
