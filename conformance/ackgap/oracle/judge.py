"""The judge: reads a history record by record and gives a verdict per requirement.

Pure and streaming. It knows the contract and the history and nothing else: not how the history was made, not which
scenario was meant to show what, and nothing of any Gateway.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ackgap.contract import Contract
from ackgap.history import (
    WITHOUT_DISK,
    AckSeen,
    AnswerSent,
    BarrierMissed,
    Calibrated,
    Delivered,
    FaultChanged,
    FrameSeen,
    GateSeen,
    InstanceStarted,
    MetricsSeen,
    Observation,
    RelayChanged,
    RequestSeen,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    Stalled,
    TargetChanged,
)  # fmt: skip
from ackgap.oracle import answers, deliveries, reading
from ackgap.oracle.bench import Bench
from ackgap.oracle.checks import Checks
from ackgap.oracle.facts import NS_PER_MS, Instance, Span, World
from ackgap.oracle.groups import MONITORS
from ackgap.oracle.ledger import Finding, Ledger, Row, ScenarioFinding, verdict_of
from ackgap.oracle.monitor import Monitor
from ackgap.oracle.ws_judge import WorldServiceJudge

TIER_STRENGTH = ("ack", "relay", "gate", "metrics", "topic", "http")
OWN_FAULTS = ("worldservice_", "relay_client_")  # faults that hurt their own worlds only
REBALANCE = "group_rebalanced"
DIGITS = re.compile(r"\d+")
KEPT_SPANS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Findings by requirement id, and what each scenario brought about."""

    findings: Mapping[str, Finding]
    scenarios: tuple[ScenarioFinding, ...]


class Judge:
    """Feed it observations in recorded order, then ask it to finish."""

    def __init__(self, contract: Contract, *, monitors: Iterable[type[Monitor]] = MONITORS) -> None:
        self.bench = Bench(contract)
        self.monitors = [monitor(self.bench) for monitor in monitors]
        for kind, claims in self.bench.claims.items():
            for monitor in self.monitors:
                claims.extend(getattr(monitor, kind))
            claims.sort(key=lambda claim: claim.rank)
        self.checks = Checks(self.bench, self.monitors)
        self._handlers = {
            InstanceStarted: self._instance_started, Calibrated: self._calibrated, ScenarioBegan: self._began,
            ScenarioEnded: self._ended, Delivered: self._delivered, Settled: self._settled,
            BarrierMissed: self._barrier_missed, AckSeen: self._ack, RequestSeen: self._request,
            AnswerSent: self._answer, FrameSeen: self._frame, RelayChanged: self._relay_changed,
            GateSeen: self._gate, Stalled: self._stalled, TargetChanged: self._target_changed,
            FaultChanged: self._fault_changed, MetricsSeen: self._metrics,
        }  # fmt: skip

    def observe(self, observation: Observation) -> None:
        """Take one record into account."""
        instance = self.bench.instances.get(observation.instance)
        if instance is not None and observation.t > instance.seen and not _left(observation):
            instance.seen = observation.t
        handler = self._handlers.get(type(observation))
        if handler is not None:
            handler(observation)  # type: ignore[operator]  # each handler takes the class it is registered for

    def finish(self) -> Judgement:
        """Judge what only the end can show, and give all verdicts."""
        self.close()
        offered = frozenset[str]().union(*(i.tiers for i in self.bench.instances.values()))
        return judgement_of(self.bench.contract, self.bench.ledger, offered)

    def close(self) -> None:
        """Judge what only the end can show: the ledger is complete then."""
        for monitor in self.monitors:
            monitor.at_finish()
        self.bench.settle_suspicions()

    # --- who is concerned --------------------------------------------------------------------------------------

    def _instance(self, name: str) -> Instance:
        known = self.bench.instances.get(name)
        if known is None:
            known = Instance(name=name, gap_timeout_ms=self.bench.contract.constants.gap_timeout_ms)
            self.bench.instances[name] = known
        return known

    def _world(self, instance: str, world_id: str) -> World:
        home = self._instance(instance)
        world = home.worlds.get(world_id)
        if world is None:
            world = World(instance=home, world_id=world_id, scenario="", siblings=(world_id,))
            home.worlds[world_id] = world
        return world

    def _logged(self, observation: Observation, world: World) -> World:
        world.log.append(observation)
        return world

    # --- handlers ----------------------------------------------------------------------------------------------

    def _instance_started(self, o: InstanceStarted) -> None:
        self._instance(o.instance).started(o)

    def _calibrated(self, o: Calibrated) -> None:
        self._instance(o.instance).calibrated(o)

    def _began(self, o: ScenarioBegan) -> None:
        self.bench.ledger.scenario_began(o.instance, o.scenario)
        for world_id in o.worlds:
            world = self._world(o.instance, world_id)
            world.scenario, world.siblings, world.tally = o.scenario, o.worlds, None
            world.instance.playing.setdefault(o.scenario, []).append(world)

    def _ended(self, o: ScenarioEnded) -> None:
        for world in self._instance(o.instance).playing.pop(o.scenario, ()):
            if world.scenario == o.scenario and not world.ended:
                self.checks.ended(o, world)
                world.ended = True

    def _delivered(self, o: Delivered) -> None:
        world = self._logged(o, self._world(o.instance, o.world_id))
        deliveries.delivered(world, o, reading.activation(o.value, o.encoding, self.bench.valid_activation))

    def _settled(self, o: Settled) -> None:
        world = self._logged(o, self._world(o.instance, o.world_id))
        world.settled, world.settled_upto = o.t, o.upto
        self.checks.settled(o, world)

    def _barrier_missed(self, o: BarrierMissed) -> None:
        self.checks.barrier_missed(o, self._logged(o, self._world(o.instance, o.world_id)))

    def _ack(self, o: AckSeen) -> None:
        self.checks.ack(o, self._instance(o.instance))

    def _request(self, o: RequestSeen) -> None:
        instance = self._instance(o.instance)
        world = instance.worlds.get(o.world_id)
        if world is not None:
            world.log.append(o)
            world.open_requests[o.request] = (o.endpoint, o.t)
            world.request_times.append(o.t)
        for hear in self.checks.hear_request:
            hear(o, world, instance)

    def _answer(self, o: AnswerSent) -> None:
        world = self._instance(o.instance).worlds.get(o.world_id)
        if world is not None:
            world.log.append(o)
            world.open_requests.pop(o.request, None)
            answers.answered(self.bench, world, o)

    def _frame(self, o: FrameSeen) -> None:
        self.checks.frame(o, self._instance(o.instance))

    def _gate(self, o: GateSeen) -> None:
        self.checks.gate(o, self._logged(o, self._world(o.instance, o.world_id)))

    def _relay_changed(self, o: RelayChanged) -> None:
        if o.state == "disconnected":
            self._instance(o.instance).relay_gone = True

    def _stalled(self, o: Stalled) -> None:
        span = (o.t - int(o.duration_ms * NS_PER_MS), o.t)
        concerned = [self._instance(o.instance)] if o.instance else list(self.bench.instances.values())
        for instance in concerned:
            instance.stalls.append(span)

    def _target_changed(self, o: TargetChanged) -> None:
        if o.state == "restarted":
            instance = self._instance(o.instance)
            instance.restarted = o.t
            for world in instance.worlds.values():
                for stream in world.streams.values():
                    stream.restarted(wiped=o.detail == WITHOUT_DISK)

    def _metrics(self, o: MetricsSeen) -> None:
        instance = self._instance(o.instance)
        for monitor in self.monitors:
            monitor.on_metrics(o, instance)

    def _fault_changed(self, o: FaultChanged) -> None:
        worlds = [self._logged(o, self._world(o.instance, world_id)) for world_id in o.worlds]
        if o.fault == "relay_client_stalled":
            for world in worlds:
                world.relay_stalled = o.active
        concerned = worlds if o.fault.startswith(OWN_FAULTS) else [self._instance(o.instance)]
        for hurt in concerned:
            _span(hurt.spans, o)
        if not o.active and o.felt == 0 and worlds:
            self.bench.ledger.not_felt(o.instance, worlds[0].scenario, o.fault)


