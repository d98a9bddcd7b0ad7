"""One started target in one setting, with its own topics, WorldService and observers, in real time."""

import asyncio
import contextlib
from collections.abc import Callable

from ackgap.broker import build
from ackgap.bus import BusError, Record, partition_of
from ackgap.bus.link import Link
from ackgap.harness.arrivals import Arrivals
from ackgap.harness.flood import FloodWatch
from ackgap.harness.recorder import Recorder
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.wire import stream_of, world_of
from ackgap.history import (
    AckSeen,
    AnswerSent,
    Delivered,
    FrameSeen,
    GateSeen,
    InstanceStarted,
    MetricsSeen,
    RelayChanged,
    RequestSeen,
    TargetChanged,
    text_of,
)  # fmt: skip
from ackgap.peers import metrics
from ackgap.peers.gate import GateClient
from ackgap.peers.http import WorldServiceServer
from ackgap.peers.relay import RelayClient
from ackgap.peers.worldservice import PlannedAnswer, ScriptedWorldService
from ackgap.scenario.model import Setting
from ackgap.target.running import Place, Target
from ackgap.target.spec import Attached, TargetError, TargetSpec, encoded, fill
from ackgap.target.starting import make_target

PARTITIONS = 4
KEPT_BODY = 65_536
RELAY_TIMEOUT_S = 10.0
Stream = tuple[str, str]


