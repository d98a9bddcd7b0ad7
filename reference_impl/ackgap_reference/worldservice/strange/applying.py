"""Other ways to go through an apply."""

from collections import deque
from dataclasses import replace
from typing import Any

from ackgap_reference.worldservice import core, documents
from ackgap_reference.worldservice.core import Ended, WorldService
from ackgap_reference.worldservice.desk import Answer, Desk
from ackgap_reference.worldservice.parts import Parts, WorldVariant
from ackgap_reference.worldservice.requests import RequestError, apply_request, identifier
from ackgap_reference.worldservice.world import Begin, Input, Moment, Outcome, Run, Stage, Switch, Switched, World

SLOW_MS = 600


class Queues(WorldService):
    """Lets a second apply wait until the first has ended, instead of refusing it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.waiting: dict[str, deque[Begin]] = {}

    def _step(self, world_id: str, given: Input, now: int) -> list[core.Effect]:
        effects = super()._step(world_id, given, now)
        queue = self.waiting.get(world_id)
        if queue and any(isinstance(effect, Ended) for effect in effects):
            effects += super()._step(world_id, queue.popleft(), now)
        return effects


class QueueDesk(Desk):
    """Takes on what has to wait."""

    def apply(self, world_id: str, body: bytes) -> Answer:
        known = self._world(world_id)
        try:
            identifier(world_id, "world_id")
            begin = apply_request(body, run_id="", rehearsals=self.rehearsals)
        except RequestError:
            return super().apply(world_id, body)
        if known is None or known.stage is None or self._run(world_id, begin.run_id) is not None:
            return super().apply(world_id, body)
        if isinstance(self.core, Queues):
            self.core.waiting.setdefault(world_id, deque()).append(begin)
        run = Run(run_id=begin.run_id, stage=Stage.FREEZING, digest=begin.digest, target={}, before={})
        document = documents.status(world_id, run, (), now_ms=self.clock.wall_ms(), late_ms=self.late_ms)
        return Answer(status=202, document=document)


class SlowSwitch(WorldService):
    """Takes more than half a second for each switch."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        return after, [replace(e, ms=max(e.ms, SLOW_MS)) if isinstance(e, Switch) else e for e in effects]


class OtherOrder(WorldService):
    """Unfreezes the entries in the opposite order of the freezes."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        if isinstance(given, Switched) and before.run is not None:
            target = dict(reversed(list(before.run.target.items())))
            before = replace(before, run=replace(before.run, target=target))
        return super().transition(before, given, moment)


class OtherOrderDesk(Desk):
    """Shows the strategies of a snapshot in descending order."""

    def snapshot_of(self, world: World) -> dict[str, Any]:
        told = super().snapshot_of(world)
        return {**told, "state": dict(sorted(told["state"].items(), reverse=True))}


def _strange(name: str, told_by: type[Any], **parts: Any) -> WorldVariant:
    return WorldVariant(name=name, sentence=" ".join((told_by.__doc__ or "").split()), parts=Parts(**parts))


STRANGE = (
    _strange("queues-applies", Queues, core=Queues, desk=QueueDesk),
    _strange("slow-switch", SlowSwitch, core=SlowSwitch),
    _strange("other-order", OtherOrder, core=OtherOrder, desk=OtherOrderDesk),
)
