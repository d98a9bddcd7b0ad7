"""The WorldService core: many worlds, no I/O. Requests and reports go in, effects and answers come out.

Every effect of one call belongs into one transaction of the store; only then is anything of it published or answered.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Constants
from ackgap_reference.worldservice import documents, world
from ackgap_reference.worldservice.world import Begin, Input, Limits, Moment, Override, Run, Stage, World

MAX_WORLDS = 100_000


class RefusedError(Exception):
    """A request that cannot be granted now; `status` is the HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Write this world to the store; `run` is None where no run has changed."""

    world: World
    run: Run | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Write this event to the outbox, and publish it once it is there."""

    world_id: str
    number: int
    run_id: str
    sequence: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Put the new state in force; report with `switched` or `switch_failed`."""

    world_id: str
    run_id: str
    ms: int
    fail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An apply has ended."""

    world_id: str
    run_id: str
    stage: Stage


Effect = Keep | Publish | Switch | Ended


class WorldService:
    """All worlds of one service."""

    def __init__(self, *, constants: Constants, limits: Limits, enveloped: bool, timestamp: Callable[[], str]) -> None:
        self.constants, self.limits, self.enveloped, self.timestamp = constants, limits, enveloped, timestamp
        self.worlds: dict[str, World] = {}
        self.timers: list[tuple[int, str]] = []

    # --- requests ----------------------------------------------------------------------------------------------

    def apply(self, world_id: str, begin: Begin, now: int) -> tuple[bool, list[Effect]]:
        """Begin an apply. Returns whether it is a new one: the same request under the same run id is not done again.

        Raises RefusedError if another apply of the world is in progress.
        """
        known = self.worlds.get(world_id)
        if known is None and len(self.worlds) >= MAX_WORLDS:
            raise RefusedError(503, f"this service holds {MAX_WORLDS} worlds and takes no more")
        latest = known or World(world_id=world_id)
        run = latest.run
        if run is not None and run.run_id == begin.run_id:
            if run.digest == begin.digest:
                return False, []
            raise RefusedError(409, f"run {begin.run_id!r} of this world exists with another content")
        if latest.stage is not None and run is not None:
            raise RefusedError(409, f"run {run.run_id!r} of this world is {run.stage}; one apply at a time")
        self.worlds[world_id] = latest
        return True, self._step(world_id, begin, now)

    def override(self, world_id: str, override: Override, now: int) -> list[Effect]:
        """Change one entry by hand, in an unsequenced event. Raises RefusedError."""
        known = self.worlds.get(world_id)
        if known is None or override.key not in known.entries:
            raise RefusedError(404, f"no such world, or no entry {override.key[0]!r}/{override.key[1]} in it")
        if known.stage is not None and not override.change.keys() <= {"held_freeze", "held_drain"}:
            raise RefusedError(409, "while an apply is in progress only freeze and drain can be changed by hand")
        return self._step(world_id, override, now)

    def abort(self, world_id: str, run_id: str, now: int) -> list[Effect]:
        """Give up an apply in progress. Raises RefusedError."""
        run = self.worlds[world_id].run if world_id in self.worlds else None
        if run is None or run.run_id != run_id:
            raise RefusedError(404, f"run {run_id!r} is not the latest of this world")
        if run.stage.ended or run.stage is Stage.ROLLING_BACK:
            raise RefusedError(409, f"run {run_id!r} is {run.stage} already")
        return self._step(world_id, world.Abort(run_id), now)

    # --- reports -----------------------------------------------------------------------------------------------

    def published(self, world_id: str, number: int, now: int) -> list[Effect]:
        """The bus has this event."""
        return self._step(world_id, world.Published(number), now)

    def switched(self, world_id: str, run_id: str, now: int) -> list[Effect]:
        """The new state is in force."""
        return self._step(world_id, world.Switched(run_id), now)

    def switch_failed(self, world_id: str, run_id: str, why: str, now: int) -> list[Effect]:
        """The new state could not be put in force."""
        return self._step(world_id, world.SwitchFailed(run_id, why), now)

    def resume(self, worlds: Mapping[str, World], now: int) -> list[Effect]:
        """Take over what the store holds, and go on where the service was ended."""
        self.worlds = dict(worlds)
        unfinished = [w for w, known in self.worlds.items() if known.stage is not None]
        return [effect for world_id in unfinished for effect in self._step(world_id, world.Resumed(), now)]

    def tick(self, now: int) -> list[Effect]:
        """Serve every deadline that has passed."""
        effects: list[Effect] = []
        while self.timers and self.timers[0][0] <= now:
            _, world_id = heapq.heappop(self.timers)
            effects += self._step(world_id, world.DeadlinePassed(), now)
        return effects

    def next_timer(self) -> int | None:
        """When the next deadline is due; stale ones are thrown away."""
        while self.timers:
            due, world_id = self.timers[0]
            run = self.worlds[world_id].run
            if run is not None and run.deadline == due:
                return due
            heapq.heappop(self.timers)
        return None

    def acked(self, world_id: str, run_id: str, sequence: int, now: int) -> list[Effect]:
        """An ACK has come: it decides nothing (RFC 5)."""
        return []

    # --- decisions ---------------------------------------------------------------------------------------------

    def transition(self, before: World, given: Input, moment: Moment) -> world.Outcome:
        """The world after an input, and what comes of it."""
        return world.step(before, given, moment, self.limits)

    def state_hash(self, known: World) -> str:
        """The token that events, probe and snapshot tell of this state."""
        return known.state_hash

    def body(self, after: World, emit: world.Emit) -> dict[str, Any]:
        """The ActivationUpdated body of an event."""
        return documents.body(after, emit, state_hash=self.state_hash(after))

    # --- inside ------------------------------------------------------------------------------------------------

    def _step(self, world_id: str, given: Input, now: int) -> list[Effect]:
        before = self.worlds.get(world_id)
        if before is None:
            return []
        after, effects = self.transition(before, given, Moment(ns=now, ts=self.timestamp()))
        if after is before:
            return []
        self.worlds[world_id] = after
        run = after.run
        if run is not None and run.deadline is not None and (before.run is None or run.deadline != before.run.deadline):
            heapq.heappush(self.timers, (run.deadline, world_id))
        kept: list[Effect] = [Keep(world=after, run=run if run is not before.run else None)]
        return [*kept, *(self._performed(after, effect) for effect in effects)]

    def _performed(self, after: World, effect: world.Effect) -> Effect:
        match effect:
            case world.Emit():
                body = self.body(after, effect)
                value = documents.event(after, effect, body, constants=self.constants, enveloped=self.enveloped)
                return Publish(
                    world_id=after.world_id, number=effect.number, run_id=effect.run_id, sequence=effect.sequence,
                    value=value,
                )  # fmt: skip
            case world.Switch(run_id, ms, fail):
                return Switch(world_id=after.world_id, run_id=run_id, ms=ms, fail=fail)
            case world.Ended(run_id, stage):
                return Ended(world_id=after.world_id, run_id=run_id, stage=stage)


__all__ = ["Ended", "Keep", "Publish", "RefusedError", "Switch", "WorldService"]
