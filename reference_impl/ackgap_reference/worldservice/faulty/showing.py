"""Wrong in the snapshot (WS-13 to WS-16, WS-31)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.desk import Desk
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts
from ackgap_reference.worldservice.world import Input, Moment, Outcome, Stage, Switch, World

SLOW_MS = 2000


class NamesNoPlace(Desk):
    """A snapshot names neither run nor sequence."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        return {**super().snapshot_of(world), "run_id": None, "sequence": None}


class ShowsWhatIsToCome(Desk):
    """While an apply is in progress a snapshot shows the weights that it will bring."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        told = dict(super().snapshot_of(world))
        run = world.run
        if run is not None and world.stage is not None:
            told["state"] = {
                s: {side: {**e, "weight": run.target[s, side].weight} for side, e in sides.items()}
                for s, sides in told["state"].items()
            }
        return told


class SlowSwitch(WorldService):
    """Takes its time for the switch."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        return after, [replace(e, ms=SLOW_MS) if isinstance(e, Switch) else e for e in effects]


class Ahead(Desk):
    """From the switch on, which takes a while, a snapshot shows the end of the run (rehearsed failures apart)."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        run = world.run
        if run is None or world.stage not in {Stage.SWITCHING, Stage.UNFREEZING} or run.rehearsal.fail:
            return super().snapshot_of(world)
        last = run.sequence + len(run.target) if world.stage is Stage.SWITCHING else 2 * len(run.target)
        end = replace(world, run=replace(run, sequence=last), entries=MappingProxyType(dict(run.target)))
        return super().snapshot_of(end)


class FromAReplicaBehind(Desk):
    """While an apply is in progress every second snapshot comes from a replica that is behind."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.behind: dict[str, World] = {}
        self.turn: dict[str, int] = {}

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        if world.stage is None:
            return super().snapshot_of(world)
        turn = self.turn[world.world_id] = self.turn.get(world.world_id, 0) + 1
        if turn % 4 == 1:
            self.behind[world.world_id] = world
        return super().snapshot_of(self.behind.get(world.world_id, world) if turn % 2 else world)


class TimeAsNumber(Desk):
    """The ts of a snapshot is a number of seconds."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        return {**super().snapshot_of(world), "ts": 1_700_000_000}


class ListOfEntries(Desk):
    """The state of a snapshot is a list of entries."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        told = super().snapshot_of(world)
        rows = [
            {"strategy_id": s, "side": side, **e} for s, sides in told["state"].items() for side, e in sides.items()
        ]
        return {**told, "state": rows}


def _faulty(name: str, requirement: str, desk: type[Desk], **parts: Any) -> FaultyWorldService:
    sentence = " ".join((desk.__doc__ or "").split())
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(desk=desk, **parts))


FAULTY = (
    _faulty("snapshot-names-no-place", "WS-13", NamesNoPlace),
    _faulty("snapshot-of-what-is-to-come", "WS-14", ShowsWhatIsToCome),
    _faulty("snapshot-ahead", "WS-15", Ahead, core=SlowSwitch),
    _faulty("snapshot-goes-back", "WS-16", FromAReplicaBehind),
    _faulty("snapshot-time-as-number", "WS-31", TimeAsNumber),
    _faulty("snapshot-as-list", "WS-31", ListOfEntries),
)