class Instance:
    """Everything around one target; records whatever it sees."""

    def __init__(
        self, *, spec: TargetSpec, setting: Setting, surroundings: Surroundings, recorder: Recorder, run_id: str
    ) -> None:
        self.spec, self.setting, self.recorder = spec, setting, recorder
        self.surroundings, self.bus = surroundings, surroundings.bus
        self.name = setting.name
        self.attached = attached_for(spec, setting)
        named = self.attached or spec
        self.topic = named.activation_topic or f"activation-{run_id}-{self.name}"
        self.ack_topic = named.ack_topic or f"activation-ack-{run_id}-{self.name}"
        self.own_topics = not named.activation_topic
        self.partitions = PARTITIONS
        self.run_id = run_id
        self.constants = surroundings.constants
        self.service = ScriptedWorldService(self.constants)
        self.server = WorldServiceServer(self.service, on_request=self._requested, on_answer=self._answered)
        self.log = surroundings.folder / f"target-{self.name}.log"
        self.target: Target | None = None
        self.link: Link | None = None
        self.group = f"ackgap-{run_id}-{self.name}"
        self.gate: GateClient | None = None
        self.relay: RelayClient | None = None
        self.acked: dict[tuple[str, str, int], int] = {}
        self.requests = Arrivals()
        self.shown: dict[tuple[str, str, int], int] = {}
        self.waiters: dict[object, list[asyncio.Future[None]]] = {}
        self.on_ack: dict[str, Callable[[Stream], None]] = {}
        self.flooded = asyncio.Event()
        self.floods = tuple(FloodWatch(way, self.flooded) for way in ("its ACK topic", "its relay", "the WorldService"))
        self.settle_ms = 60.0
        self.trip_ms = 0.0
        self.slowest_ms = 0.0

    async def start(self) -> None:
        """Create topics, start WorldService and target, connect the observers. Raises TargetError or BusError."""
        await self._topics()
        await self.bus.follow(self.ack_topic, self._acked)
        await self._serve()
        self.recorder.see(
            InstanceStarted(
                t=self.recorder.now(), instance=self.name, resync_enforced=self.setting.resync_enforced,
                gap_timeout_ms=self.setting.gap_timeout_ms, tiers=self.spec.tiers,
            )
        )  # fmt: skip
        await self._connect_link()
        place = Place(name=self.name, values=self._values(), log=self.log, folder=self.surroundings.folder)
        self.target = make_target(
            self.spec, place, network=self.surroundings.network, attached=self.attached,
            guardian=self.surroundings.guardian,
        )  # fmt: skip
        self._target_changed("started")
        await self.target.start()
        self._target_changed("ready")
        observe = self.spec.observe
        if observe.gate:
            self.gate = GateClient(url=self._gate_url, gate_map=observe.gate_map, headers=observe.headers)
        if observe.relay:
            await self._connect_relay()

    @property
    def running(self) -> Target:
        """The target. Raises TargetError before `start`."""
        if self.target is None:
            raise TargetError(f"target {self.spec.name} was not started")
        return self.target

    async def restart(self, *, kill: bool) -> None:
        """End the target and start it again with its disk; the observers follow it to its new ports. Raises TargetError."""
        await self.down(kill=kill)
        await self.up()

    async def down(self, *, kill: bool) -> None:
        """End the target until `up`. Raises TargetError."""
        if self.relay is not None:
            self._relay_changed("disconnected")
            await self.relay.close()
            self.relay = None
        await self.running.end(kill=kill)

    async def up(self, detail: str = "") -> None:
        """Start the target again; the observers follow it to its new ports. Raises TargetError."""
        self._target_changed("restarted", detail)
        await self.running.again()
        if self.spec.observe.relay:
            await self._connect_relay()

    async def _connect_link(self) -> None:
        """An instance for faults has a link of its own to the brokers, where that is possible."""
        if not self.setting.lane or self.attached is not None or not build.BINARY.is_file():
            return
        surroundings = self.surroundings
        self.link = Link(broker=self.bus.bootstrap, listen=surroundings.listen, advertised=surroundings.host)
        await self.link.start()

    async def _topics(self) -> None:
        """Topics of our own, or those that the descriptor names: made new where the broker is ours."""
        for topic in (self.topic, self.ack_topic):
            if self.own_topics:
                await self.bus.create_topic(topic, PARTITIONS)
            elif self.bus.kind != "kafka":
                await self.surroundings.renew_topic(topic, PARTITIONS)
        if not self.own_topics:
            self.partitions = await self.bus.partitions(self.topic)
            await self.bus.partitions(self.ack_topic)

    async def _serve(self) -> None:
        """Serve the scripted WorldService where the target can reach it."""
        if self.attached is not None and self.attached.worldservice:
            host, _, port = self.attached.worldservice.rpartition(":")
            try:
                await self.server.start(host, int(port))
            except OSError as error:
                raise BusError(
                    f"the WorldService cannot be served at {self.attached.worldservice}: {error.strerror}",
                    "free the address, or give another that the running service is told of",
                ) from error
        else:
            await self.server.start(self.surroundings.listen)

    async def _connect_relay(self) -> None:
        observe = self.spec.observe
        if self.target is None:
            return
        url = fill(observe.relay, self.target.values, where="observe.relay")
        self.relay = RelayClient(url, on_frame=self._frame, on_change=self._relay_changed, headers=observe.headers)
        try:
            await self.relay.start(RELAY_TIMEOUT_S)
        except TimeoutError as error:
            raise TargetError(
                f"target {self.spec.name} ({self.name}) accepted no WebSocket at {url} within {RELAY_TIMEOUT_S:g} s: "
                f"{self.relay.trouble or 'no answer'}",
                hint="check observe.relay.websocket, or take it out",
                log=self.target.last_lines(),
            ) from error

    async def stop(self) -> None:
        """Take everything down, whatever state it is in."""
        with contextlib.suppress(Exception):
            await self.read_metrics()
        for part in (self.relay, self.gate):
            if part is not None:
                with contextlib.suppress(Exception):
                    await part.close()
        if self.target is not None:
            await self.target.stop()
            self._target_changed("stopped")
        if self.link is not None:
            await self.link.close()
        await self.server.close()

    async def drowns(self) -> str:
        """Wait until the target sends more than can be taken; returns what it did."""
        await self.flooded.wait()
        return next((flood.said for flood in self.floods if flood.flooded), "flooded the kit")

    # --- doing -------------------------------------------------------------------------------------------------

    async def deliver(self, *, world_id: str, key: str | None, value: bytes, partition: int | None = None) -> Delivered:
        """Append one record for a world; it takes its place in the history as it is sent."""
        place = self.partition_for(world_id) if partition is None else partition
        slot, t_sent = self.recorder.sending(), self.recorder.now()
        try:
            raw = key.encode() if key is not None else None
            record = await self.bus.produce(topic=self.topic, partition=place, key=raw, value=value)
        except BaseException:
            self.recorder.lost(slot)
            raise
        text, encoding = text_of(value)
        delivered = Delivered(
            t=self.recorder.at(record.t), instance=self.name, world_id=world_id, t_sent=t_sent,
            partition=record.partition, offset=record.offset, key=key, value=text, encoding=encoding,
        )  # fmt: skip
        self.recorder.sent(slot, delivered)
        return delivered

    def partition_for(self, world_id: str) -> int:
        """The partition of a world, as Kafka's default partitioner gives it."""
        return partition_of(world_id.encode(), self.partitions)

    async def ask_gate(self, world_id: str, run_id: str) -> str:
        """Ask for one gate and record the answer. Returns its state; `open` where there is no gate to ask."""
        if self.gate is None:
            return "open"
        t_sent = self.recorder.now()
        answer = await self.gate.ask(world_id, run_id)
        body = answer.body[:KEPT_BODY]
        self.recorder.see(
            GateSeen(
                t=self.recorder.now(), instance=self.name, world_id=world_id, run_id=run_id, t_sent=t_sent,
                status=answer.status, state=answer.state, body=body,
            )
        )  # fmt: skip
        return answer.state

    async def read_metrics(self) -> None:
        """Record the metrics page."""
        if self.spec.observe.metrics and self.target is not None:
            t_sent = self.recorder.now()
            url = fill(self.spec.observe.metrics, self.target.values, where="observe.metrics")
            values = await metrics.read(url, headers=self.spec.observe.headers)
            values.update(metrics.canonical(values, self.spec.observe.metric_names))
            self.recorder.see(MetricsSeen(t=self.recorder.now(), instance=self.name, t_sent=t_sent, values=values))

    async def until(self, key: object, holds: Callable[[], bool], bound_s: float) -> bool:
        """Wait until something seen under `key` makes `holds` true. False when the bound runs out."""
        deadline = asyncio.get_running_loop().time() + bound_s
        while not holds():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting = self.waiters.setdefault(key, [])
            waiting.append(future)
            try:
                await asyncio.wait_for(future, left)
            except TimeoutError:
                return holds()
            finally:
                if future in waiting:
                    waiting.remove(future)
        return True

    # --- seeing ------------------------------------------------------------------------------------------------

    def _acked(self, record: Record) -> None:
        key = record.key.decode("utf-8", "replace") if record.key is not None else None
        world_id = world_of(record.value, key or "")
        if self._foreign(world_id):
            return  # other traffic of a shared topic
        if not self.floods[0].keeps(len(record.value or b""), stray=self.run_id not in world_id):
            return
        text, encoding = text_of(record.value or b"")
        self.recorder.see(
            AckSeen(
                t=self.recorder.at(record.t), instance=self.name, world_id=world_id,
                partition=record.partition, offset=record.offset, key=key, value=text, encoding=encoding,
            )
        )  # fmt: skip
        named = stream_of(record.value)
        if named is not None:
            self.acked.setdefault(named, self.recorder.at(record.t))
            self._wake(named)
            listener = self.on_ack.get(named[0])
            if listener is not None:
                listener(named[:2])

    def _frame(self, value: bytes) -> None:
        if self.spec.observe.relay_map is not None:
            value = self.spec.observe.relay_map.body(value)
        world_id = world_of(value)
        if self._foreign(world_id) or not self.floods[1].keeps(len(value), stray=self.run_id not in world_id):
            return
        text, encoding = text_of(value)
        named = stream_of(value)
        if named is not None:
            self.shown.setdefault(named, self.recorder.now())
        self.recorder.see(
            FrameSeen(
                t=self.recorder.now(), instance=self.name, world_id=world_id, client="main", value=text,
                encoding=encoding,
            )
        )  # fmt: skip

    def _relay_changed(self, state: str) -> None:
        word = "connected" if state == "connected" else "disconnected"
        self.recorder.see(RelayChanged(t=self.recorder.now(), instance=self.name, client="main", state=word))  # type: ignore[arg-type]

    def _requested(self, planned: PlannedAnswer, method: str, path: str) -> None:
        if self._foreign(planned.world_id) or not self.floods[2].keeps(len(path), stray=False):
            return
        self._counted(planned, answered=False)
        self.recorder.see(
            RequestSeen(
                t=self.recorder.now(), instance=self.name, request=planned.request, world_id=planned.world_id,
                endpoint=planned.endpoint, method=method, path=path,
            )
        )  # fmt: skip

    def _answered(self, planned: PlannedAnswer, failure: str, sent: int) -> None:
        if self._foreign(planned.world_id):
            return
        self._counted(planned, answered=True)
        self.recorder.see(
            AnswerSent(
                t=self.recorder.now(), instance=self.name, request=planned.request, world_id=planned.world_id,
                endpoint=planned.endpoint, status=planned.status,
                body=planned.body[:KEPT_BODY].decode("utf-8", "replace"), size=sent, failure=failure,
            )
        )  # fmt: skip

    def _foreign(self, world_id: str) -> bool:
        """Whether a world belongs to others, on topics that are not ours alone."""
        return not self.own_topics and f"{self.run_id}-{self.name}" not in world_id

    def _counted(self, planned: PlannedAnswer, *, answered: bool) -> None:
        key = (planned.world_id, planned.endpoint, answered)
        self.requests.note(key, self.recorder.now())
        self._wake(key)

    def _wake(self, key: object) -> None:
        for future in self.waiters.pop(key, []):
            if not future.done():
                future.set_result(None)

    def _target_changed(self, state: str, detail: str = "") -> None:
        self.recorder.see(TargetChanged(t=self.recorder.now(), instance=self.name, state=state, detail=detail))  # type: ignore[arg-type]

    # --- names -------------------------------------------------------------------------------------------------

    def _values(self) -> dict[str, str]:
        brokers = self.bus.inside if self.spec.in_container else self.bus.bootstrap
        return {
            "bus.bootstrap": self.link.bootstrap if self.link is not None else brokers,
            "bus.activation_topic": self.topic,
            "bus.ack_topic": self.ack_topic,
            "bus.group": self.group,
            "worldservice.url": self.surroundings.url(self.server.port),
            "settings.gap_timeout_ms": str(self.setting.gap_timeout_ms),
            "settings.resync_enforced": str(self.setting.resync_enforced).lower(),
            "run.id": self.run_id,
        }

    def _gate_url(self, world_id: str, run_id: str) -> str:
        values = dict(self.target.values) if self.target is not None else {}
        values.update({"world_id": encoded(world_id), "run_id": encoded(run_id)})
        return fill(self.spec.observe.gate, values, where="observe.gate")


def attached_for(spec: TargetSpec, setting: Setting) -> Attached | None:
    """The running service that has these settings, for an attached target."""
    for service in spec.attach:
        if (service.resync_enforced, service.gap_timeout_ms) == (setting.resync_enforced, setting.gap_timeout_ms):
            return service
    return None
