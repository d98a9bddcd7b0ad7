"""Wrong in the state hash (WS-02, WS-11, WS-12, WS-29)."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.desk import Desk
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts
from ackgap_reference.worldservice.world import Emit, World


class IgnoresTheWeight(WorldService):
    """Leaves the weight out of the state hash."""

    def state_hash(self, known: World) -> str:
        entries = {key: replace(entry, weight=0.0) for key, entry in known.entries.items()}
        return super().state_hash(replace(known, entries=MappingProxyType(entries)))


class IgnoresTheFreeze(WorldService):
    """Leaves freeze, drain and active out of the state hash."""

    def state_hash(self, known: World) -> str:
        entries = {key: replace(e, freeze=False, drain=False, active=True) for key, e in known.entries.items()}
        return super().state_hash(replace(known, entries=MappingProxyType(entries)))


class CountsQuestions(WorldService):
    """Mixes into the hash how often the snapshot was asked for; its events carry none."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.questions: dict[str, int] = {}

    def state_hash(self, known: World) -> str:
        return f"{super().state_hash(known)}.{self.questions.get(known.world_id, 0)}"

    def body(self, after: World, emit: Emit) -> dict[str, Any]:
        return {**super().body(after, emit), "state_hash": None}


class CountsQuestionsDesk(Desk):
    """Counts for `CountsQuestions`."""

    def snapshot_of(self, world: World) -> Mapping[str, Any]:
        told = super().snapshot_of(world)
        if isinstance(self.core, CountsQuestions):
            self.core.questions[world.world_id] = self.core.questions.get(world.world_id, 0) + 1
        return told


class HashesItsParts(WorldService):
    """Takes worlds whose ids begin with its own for parts of it, and hashes them too; its events carry no hash."""

    def state_hash(self, known: World) -> str:
        parts = sorted(w for w in self.worlds if w.startswith(known.world_id + "-"))
        rows = [WorldService.state_hash(self, self.worlds[w]) for w in parts]
        return hashlib.sha256("".join([super().state_hash(known), *rows]).encode()).hexdigest()[:32]

    def body(self, after: World, emit: Emit) -> dict[str, Any]:
        return {**super().body(after, emit), "state_hash": None}


class ProbeOfItsOwn(Desk):
    """The probe hashes in its own way: it never says what the snapshot says."""

    def probe_of(self, world: World) -> Mapping[str, Any]:
        told = super().probe_of(world)
        return {**told, "state_hash": f"probe-{told['state_hash']}"}


def _faulty(name: str, requirement: str, told_by: type[Any], **parts: Any) -> FaultyWorldService:
    sentence = " ".join((told_by.__doc__ or "").split())
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=Parts(**parts))


FAULTY = (
    _faulty("probe-of-its-own", "WS-02", ProbeOfItsOwn, desk=ProbeOfItsOwn),
    _faulty("hash-ignores-weight", "WS-11", IgnoresTheWeight, core=IgnoresTheWeight),
    _faulty("hash-ignores-freeze", "WS-11", IgnoresTheFreeze, core=IgnoresTheFreeze),
    _faulty("hash-counts-questions", "WS-12", CountsQuestions, core=CountsQuestions, desk=CountsQuestionsDesk),
    _faulty("hash-of-its-parts", "WS-29", HashesItsParts, core=HashesItsParts),
)
