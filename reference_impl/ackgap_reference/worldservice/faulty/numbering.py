"""Wrong in the sequence and the order of a run (WS-01, WS-04, WS-05, WS-06, WS-27)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference.worldservice import core, world
from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts
from ackgap_reference.worldservice.world import Begin, Emit, Input, Moment, Move, Outcome, Run, Stage, Switched, World


class SkipsANumberAtTheEnd(WorldService):
    """Takes a number for the switch, and gives it to nobody once the run is about to end."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.mine: set[tuple[str, str]] = set()

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        run = after.run
        if isinstance(given, Begin) and run is not None:
            self.mine.add((after.world_id, run.run_id))
        ending = run is not None and run.stage is Stage.UNFREEZING and not run.pending
        if run is None or not ending or (after.world_id, run.run_id) not in self.mine:
            return after, effects
        return bumped(after, run, effects)


class ContinuesAcrossRuns(WorldService):
    """Numbers the events of a world through: a new run goes on where the last one ended."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        if not isinstance(given, Begin) or before.run is None or after.run is None:
            return after, effects
        return bumped(after, after.run, effects, by=before.run.sequence)


class HoleAfterRollback(WorldService):
    """The event that could not follow takes a number all the same: the rollback begins one further."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        failed = after.run is not None and after.run.stage is Stage.ROLLING_BACK
        if after.run is None or not failed or (before.run is not None and before.run.stage is Stage.ROLLING_BACK):
            return after, effects
        return bumped(after, after.run, effects)


class UnfreezesEarly(WorldService):
    """Unfreezes the first entry as soon as all others but one are frozen."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        if isinstance(given, Switched) and before.run is not None and len(before.run.target) > 1:
            first = next(iter(before.run.target))
            rest = {key: entry for key, entry in before.run.target.items() if key != first}
            before = replace(before, run=replace(before.run, target=MappingProxyType(rest)))
        after, effects = super().transition(before, given, moment)
        run = after.run
        if not isinstance(given, Begin) or run is None or not run.pending:
            return after, effects
        key, entry = next(iter(run.target.items()))
        early = Move(phase="unfreeze", key=key, entry=entry)
        run = replace(run, pending=(*run.pending[:-1], early, run.pending[-1]))
        return replace(after, run=run), effects


class ForgetsToFreezeOne(WorldService):
    """Plans one freeze less than there are entries."""

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        run = after.run
        if not isinstance(given, Begin) or run is None or not run.pending:
            return after, effects
        return replace(after, run=replace(run, pending=run.pending[:-1])), effects


class CountsTwiceAtAStart(WorldService):
    """Counts the event that was on its way when it was ended once more."""

    def resume(self, worlds: Mapping[str, World], now: int) -> list[core.Effect]:
        worlds = {
            w: replace(known, run=replace(known.run, sequence=known.run.sequence + 1))
            if known.run is not None and known.stage is not None
            else known
            for w, known in worlds.items()
        }
        return super().resume(worlds, now)


class LeavesCutOffRuns(WorldService):
    """Takes a run that was cut off by a restart for ended, and leaves its entries frozen."""

    def resume(self, worlds: Mapping[str, World], now: int) -> list[core.Effect]:
        given_up = {
            w: replace(known, run=replace(known.run, stage=Stage.ROLLED_BACK, pending=(), ended=known.ts))
            if known.run is not None and known.stage is not None
            else known
            for w, known in worlds.items()
        }
        return super().resume(given_up, now)


def bumped(after: World, run: Run, effects: list[world.Effect], *, by: int = 1) -> Outcome:
    """The same with all sequences from here on raised."""
    told: list[world.Effect] = [
        replace(effect, sequence=effect.sequence + by) if isinstance(effect, Emit) and effect.sequence else effect
        for effect in effects
    ]
    return replace(after, run=replace(run, sequence=run.sequence + by)), told


def _faulty(name: str, requirement: str, core_class: type[WorldService]) -> FaultyWorldService:
    sentence = " ".join((core_class.__doc__ or "").split())
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(core=core_class))


FAULTY = (
    _faulty("skips-a-number", "WS-01", SkipsANumberAtTheEnd),
    _faulty("continues-across-runs", "WS-01", ContinuesAcrossRuns),
    _faulty("hole-after-rollback", "WS-04", HoleAfterRollback),
    _faulty("unfreezes-early", "WS-05", UnfreezesEarly),
    _faulty("forgets-to-freeze-one", "WS-06", ForgetsToFreezeOne),
    _faulty("counts-twice-at-a-start", "WS-27", CountsTwiceAtAStart),
    _faulty("leaves-cut-off-runs", "WS-28", LeavesCutOffRuns),
)
