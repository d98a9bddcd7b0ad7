"""What can be asked of the WorldService, independent of HTTP: each call gives an answer and never raises for its caller's fault."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ackgap_reference.worldservice import documents
from ackgap_reference.worldservice.core import Effect, RefusedError, WorldService
from ackgap_reference.worldservice.documents import token
from ackgap_reference.worldservice.metrics import Metrics
from ackgap_reference.worldservice.requests import RequestError, apply_request, identifier, override_request
from ackgap_reference.worldservice.store import Store
from ackgap_reference.worldservice.world import Run, World

TITLES = {400: "Bad request", 404: "Not found", 408: "Request timeout", 409: "Conflict", 503: "Unavailable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, JSON body, version tag ("" for none) and further headers."""

    status: int
    document: Mapping[str, Any]
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Clock(Protocol):
    """What the desk needs to know of time."""

    def now(self) -> int:
        """ns of the monotonic clock."""

    def wall_ms(self) -> int:
        """ms since the epoch."""


class Desk:
    """Answers from what is durable only: `settle` writes everything open before anything is read or told."""

    def __init__(
        self,
        *,
        core: WorldService,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        take: Callable[[list[Effect]], None],
        settle: Callable[[], None],
        rehearsals: bool,
        late_ms: int,
    ) -> None:
        self.core, self.store, self.metrics, self.clock = core, store, metrics, clock
        self.take, self.settle, self.rehearsals, self.late_ms = take, settle, rehearsals, late_ms

    # --- resync (RFC 5) ----------------------------------------------------------------------------------------

    def state_hash(self, world_id: str) -> Answer:
        """The hash of the world's present state."""
        world = self._world(world_id)
        if world is None:
            return _unknown(world_id)
        document = self.probe_of(world)
        return Answer(status=200, document=document, etag=str(document["state_hash"]))

    def snapshot(self, world_id: str) -> Answer:
        """The whole state of the world."""
        world = self._world(world_id)
        if world is None:
            return _unknown(world_id)
        document = self.snapshot_of(world)
        return Answer(status=200, document=document, etag=token(str(document["state_hash"]), str(world.number)))

    def entry(self, world_id: str, strategy: str | None, side: str | None) -> Answer:
        """The last event of one entry."""
        if not strategy or not side:
            return problem(400, "strategy_id and side go together")
        world = self._world(world_id)
        number = world.last_event.get((strategy, side)) if world is not None else None
        value = self.store.value(world_id, number) if number is not None else None
        if value is None:
            return problem(404, f"no such world, or no entry {strategy!r}/{side} in it")
        document = documents.in_envelope(value, self.core.constants)
        return Answer(status=200, document=document, etag=token(document["id"]))

    def probe_of(self, world: World) -> Mapping[str, Any]:
        """What the probe tells of a world."""
        return documents.probe(world, state_hash=self.core.state_hash(world))

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        """What the snapshot tells of a world."""
        return documents.snapshot(world, state_hash=self.core.state_hash(world))

    # --- apply (RFC 1) -----------------------------------------------------------------------------------------

    def apply(self, world_id: str, body: bytes) -> Answer:
        """Begin an apply; 202 with its state, which `apply_status` tells from then on."""
        try:
            identifier(world_id, "world_id")
            begin = apply_request(body, run_id=f"run-{uuid.uuid4().hex[:12]}", rehearsals=self.rehearsals)
        except RequestError as error:
            return problem(400, str(error))
        older = self._run(world_id, begin.run_id)
        if older is not None and older.digest == begin.digest:
            return self._told(world_id, older, 200)
        try:
            if older is not None:
                raise RefusedError(409, f"run {begin.run_id!r} of this world exists with another content")
            _, effects = self.core.apply(world_id, begin, self.clock.now())
        except RefusedError as error:
            self.metrics.refused.inc()
            return problem(error.status, str(error))
        self.take(effects)
        self.settle()
        run = self._run(world_id, begin.run_id)
        return self._told(world_id, run, 202) if run is not None else problem(404, "the run is gone")

    def apply_status(self, world_id: str, run_id: str) -> Answer:
        """How an apply stands, and its ACKs."""
        run = self._run(world_id, run_id)
        return self._told(world_id, run, 200) if run is not None else problem(404, f"no run {run_id!r} of this world")

    def abort(self, world_id: str, run_id: str) -> Answer:
        """Give an apply up: it is rolled back."""
        try:
            self.take(self.core.abort(world_id, run_id, self.clock.now()))
        except RefusedError as error:
            return problem(error.status, str(error))
        self.settle()
        run = self._run(world_id, run_id)
        return self._told(world_id, run, 202) if run is not None else problem(404, "the run is gone")

    def override(self, world_id: str, body: bytes) -> Answer:
        """Change one entry by hand; the answer is the event that tells of it."""
        try:
            override = override_request(body)
            self.take(self.core.override(world_id, override, self.clock.now()))
        except RequestError as error:
            return problem(400, str(error))
        except RefusedError as error:
            return problem(error.status, str(error))
        return self.entry(world_id, *override.key)

    # --- inside ------------------------------------------------------------------------------------------------

    def _world(self, world_id: str) -> World | None:
        self.settle()
        return self.core.worlds.get(world_id)

    def _run(self, world_id: str, run_id: str) -> Run | None:
        world = self._world(world_id)
        if world is not None and world.run is not None and world.run.run_id == run_id:
            return world.run
        return self.store.run(world_id, run_id)

    def _told(self, world_id: str, run: Run, status: int) -> Answer:
        sent = self.store.sent(world_id, run.run_id)
        document = documents.status(world_id, run, sent, now_ms=self.clock.wall_ms(), late_ms=self.late_ms)
        return Answer(status=status, document=document)


def problem(status: int, detail: str) -> Answer:
    """Problem details (RFC 9457)."""
    title = TITLES.get(status, "Error")
    return Answer(status=status, document={"type": "about:blank", "title": title, "status": status, "detail": detail})


def _unknown(world_id: str) -> Answer:
    return problem(404, f"no world {world_id!r} is known here")
