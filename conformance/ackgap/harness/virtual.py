"""Plays scenarios against an in-process core in virtual time: a discrete-event simulation without waiting.

Every scenario gets a fresh core, a bus of one partition and a WorldService of its own. Latencies are small and fixed,
so a run depends on nothing but scenario, setting and seed.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import Any

from ackgap.contract import Constants
from ackgap.harness.arrivals import Arrivals, Kind, ripe_at
from ackgap.harness.awaited import Settling, awaited_words
from ackgap.harness.player import Ask, Barrier, Opening, Player, Produce, play
from ackgap.harness.virtual_calibration import EVENTS, Latencies, calibration_cast, worst_of
from ackgap.harness.virtual_faults import VirtualFaults
from ackgap.harness.wire import stream_of, world_of
from ackgap.history import (
    AckSeen,
    AnswerSent,
    BarrierMissed,
    Calibrated,
    Delivered,
    Emitted,
    FaultChanged,
    FrameSeen,
    GateSeen,
    InstanceStarted,
    Observation,
    RequestSeen,
    ScenarioBegan,
    ScenarioEnded,
    Settled,
    WaitExpired,
    text_of,
)  # fmt: skip
from ackgap.peers.worldservice import PlannedAnswer, ScriptedWorldService
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.model import (
    AwaitAck,
    AwaitFelt,
    AwaitOpen,
    AwaitRequest,
    Behave,
    Cast,
    ChangeFault,
    Emit,
    Pause,
    ReadMetrics,
    Setting,
    StallRelay,
    Wait,
)  # fmt: skip
from ackgap.target.core import CoreFactory, Effect, GatewayCore

MS = 1_000_000
KEPT_BODY = 65536
TAIL_MS = 1000  # after its end a scenario is followed for this long: what a target owes may come late


class VirtualRun:
    """All scenarios of one setting, one after the other on one virtual clock."""

    def __init__(
        self,
        *,
        factory: CoreFactory,
        setting: Setting,
        sink: Callable[[Observation], None],
        seed: int = 1,
        latencies: Latencies | None = None,
        tiers: tuple[str, ...] = ("ack", "relay", "gate"),
        constants: Constants | None = None,
    ) -> None:
        self.constants = constants
        self.factory, self.setting, self.sink, self.seed = factory, setting, sink, seed
        self.latencies = latencies or Latencies()
        self.tiers = tiers
        self.now = 0
        self.calls = 0
        self.settle_ms = self.latencies.settle

    def run(self, casts: Iterable[Cast]) -> int:
        """Play every scenario. Returns the virtual time spent, ns."""
        self.begin()
        for cast in casts:
            self.play(cast)
        return self.now

    def begin(self) -> None:
        """Record what comes before all scenarios: the instance, and how quick its core is."""
        instance, late = self.setting.name, self.latencies
        self.sink(
            InstanceStarted(
                t=0, instance=instance, resync_enforced=self.setting.resync_enforced,
                gap_timeout_ms=self.setting.gap_timeout_ms, tiers=self.tiers, virtual=True,
            )
        )  # fmt: skip
        trip, relay = self._measured()
        self.settle_ms = max(late.settle, 2 * trip)
        self.sink(
            Calibrated(
                t=0, instance=instance, when="begin", samples=EVENTS, round_trip_p50_ms=trip,
                round_trip_p99_ms=trip, round_trip_max_ms=trip + late.ack_confirm, gate_ms=0, relay_ms=relay,
                settle_ms=self.settle_ms,
            )
        )  # fmt: skip

    def play(self, cast: Cast) -> None:
        """Play one scenario from `now` on."""
        played = PlayedCore(self, cast)
        played.run()
        self.now = played.now + MS
        self.calls += played.calls

    def _measured(self) -> tuple[float, float]:
        """How long a fresh core takes from the arrival of an event to its ACK and to its frame, at most, ms."""
        seen: list[Observation] = []
        quiet = VirtualRun(
            factory=self.factory, setting=self.setting, sink=seen.append, seed=self.seed, latencies=self.latencies,
            tiers=self.tiers,
        )  # fmt: skip
        PlayedCore(quiet, calibration_cast()).run()
        return worst_of(seen, self.latencies)


class PlayedCore:
    """One scenario being played against a core of its own."""

    def __init__(self, run: VirtualRun, cast: Cast) -> None:
        self.run_, self.cast, self.late = run, cast, run.latencies
        self.instance = run.setting.name
        self.now = run.now
        self.calls = 0
        self.surroundings = VirtualFaults(self)
        self.core: GatewayCore = self._new_core()
        self.service = ScriptedWorldService(run.constants)
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.order = 0
        self.offset = 0
        self.ack_offset = 0
        self.markers = 0
        self.acked: set[tuple[str, str, int]] = set()
        self.requests = Arrivals()
        self.base: dict[Kind, int] = {}
        self.ripe_at = 0
        self.last_delivery: dict[str, int] = {}
        self.player: Player = play(cast)
        self.waiting: Callable[[], bool] | None = None
        self.deadline = 0
        self.resume_at: int | None = None
        self.awaited: Any = None
        self.settle_upto, self.done = dict[str, int](), False

    def renew_core(self) -> None:
        """The core was ended and is started again: it has nothing but what the log gives it."""
        self.core = self._new_core()

    def _new_core(self) -> GatewayCore:
        timeout_ms, enforced = self.run_.setting.gap_timeout_ms, self.run_.setting.resync_enforced
        core = self.run_.factory(gap_timeout_ms=timeout_ms, resync_enforced=enforced, seed=self.run_.seed)
        if hasattr(core, "wall_clock"):
            core.wall_clock = self.surroundings.wall_clock
        return core

    # --- driving -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Play it to the end."""
        cast = self.cast
        marker = f"{cast.worlds[0]}-barrier"
        self.see(ScenarioBegan(t=self.now, instance=self.instance, scenario=cast.scenario.id, worlds=cast.worlds))
        self.see(ScenarioBegan(t=self.now, instance=self.instance, scenario="ackgap:barrier", worlds=(marker,)))
        self._advance(None)
        while not self.done:
            self._until_next()
            if self.waiting is not None and self.waiting():
                self._resume(result=True)
            elif self.waiting is not None and self.now >= self.deadline:
                self._resume(result=False)
        self.surroundings.end_all()
        self.see(ScenarioEnded(t=self.now, instance=self.instance, scenario=cast.scenario.id, complete=True))
        self._follow(self.now + TAIL_MS * MS)

    def _follow(self, until: int) -> None:
        """Let what is on its way arrive, and let the timers run that are due soon."""
        self.deadline = until
        while self.now < until and (self.queue or self.surroundings.next_timer() is not None):
            self._until_next()

    def _until_next(self) -> None:
        """Let time jump to whatever comes next: an event on its way, a timer of the core, or the player's deadline."""
        timer = self.surroundings.next_timer()
        times = [self.deadline]
        if isinstance(self.awaited, AwaitOpen):
            times.append(self.now + int(self.late.look_again * MS))
        if self.queue:
            times.append(self.queue[0][0])
        if timer is not None:
            times.append(timer)
        moment = max(self.now, min(times))
        self.now = moment
        if self.queue and self.queue[0][0] <= moment:
            heapq.heappop(self.queue)[2]()
        elif timer is not None and timer <= moment:
            self.perform(self.core.tick(moment))

    def _resume(self, *, result: bool) -> None:
        awaited, self.waiting, self.awaited = self.awaited, None, None
        match awaited:
            case Barrier(worlds=worlds) if result:
                self._wait(Settling(worlds), lambda: False, int(self.run_.settle_ms * MS))
                return
            case Barrier(worlds=worlds, bound_ms=bound_ms):
                for world in worlds:
                    self.see(
                        BarrierMissed(
                            t=self.now, instance=self.instance, world_id=world, partition=0, waited_ms=bound_ms
                        )
                    )
            case Settling(worlds=worlds):
                for world in worlds:
                    upto = self.settle_upto[world]
                    self.see(Settled(t=self.now, instance=self.instance, world_id=world, upto=upto, proof="barrier"))
            case AwaitOpen(world_id=world_id, run_id=run_id) if result:
                self._ask(world_id, run_id)
            case AwaitAck() | AwaitRequest() | AwaitFelt() | AwaitOpen() if not result:
                self.see(
                    WaitExpired(
                        t=self.now, instance=self.instance, scenario=self.cast.scenario.id, world_id=awaited.world_id,
                        awaited=awaited_words(awaited), waited_ms=self._bound(awaited) / MS,
                    )
                )  # fmt: skip
        self._advance(result)

    def _advance(self, result: bool | None) -> None:
        try:
            action = self.player.send(result)
            while (outcome := self._do(action)) is not NotImplemented:
                action = self.player.send(outcome)
        except StopIteration:
            self.done = True

    # --- actions -----------------------------------------------------------------------------------------------

    def _do(self, action: Any) -> Any:
        """Perform an action at once, or start to wait and return NotImplemented."""
        match action:
            case Emit(world_id=world_id, body=body):
                self.service.emit(body)
                self.see(Emitted(t=self.now, instance=self.instance, world_id=world_id, body=body))
            case Behave(world_id=world_id, behaviour=behaviour):
                self.service.behave(world_id, behaviour)
                self._new_base()
            case Produce(records=records):
                for record in records:
                    self._append(record.world_id, record.key, record.value)
                self._new_base()
            case Opening():
                self.ripe_at = ripe_at(self.now, self.run_.setting)
            case Ask(streams=streams):
                answers = [self._ask(*stream) for stream in streams]
                return all(answers)
            case StallRelay(stalled=stalled) if "relay" in self.run_.tiers:
                self.see(
                    FaultChanged(
                        t=self.now, instance=self.instance, fault="relay_client_stalled", active=stalled,
                        worlds=self.cast.worlds,
                    )
                )  # fmt: skip
                self.perform(self._told_of_clients(stalled=stalled))
            case ChangeFault():
                self.surroundings.change(action)
                self._new_base()
            case ReadMetrics():
                pass  # a core has no metrics page
            case Pause(ms=ms, timeouts=timeouts):
                return self._wait(
                    action, lambda: False, int(ms * MS + timeouts * self.run_.setting.gap_timeout_ms * MS)
                )
            case AwaitAck() | AwaitRequest() | AwaitFelt() | AwaitOpen():
                return self._wait(action, self._condition(action), self._bound(action))
            case Barrier(bound_ms=bound_ms):
                self._send_marker(action)
                marker = (f"{self.cast.worlds[0]}-barrier", f"b{self.markers}", 1)
                return self._wait(action, lambda: marker in self.acked, int(bound_ms * MS))
        return None

    def _condition(self, action: Wait) -> Callable[[], bool]:
        """What a step waits for."""
        match action:
            case AwaitAck(world_id=world_id, run_id=run_id, sequence=sequence):
                return lambda: (world_id, run_id, sequence) in self.acked
            case AwaitFelt(fault=fault, count=count):
                return lambda: self.surroundings.felt(fault) >= count
            case AwaitOpen(world_id=world_id, run_id=run_id):
                return lambda: self._state(world_id, run_id) == "open"
        key = (action.world_id, action.endpoint, action.answered)
        came, base = self.requests, self.base
        return lambda: came.since(key, base, self.ripe_at) >= action.count

    def _wait(self, action: Any, condition: Callable[[], bool], bound: int) -> Any:
        self.awaited, self.waiting, self.deadline = action, condition, self.now + bound
        return NotImplemented

    def _bound(self, action: Wait) -> int:
        return int((action.bound_ms + action.bound_timeouts * self.run_.setting.gap_timeout_ms) * MS)

    def _new_base(self) -> None:
        self.base = self.requests.marks()

    # --- barrier -----------------------------------------------------------------------------------------------

    def _send_marker(self, action: Barrier) -> None:
        self.markers += 1
        self.settle_upto = {world: self.last_delivery.get(world, self.now) for world in action.worlds}
        plan = StreamPlan(
            alias="", world_id=f"{self.cast.worlds[0]}-barrier", run_id=f"b{self.markers}", first=1,
            plan=(("freeze", "marker", "long"),), form="enveloped",
        )  # fmt: skip
        self._append(plan.world_id, plan.world_id, encode(plan.body(1), "enveloped", self.run_.constants))

    # --- the world around the core -----------------------------------------------------------------------------

    def _append(self, world_id: str, key: str | None, value: bytes) -> None:
        offset, self.offset = self.offset, self.offset + 1
        text, encoding = text_of(value)
        confirmed = self.now + int(self.late.append * MS)
        self.last_delivery[world_id] = confirmed
        self.see(
            Delivered(
                t=confirmed, instance=self.instance, world_id=world_id, t_sent=self.now, partition=0, offset=offset,
                key=key, value=text, encoding=encoding,
            )
        )  # fmt: skip
        raw = key.encode() if key is not None else None
        self.surroundings.append(offset, raw, value)

    def _state(self, world_id: str, run_id: str) -> Any:
        return self.core.gate(world_id, run_id).get("state") if self.surroundings.answers else "unknown"

    def _told_of_clients(self, *, stalled: bool) -> Iterable[Effect]:
        """A core may want to know that a client downstream stands still; most do not."""
        tell = getattr(self.core, "relay_stalled", None)
        return tell(stalled, self.now) if tell is not None else ()

    def _ask(self, world_id: str, run_id: str) -> bool:
        if "gate" not in self.run_.tiers:
            return True
        if not self.surroundings.answers:
            return False
        answer = self.core.gate(world_id, run_id)
        state = answer.get("state")
        self.see(
            GateSeen(
                t=self.now, instance=self.instance, world_id=world_id, run_id=run_id, t_sent=self.now, status=200,
                state=state if state in {"open", "closed"} else "unknown", body=str(dict(answer)),
            )
        )  # fmt: skip
        return state == "open"

    def perform(self, effects: Iterable[Effect]) -> None:
        """Let happen what the core wants."""
        self.calls += 1
        for effect in effects:
            match effect.kind:
                case "publish_ack":
                    self._publish(effect)
                case "http_get":
                    self._request(effect)
                case "relay":
                    self._relay(effect)
                case "commit":
                    self.surroundings.commit(effect.offset)

    def _publish(self, effect: Any) -> None:
        """One ACK on its way, as far as the faults let it."""
        self.surroundings.publish(effect)

    def ack_appended(self, effect: Any, *, delay_ms: float = 0.0) -> None:
        """The ACK stands in the topic; the tester sees it."""
        offset, self.ack_offset = self.ack_offset, self.ack_offset + 1
        value = effect.value
        key = effect.key.decode("utf-8", "replace") if effect.key is not None else None

        def seen() -> None:
            text, encoding = text_of(value)
            self.see(
                AckSeen(
                    t=self.now, instance=self.instance, world_id=world_of(value, key or ""), partition=0, offset=offset,
                    key=key, value=text, encoding=encoding,
                )
            )  # fmt: skip
            named = stream_of(value)
            if named is not None:
                self.acked.add(named)
                if named[:2] in self.cast.streams:
                    self._ask(*named[:2])

        self.later(delay_ms + self.late.ack_seen, seen)

    def _relay(self, effect: Any) -> None:
        if "relay" not in self.run_.tiers:
            return
        frame, name = effect.frame, self.instance

        def seen() -> None:
            self.see(FrameSeen(t=self.now, instance=name, world_id=world_of(frame), client="main", value=frame))

        self.later(self.late.relay, seen)

    def _request(self, effect: Any) -> None:
        life = self.surroundings.life
        self.later(self.late.http, lambda: self._received(effect.token, effect.path, life))

    def _received(self, token: int, path: str, life: int) -> None:
        planned = self.service.plan("GET", path)
        self.requests.note((planned.world_id, planned.endpoint, False), self.now)
        self.see(
            RequestSeen(
                t=self.now, instance=self.instance, request=planned.request, world_id=planned.world_id,
                endpoint=planned.endpoint, method="GET", path=path,
            )
        )  # fmt: skip
        delay = self.late.http_timeout if planned.failure == "hung" else planned.delay_ms
        self.later(delay, lambda: self._answered(token, planned, life))

    def _answered(self, token: int, planned: PlannedAnswer, life: int) -> None:
        self.requests.note((planned.world_id, planned.endpoint, True), self.now)
        self.see(
            AnswerSent(
                t=self.now, instance=self.instance, request=planned.request, world_id=planned.world_id,
                endpoint=planned.endpoint, status=planned.status,
                body=planned.body[:KEPT_BODY].decode("utf-8", "replace"), size=len(planned.body), failure=planned.failure,
            )
        )  # fmt: skip
        if planned.failure:
            told = lambda: self.core.http_failed(token, planned.failure, self.now)  # noqa: E731
        else:
            told = lambda: self.core.http_answered(token, planned.status, planned.body, self.now)  # noqa: E731
        self.surroundings.tell(told, life)

    def later(self, delay_ms: float, call: Callable[[], None]) -> None:
        """Let something happen after so many ms of virtual time."""
        self.order += 1
        heapq.heappush(self.queue, (self.now + int(delay_ms * MS), self.order, call))

    def see(self, observation: Observation) -> None:
        """Record a fact."""
        self.run_.sink(observation)
