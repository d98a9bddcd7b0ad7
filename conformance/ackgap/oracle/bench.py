"""The bench that the monitors share: contract, facts and ledger, and the words in which evidence is given."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ackgap.contract import Contract
from ackgap.history import Observation, to_line
from ackgap.oracle.facts import NS_PER_MS, Instance, Stream, World
from ackgap.oracle.ledger import Evidence, Ledger, Row
from ackgap.oracle.monitor import Claim, Situation
from ackgap.oracle.schemas import checker, explainer

RELAY_PATIENCE_MS = 1000.0  # how long before the end of the history an event is too young to be missed on the relay
VIRTUAL_PATIENCE_MS = 10.0  # the same where time is virtual and nothing is slowed down by others
QUOTED = 24  # observations quoted per piece of evidence
SUSPICIONS_KEPT = 8  # per requirement, instance and scenario
CUT = 2000  # characters kept of one payload in evidence


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A conviction that holds unless the tester itself stood still; a stall is known only once it is over."""

    requirement: str
    instance: Instance
    evidence: Evidence
    begin: int  # ns; the span in which a stall would explain it
    end: int
    tolerated_ms: float
    otherwise: Evidence  # what is noted if a stall explains it


class Bench:
    """State of one judgement."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.ledger = Ledger()
        self.instances: dict[str, Instance] = {}
        self.suspicions: dict[tuple[str, str, str], list[Suspicion]] = {}
        self._rows: dict[tuple[str, frozenset[str]], Row] = {}
        self._observable: dict[tuple[str, frozenset[str]], bool] = {}
        self.claims: dict[str, list[Claim]] = {"missing": [], "premature": [], "gate_open": [], "gate_closed": []}
        self.valid_activation = checker(contract, "activation-message")
        self.ack_errors = explainer(contract, "ack-message")
        self.valid_state_hash = checker(contract, "state-hash")
        self.valid_snapshot = checker(contract, "activation-snapshot")

    # --- writing to the ledger ---------------------------------------------------------------------------------

    def exercised(self, requirement: str, world: World) -> None:
        """Count an antecedent, if the target offers a tier that shows the requirement."""
        row = self._rows.get((requirement, world.instance.tiers))
        if row is None:
            if not self.observable(requirement, world.instance):
                return
            row = self._rows[requirement, world.instance.tiers] = self.ledger.row(requirement)
        if world.tally is None:
            world.tally = self.ledger.tally(world.instance.name, world.scenario)
        row.exercised += 1
        world.tally.add(requirement)

    def convict(
        self,
        requirement: str,
        world: World,
        message: str,
        *,
        tier: str = "ack",
        margin_ms: float | None = None,
        proof: str = "barrier",
    ) -> None:
        """Record a conviction with the last observations of the world as evidence."""
        if self.ledger.convict_again(requirement, world.instance.name, world.scenario):
            return
        self.ledger.convict(requirement, self._evidence(world, message, tier=tier, margin_ms=margin_ms, proof=proof))

    def suspect(
        self, requirement: str, world: World, message: str, *, begin: int, end: int, stalled: str, tolerated_ms: float,
        margin_ms: float, tier: str = "ack",
    ) -> None:  # fmt: skip
        """Convict at the end of the history, unless the tester stood still for longer than is tolerated in that span.

        `stalled` are the words for the doubt that is noted otherwise.
        """
        if world.instance.virtual:
            self.convict(requirement, world, message, tier=tier, margin_ms=margin_ms)
            return
        kept = self.suspicions.setdefault((requirement, world.instance.name, world.scenario), [])
        if len(kept) < SUSPICIONS_KEPT:
            evidence = self._evidence(world, message, tier=tier, margin_ms=margin_ms, proof="barrier")
            doubt = replace(evidence, message=stalled, proof="none")
            kept.append(Suspicion(requirement, world.instance, evidence, begin, end, tolerated_ms, doubt))

    def settle_suspicions(self) -> None:
        """Turn each suspicion into a conviction or a doubt; every stall is known by now."""
        for suspicion in itertools.chain.from_iterable(self.suspicions.values()):
            if suspicion.instance.stalled_between(suspicion.begin, suspicion.end) > suspicion.tolerated_ms:
                self.ledger.doubt(suspicion.requirement, suspicion.otherwise)
            else:
                self.ledger.convict(suspicion.requirement, suspicion.evidence)
        self.suspicions.clear()

    def doubt(self, requirement: str, world: World, message: str, *, margin_ms: float | None = None) -> None:
        """Record that the antecedent happened and noise forbids a verdict."""
        self.ledger.doubt(requirement, self._evidence(world, message, tier="ack", margin_ms=margin_ms, proof="none"))

    def blame(self, kind: str, situation: Situation, message: str, *, tier: str = "ack", proof: str = "barrier") -> str:
        """Give a violation to the claim that fits best. Returns the requirement, or "" if nobody claims it."""
        for claim in self.claims[kind]:
            if claim.fits(situation):
                self.convict(claim.requirement, situation.world, message, tier=tier, proof=proof)
                return claim.requirement
        return ""

    def credit(self, kind: str, situation: Situation) -> None:
        """Count every claim that fits as exercised: the target was in these circumstances and behaved."""
        for claim in self.claims[kind]:
            if claim.fits(situation):
                self.exercised(claim.requirement, situation.world)

    def observable(self, requirement: str, instance: Instance) -> bool:
        """Whether the target offers at least one of the tiers from which the requirement can be seen."""
        key = (requirement, instance.tiers)
        known = self._observable.get(key)
        if known is None:
            row = self.contract.requirements.get(requirement)
            known = row is not None and any(tier in instance.tiers for tier in row.tiers)
            self._observable[key] = known
        return known

    # --- circumstances -----------------------------------------------------------------------------------------

    def situation(
        self, stream: Stream, *, t: int, sequence: int = 0, every_answer: bool = False, low: int = 0, high: int = 0,
        gap_read: bool = False, accepted: bool = False,
    ) -> Situation:  # fmt: skip
        """The circumstances of a stream at `t`, for the event of that sequence if there is one."""
        event = stream.events.get(sequence)
        gap = stream.gap
        if event is not None and (gap is None or event.via):
            gap = event.gap  # what is due has its own gap behind it
        answers: Iterable[str] = ()
        if gap is not None:
            answers = gap.answers if every_answer else gap.answers[-1:]
        timed_out = gap is not None and t >= gap.opened_sent + stream.world.instance.timeout_ns
        return Situation(
            stream=stream,
            event=event,
            gap=gap,
            answers=frozenset(answers),
            timed_out=timed_out,
            t=t,
            low=low,
            high=high,
            gap_read=gap_read,
            accepted=accepted,
        )

    def margin_ms(self, instance: Instance) -> float:
        """How much a timer may be late before that is the target's own doing: calibrated, at least 400 ms."""
        return max(400.0, 3 * instance.round_trip_ms + instance.settle_ms)

    def may_be_left_over(self, instance: Instance, probed: int, t: int) -> bool:
        """Whether a fetch seen at `t` may belong to the resync whose probe was answered at `probed`, if the tester stood
        still meanwhile. To be asked at the end, when every stall is known."""
        return bool(probed) and not instance.virtual and instance.awake_between(probed, t) <= self.margin_ms(instance)

    def streams(self) -> Iterator[Stream]:
        """All streams of all worlds of all instances."""
        for instance in self.instances.values():
            for world in instance.worlds.values():
                yield from world.streams.values()

    def relay_had_time(self, instance: Instance, t: int) -> bool:
        """Whether what happened at `t` must have come down the relay while the instance was watched; nothing limits its
        latency under load. That another instance is watched for longer says nothing."""
        patience_ms = VIRTUAL_PATIENCE_MS if instance.virtual else RELAY_PATIENCE_MS
        return instance.seen >= t + int((patience_ms + 3 * instance.relay_ms) * NS_PER_MS)

    # --- words -------------------------------------------------------------------------------------------------

    def at(self, t: int) -> str:
        """A time as evidence gives it: seconds since the start of the run."""
        return f"{t / NS_PER_MS / 1000:.3f} s"

    def _evidence(self, world: World, message: str, *, tier: str, margin_ms: float | None, proof: str) -> Evidence:
        quoted: list[Observation] = []
        for relative in world.family():
            quoted.extend(relative.log)
        quoted.sort(key=lambda o: o.t)
        return Evidence(
            scenario=world.scenario,
            instance=world.instance.name,
            world_id=world.world_id,
            tier=tier,
            message=message,
            observations=tuple(short(o) for o in quoted[-QUOTED:]),
            margin_ms=margin_ms,
            proof=proof,
        )


def short(observation: Observation) -> Mapping[str, Any]:
    """An observation as evidence quotes it."""
    record: dict[str, Any] = json.loads(to_line(observation))
    for name in ("value", "body"):
        if isinstance(record.get(name), str) and len(record[name]) > CUT:
            record[name] = record[name][:CUT] + f"… ({len(record[name])} characters)"
    return record