def _left(observation: Observation) -> bool:
    """Whether a record comes from after the relay was left: then it does not show for how long the target was watched."""
    return isinstance(observation, TargetChanged) and observation.state == "stopped"


def _span(spans: list[Span], o: FaultChanged) -> None:
    if o.active:
        places = frozenset(int(n) for n in DIGITS.findall(o.detail)) if o.fault == REBALANCE else frozenset()
        spans.append(Span(fault=o.fault, begin=o.t, places=places))
        del spans[:-KEPT_SPANS]
        return
    for span in spans:
        if span.fault == o.fault and span.end is None:
            span.end = o.t


def judgement_of(contract: Contract, ledger: Ledger, offered: frozenset[str]) -> Judgement:
    """The verdicts on the Gateway of a complete ledger; `offered` are the tiers of its target."""
    findings = {
        requirement.id: _finding(requirement.id, requirement.tiers, ledger, offered)
        for requirement in contract.requirements.values()
        if requirement.status == "active" and requirement.role == "gateway"
    }
    return Judgement(findings=findings, scenarios=tuple(ledger.scenario_findings()))


def _finding(requirement: str, tiers: tuple[str, ...], ledger: Ledger, offered: frozenset[str]) -> Finding:
    row = ledger.rows.get(requirement, Row())
    usable = [tier for tier in TIER_STRENGTH if tier in offered and tier in tiers]
    verdict, reason = verdict_of(row, usable, tiers)
    return Finding(
        requirement=requirement,
        verdict=verdict,
        exercised=row.exercised,
        convictions=row.convictions,
        tier=usable[-1] if usable else "",
        reason=reason,
        evidence=tuple(row.evidence or row.doubt_evidence),
    )


def judge(contract: Contract, history: Iterable[Observation]) -> Judgement:
    """Judge a whole history at once: that of a Gateway, or of a WorldService, as its first record says."""
    records = iter(history)
    first = next(records, None)
    if isinstance(first, InstanceStarted) and first.role == "worldservice":
        judge_of_worlds = WorldServiceJudge(contract)
        for observation in itertools.chain([first], records):
            judge_of_worlds.observe(observation)
        findings, scenarios = judge_of_worlds.finish()
        return Judgement(findings=findings, scenarios=scenarios)
    bench = Judge(contract)
    for observation in itertools.chain([] if first is None else [first], records):
        bench.observe(observation)
    return bench.finish()
