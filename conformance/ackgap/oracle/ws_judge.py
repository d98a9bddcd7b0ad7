"""The judge of WorldServices: reads a history, then asks every monitor about every world.

Pure, like the judge of Gateways. What a snapshot may say depends on events that are seen later, so it is the end of the
history that is judged; a run against a WorldService has some thousand records.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ackgap.contract import Contract
from ackgap.history import (
    AbortAsked,
    AckSent,
    ApplyAsked,
    Calibrated,
    EventSeen,
    Exchanged,
    InstanceStarted,
    Observation,
    OpenapiChecked,
    OpenapiFound,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    Stalled,
    TargetChanged,
)
from ackgap.oracle import ws_apply, ws_http, ws_state, ws_topic
from ackgap.oracle.ledger import Finding, Row, ScenarioFinding, verdict_of
from ackgap.oracle.reading import body_of, decode, whole
from ackgap.oracle.schemas import explainer
from ackgap.oracle.ws_bench import WorldBench
from ackgap.oracle.ws_facts import NS_PER_MS, Answer, Event, Run, World

TIER_STRENGTH = ("topic", "http")
Monitor = Callable[[WorldBench, World], None]
MONITORS: tuple[Monitor, ...] = (*ws_topic.MONITORS, *ws_apply.MONITORS, *ws_state.MONITORS, *ws_http.MONITORS)


class WorldServiceJudge:
    """Feed it observations in recorded order, then ask it to finish."""

    def __init__(self, contract: Contract) -> None:
        self.bench = WorldBench(contract=contract)
        self.errors = {
            "event": explainer(contract, "activation-message"),
            "state_hash": explainer(contract, "state-hash"),
            "snapshot": explainer(contract, "activation-snapshot"),
            "entry": explainer(contract, "activation-updated-envelope"),
            "problem": explainer(contract, "problem"),
        }
        self.away = 0
        self._handlers: dict[type[Observation], Callable[[Any], None]] = {
            InstanceStarted: self._started, Calibrated: self._calibrated, ScenarioBegan: self._began,
            ScenarioEnded: self._ended,
            EventSeen: self._event, Exchanged: self._answer, Settled: self._settled, Stalled: self._stalled,
            TargetChanged: self._changed, ApplyAsked: self._asked, AbortAsked: self._abort, AckSent: self._acked,
            OpenapiChecked: self.bench.checked.append, OpenapiFound: self.bench.found.append,
        }  # fmt: skip

    def observe(self, observation: Observation) -> None:
        """Take one record into account."""
        handler = self._handlers.get(type(observation))
        if handler is not None:
            handler(observation)

    def finish(self) -> tuple[Mapping[str, Finding], tuple[ScenarioFinding, ...]]:
        """Judge, and give all verdicts and what each scenario brought about."""
        for world in self.bench.worlds.values():
            world.settled.sort()
            world.log.sort(key=lambda o: o.t)
        for monitor in MONITORS:
            for world in self.bench.worlds.values():
                monitor(self.bench, world)
        ws_topic.keys_are_unique(self.bench)
        ws_http.openapi(self.bench)
        rows = self.bench.contract.requirements.values()
        findings = {
            r.id: self._finding(r.id, r.tiers) for r in rows if r.status == "active" and r.role == "worldservice"
        }
        return findings, tuple(self.bench.ledger.scenario_findings())

    def _finding(self, requirement: str, tiers: tuple[str, ...]) -> Finding:
        row = self.bench.ledger.rows.get(requirement, Row())
        usable = [tier for tier in TIER_STRENGTH if tier in self.bench.tiers and tier in tiers]
        verdict, reason = verdict_of(row, usable, tiers)
        return Finding(
            requirement=requirement, verdict=verdict, exercised=row.exercised, convictions=row.convictions,
            tier=usable[-1] if usable else "", reason=reason, evidence=tuple(row.evidence or row.doubt_evidence),
        )  # fmt: skip

    # --- handlers ----------------------------------------------------------------------------------------------

    def _started(self, o: InstanceStarted) -> None:
        self.bench.instance, self.bench.tiers = o.instance, frozenset(o.tiers)

    def _calibrated(self, o: Calibrated) -> None:
        self.bench.trip_ms = max(self.bench.trip_ms, o.round_trip_max_ms)

    def _began(self, o: ScenarioBegan) -> None:
        self.bench.ledger.scenario_began(o.instance, o.scenario)
        for world_id in o.worlds:
            self.bench.worlds[world_id] = World(world_id=world_id, scenario=o.scenario, siblings=o.worlds)

    def _ended(self, o: ScenarioEnded) -> None:
        for world in self.bench.worlds.values():
            world.over = world.over or world.scenario == o.scenario

    def _world(self, world_id: str) -> World:
        """A world of a scenario; what belongs to none is kept together with what it is named after."""
        known = self.bench.worlds.get(world_id)
        if known is None:
            parent = self.bench.worlds.get(world_id.removesuffix("-never"))
            known = World(world_id=world_id, scenario=parent.scenario if parent else "", siblings=())
            self.bench.worlds[world_id] = known
        return known

    def _event(self, o: EventSeen) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        event = self._read_event(o)
        world.events.append(event)
        if event.problem or not event.sequence:
            if not event.problem:
                world.unsequenced.add(event.key)
            if event.run_id and (event.problem or event.phase):
                self._run(world, event.run_id).malformed.append(event)
            elif event.problem:
                world.unreadable = True
            return
        run = self._run(world, event.run_id)
        if event.sequence in run.events:
            run.copies.append(event)
        else:
            run.events[event.sequence] = event

    @staticmethod
    def _run(world: World, run_id: str) -> Run:
        return world.runs.setdefault(run_id, Run(run_id=run_id, number=len(world.runs)))

    def _read_event(self, o: EventSeen) -> Event:
        document = decode(o.value, o.encoding)
        if isinstance(document, ValueError):
            return Event(
                seen=o, problem=f"it is not JSON: {document}", body={}, envelope=None, run_id="", sequence=0, phase=""
            )
        body, form = body_of(document)
        fields = body if isinstance(body, dict) else {}
        sequence = whole(fields.get("sequence")) or 0
        return Event(
            seen=o, problem=self.errors["event"](document), body=fields,
            envelope=document if form == "enveloped" else None,
            run_id=fields["run_id"] if isinstance(fields.get("run_id"), str) else "",
            sequence=max(0, sequence) if fields.get("requires_ack") is True else 0,
            phase=fields["phase"] if isinstance(fields.get("phase"), str) else "",
        )  # fmt: skip

    def _answer(self, o: Exchanged) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        document = decode(o.body, "utf-8") if o.body else None
        kind = o.endpoint if o.status == 200 else "problem" if o.status >= 400 else ""
        if o.failure == "too_large":
            problem = f"its body is larger than {o.size >> 10} KiB, and was read no further"
        elif document is None or isinstance(document, ValueError):
            problem, document = f"its body is no JSON: {' '.join(o.body[:60].split())!r}" if kind else "", None
        else:
            problem = self.errors[kind](document) if kind else ""
        world.answers.append(Answer(seen=o, document=document, problem=problem))

    def _settled(self, o: Settled) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        world.settled.append(o.t)

    def _asked(self, o: ApplyAsked) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        world.asks.append(o)

    def _abort(self, o: AbortAsked) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        world.aborts.append(o)

    def _acked(self, o: AckSent) -> None:
        world = self._world(o.world_id)
        world.log.append(o)
        world.acks.append(o)

    def _stalled(self, o: Stalled) -> None:
        self.bench.stalls.append((o.t - int(o.duration_ms * NS_PER_MS), o.t))

    def _changed(self, o: TargetChanged) -> None:
        if o.state == "stopped":
            self.away = o.t
        elif o.state == "restarted":
            for world in (w for w in self.bench.worlds.values() if not w.over):
                world.stops.append((self.away, o.t))
                world.log.append(o)
