"""Wrong in how applies go and follow each other (WS-03, WS-23, WS-24, WS-33)."""

from dataclasses import replace
from typing import Any

from ackgap_reference.worldservice import core, documents
from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.desk import Answer, Desk
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts
from ackgap_reference.worldservice.requests import RequestError, apply_request
from ackgap_reference.worldservice.world import Begin, Input, Moment, Outcome, Published, Run, Stage, Switched, World


class WaitsForAnAck(WorldService):
    """Switches only when the last freeze event has been ACKed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.acks: set[tuple[str, str, int]] = set()
        self.held: dict[tuple[str, str], int] = {}

    def published(self, world_id: str, number: int, now: int) -> list[core.Effect]:
        run = self.worlds[world_id].run
        last = run is not None and run.stage is Stage.FREEZING and not run.pending and run.in_flight == number
        if run is not None and last and (world_id, run.run_id, run.sequence) not in self.acks:
            self.held[world_id, run.run_id] = number
            return []
        return super().published(world_id, number, now)

    def acked(self, world_id: str, run_id: str, sequence: int, now: int) -> list[core.Effect]:
        self.acks.add((world_id, run_id, sequence))
        known = self.worlds.get(world_id)
        awaited = known is not None and known.run is not None and known.run.sequence == sequence
        if not awaited or (world_id, run_id) not in self.held:
            return []
        return super().published(world_id, self.held.pop((world_id, run_id)), now)


class Interleaves(WorldService):
    """Lets a second apply of a world run beside the first."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.beside: dict[str, Run] = {}

    def apply(self, world_id: str, begin: Begin, now: int) -> tuple[bool, list[core.Effect]]:
        known = self.worlds.get(world_id)
        busy = known is not None and known.stage is not None and world_id not in self.beside
        if known is not None and known.run is not None and busy and known.run.run_id != begin.run_id:
            self.beside[world_id] = known.run
            self.worlds[world_id] = replace(known, run=None)
        return super().apply(world_id, begin, now)

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        other = self.beside.get(before.world_id)
        if other is not None and before.run is not None and _meant(other, given):
            self.beside[before.world_id] = before.run
            before = replace(before, run=other)
        after, effects = super().transition(before, given, moment)
        other = self.beside.get(before.world_id)
        if other is not None and after.run is not None and after.run.stage.ended:
            del self.beside[before.world_id]
            if not other.stage.ended:
                self.worlds[before.world_id] = after
                after = replace(after, run=other)
        return after, effects


def _meant(run: Run, given: Input) -> bool:
    match given:
        case Published(number):
            return run.in_flight == number
        case Switched(run_id):
            return run.run_id == run_id
    return False


class OneRunForAll(WorldService):
    """Tells every event of a world under the run that came first, and numbers them through."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.first: dict[str, str] = {}
        self.before: dict[tuple[str, str], int] = {}

    def transition(self, before: World, given: Input, moment: Moment) -> Outcome:
        after, effects = super().transition(before, given, moment)
        if isinstance(given, Begin) and after.run is not None:
            first = before.run if before.run is not None else after.run
            self.first.setdefault(after.world_id, first.run_id)
            done = before.run.sequence if before.run is not None else 0
            earlier = self.before.get((after.world_id, before.run.run_id), 0) if before.run is not None else 0
            self.before[after.world_id, after.run.run_id] = earlier + done
        return after, effects

    def place(self, known: World, run_id: str | None, sequence: int | None) -> dict[str, Any]:
        """Run and sequence as they are told."""
        if not run_id or not sequence:
            return {"run_id": run_id, "sequence": sequence}
        through = sequence + self.before.get((known.world_id, run_id), 0)
        return {"run_id": self.first.get(known.world_id, run_id), "sequence": through}

    def body(self, after: World, emit: Any) -> dict[str, Any]:
        told = super().body(after, emit)
        return {**told, **self.place(after, told["run_id"], told["sequence"])}


class OneRunForAllDesk(Desk):
    """Shows what `OneRunForAll` tells."""

    def snapshot_of(self, world: World) -> dict[str, Any]:
        told = dict(super().snapshot_of(world))
        if isinstance(self.core, OneRunForAll):
            told.update(self.core.place(world, told["run_id"], told["sequence"]))
        return told


class TakesOnAndForgets(Desk):
    """Takes the second apply of a world on, and never begins with it."""

    def apply(self, world_id: str, body: bytes) -> Answer:
        known = self._world(world_id)
        try:
            begin = apply_request(body, run_id="run-1", rehearsals=self.rehearsals)
        except RequestError:
            return super().apply(world_id, body)
        rows = self.store.database.execute("SELECT count(*) FROM runs WHERE world_id = ?", (world_id,)).fetchone()
        if known is None or rows[0] != 1 or known.stage is not None or begin.rehearsal.fail:
            return super().apply(world_id, body)
        run = Run(
            run_id=begin.run_id, stage=Stage.FREEZING, digest=begin.digest, target=known.entries, before=known.entries
        )
        document = documents.status(world_id, run, (), now_ms=self.clock.wall_ms(), late_ms=self.late_ms)
        return Answer(status=202, document=document)


def _faulty(name: str, requirement: str, sentence: str, **parts: Any) -> FaultyWorldService:
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(**parts))


FAULTY = (
    _faulty(
        "waits-for-an-ack", "WS-03", "Switches only when the last freeze event has been ACKed.", core=WaitsForAnAck
    ),
    _faulty("interleaves-applies", "WS-23", "Lets a second apply of a world run beside the first.", core=Interleaves),
    _faulty(
        "one-run-for-all", "WS-24", "Tells every event of a world under the run that came first, and numbers them through.",
        core=OneRunForAll, desk=OneRunForAllDesk,
    ),
    _faulty(
        "takes-on-and-forgets", "WS-33", "Takes the second apply of a world on, and never begins with it.",
        desk=TakesOnAndForgets,
    ),
)  # fmt: skip
