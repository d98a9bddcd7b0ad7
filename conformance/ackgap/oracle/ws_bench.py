"""What the monitors of WorldServices share: the worlds, the ledger, measured latencies, and the words of evidence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ackgap.contract import Contract
from ackgap.history import Observation, OpenapiChecked, OpenapiFound
from ackgap.oracle.bench import QUOTED, short
from ackgap.oracle.ledger import Evidence, Ledger
from ackgap.oracle.ws_facts import NS_PER_MS, Key, Run, World, folded


@dataclass(slots=True, kw_only=True)
class WorldBench:
    """State of one judgement of a WorldService."""

    contract: Contract
    ledger: Ledger = field(default_factory=Ledger)
    instance: str = "worldservice"
    tiers: frozenset[str] = frozenset({"topic"})
    worlds: dict[str, World] = field(default_factory=dict)
    stalls: list[tuple[int, int]] = field(default_factory=list)
    trip_ms: float = 0.0
    checked: list[OpenapiChecked] = field(default_factory=list)
    found: list[OpenapiFound] = field(default_factory=list)
    folds: dict[tuple[str, str, int], Mapping[Key, Mapping[str, Any]]] = field(default_factory=dict)

    def observable(self, requirement: str) -> bool:
        """Whether the target offers a tier that shows the requirement, and the contract judges it at all."""
        row = self.contract.requirements.get(requirement)
        return row is not None and row.status == "active" and any(t in self.tiers for t in row.tiers)

    def exercised(self, requirement: str, world: World) -> None:
        """Count an antecedent."""
        if self.observable(requirement):
            self.ledger.row(requirement).exercised += 1
            self.ledger.tally(self.instance, world.scenario).add(requirement)

    def convict(
        self, requirement: str, world: World, message: str, *, about: Iterable[Observation] = (), tier: str = "topic",
        margin_ms: float | None = None,
    ) -> None:  # fmt: skip
        """Record a conviction; the observations that it is about are quoted, with what happened around them."""
        if not self.observable(requirement) or self.ledger.convict_again(requirement, self.instance, world.scenario):
            return
        self.ledger.convict(requirement, self._evidence(world, message, about, tier=tier, margin_ms=margin_ms))

    def timed(
        self, requirement: str, world: World, message: str, *, begin: int, end: int, margin_ms: float,
        about: Iterable[Observation] = (), tier: str = "topic",
    ) -> None:  # fmt: skip
        """Convict, unless the tester stood still in that span for long enough to explain it: then it is a doubt."""
        still = self.stalled_ms(begin, end)
        if still > max(50.0, margin_ms / 2):
            said = f"{message}; but the tester itself stood still for {still:.0f} ms meanwhile"
            self.doubt(requirement, world, said, about=about, tier=tier, margin_ms=margin_ms)
        else:
            self.convict(requirement, world, message, about=about, tier=tier, margin_ms=margin_ms)

    def doubt(
        self, requirement: str, world: World, message: str, *, about: Iterable[Observation] = (), tier: str = "topic",
        margin_ms: float | None = None,
    ) -> None:  # fmt: skip
        """Record what may be a violation, but can be explained otherwise."""
        if self.observable(requirement):
            evidence = self._evidence(world, message, about, tier=tier, margin_ms=margin_ms, proof="none")
            self.ledger.doubt(requirement, evidence)

    def stalled_ms(self, begin: int, end: int) -> float:
        """How long the tester stood still in a span."""
        return sum(max(0, min(end, b) - max(begin, a)) for a, b in self.stalls) / NS_PER_MS

    def first_ms(self) -> float:
        """How long after an apply was asked for its first event was seen, at most: what it takes to reach the topic, however
        long the switch takes. Only the first apply of each world counts, since later ones may have had to wait."""
        took = [0.0]
        for world in self.worlds.values():
            asked = world.accepted()
            run = world.run_of(asked[0]) if asked else None
            if run is not None and run.events and not world.stops:
                took.append((run.began - asked[0].t_sent) / NS_PER_MS)
        return max(took)

    def state(self, world: World, run: Run, sequence: int) -> Mapping[Key, Mapping[str, Any]]:
        """The state after so many events of a run."""
        key = (world.world_id, run.run_id, min(sequence, run.last))
        known = self.folds.get(key)
        if known is None:
            known = self.folds[key] = folded(world, run, sequence)
        return known

    def _evidence(
        self, world: World, message: str, about: Iterable[Observation], *, tier: str, margin_ms: float | None,
        proof: str = "barrier",
    ) -> Evidence:  # fmt: skip
        """Quotes what it is about, and the last things of that world before that."""
        chosen = list(about)
        until = max((o.t for o in chosen), default=None)
        before = [o for o in world.log if until is None or o.t <= until][-QUOTED:]
        quoted = {id(o): o for o in [*before, *chosen]}
        return Evidence(
            scenario=world.scenario, instance=self.instance, world_id=world.world_id, tier=tier, message=message,
            observations=tuple(short(o) for o in sorted(quoted.values(), key=lambda o: o.t)[-QUOTED:]),
            margin_ms=margin_ms, proof=proof,
        )  # fmt: skip
