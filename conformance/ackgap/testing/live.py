"""What the fixtures hand out: plain calls around the kit's bus, WorldService and target, which live in an event loop of
their own. Every wait has a bound and returns whether it was met, so that the test can say what it expected.
"""

import asyncio
import contextlib
import tempfile
import threading
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ackgap.bus import Bus, Record, partition_of
from ackgap.certify import Order, bus_for, find_target
from ackgap.contract import ContractError, load
from ackgap.harness.instance import PARTITIONS, Instance
from ackgap.harness.joining import join
from ackgap.harness.markers import Markers
from ackgap.harness.stepping import Remembering
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.wire import body_of, stream_of
from ackgap.history import FrameSeen, Observation
from ackgap.peers.http import WorldServiceServer
from ackgap.peers.worldservice import PlannedAnswer, ScriptedWorldService
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.model import Answer, Behaviour, Setting

USUAL_S = 10.0
ENTRIES = ("alpha/long", "beta/short")
T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own, for callers that know nothing of it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="ackgap", daemon=True)
        self.thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Its result. Interrupting the wait cancels it and lets it tidy up."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class LiveBus:
    """A running Kafka. `bootstrap` is `HOST:PORT`; `kind` is embedded, mock, container or kafka."""

    def __init__(self, bus: Bus, loop: Loop) -> None:
        self._bus, self._loop = bus, loop
        self.kind, self.bootstrap = bus.kind, bus.bootstrap
        self._seen: dict[str, list[Record]] = {}

    def topic(self, name: str = "", *, partitions: int = PARTITIONS) -> str:
        """Create a topic, with a name of its own if none is given, and follow it. Returns the name."""
        chosen = name or f"test-{uuid.uuid4().hex[:8]}"
        self._loop.call(self._bus.create_topic(chosen, partitions))
        self.follow(chosen)
        return chosen

    def follow(self, topic: str) -> None:
        """Keep the records of a topic from now on; for topics that others have made."""
        if topic not in self._seen:
            kept = self._seen.setdefault(topic, [])
            self._loop.call(self._bus.follow(topic, kept.append))

    def produce(self, topic: str, value: bytes, *, key: bytes | None = None, partition: int | None = None) -> Record:
        """Append one record; its partition is the one that Kafka's default partitioner gives the key."""

        async def send() -> Record:
            chosen = partition
            if chosen is None:
                chosen = partition_of(key, await self._bus.partitions(topic)) if key is not None else 0
            return await self._bus.produce(topic=topic, partition=chosen, key=key, value=value)

        return self._loop.call(send())

    def records(self, topic: str) -> list[Record]:
        """What was seen on a followed topic so far."""
        return list(self._seen[topic])

    def await_records(self, topic: str, count: int = 1, *, timeout_s: float = USUAL_S) -> bool:
        """Wait until that many were seen. Returns whether they were."""
        return self._loop.call(_until(lambda: len(self._seen[topic]) >= count, timeout_s))


class LiveWorldService:
    """A scripted WorldService at `url`: answers with the truth it was told, or as it is told to misbehave."""

    def __init__(self, loop: Loop, url: Callable[[int], str]) -> None:
        self._loop = loop
        self._url = url
        self.service = ScriptedWorldService()
        self._server = WorldServiceServer(self.service, on_request=self.note, on_answer=lambda *_: None)
        self._requests: list[str] = []
        self.url = ""

    def start(self, listen: str) -> None:
        """Serve."""
        self._loop.call(self._server.start(listen))
        self.url = self._url(self._server.port)

    def emit(self, body: dict[str, Any]) -> None:
        """From now on this ActivationUpdated body is part of the truth."""
        self._loop.call(_now(lambda: self.service.emit(body)))

    def behave(
        self, world_id: str, *, state_hash: Sequence[dict[str, Any]] = (), snapshot: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Script the next answers for a world; each is made of the fields of `ackgap.scenario.model.Answer`.

        For instance `behave("w", snapshot=[{"status": 503, "times": 2}])`.
        """
        script = Behaviour(
            state_hash=tuple(Answer(**fields) for fields in state_hash),
            snapshot=tuple(Answer(**fields) for fields in snapshot),
        )
        self._loop.call(_now(lambda: self.service.behave(world_id, script)))

    def requests(self, world_id: str = "") -> list[str]:
        """Method and path of each request so far, of one world or of all."""
        return [r for r in self._requests if not world_id or f"/worlds/{world_id}/" in r]

    def await_requests(self, world_id: str, count: int = 1, *, timeout_s: float = USUAL_S) -> bool:
        """Wait until that many have come. Returns whether they have."""
        return self._loop.call(_until(lambda: len(self.requests(world_id)) >= count, timeout_s))

    def note(self, planned: PlannedAnswer, method: str, path: str) -> None:
        """A request has come."""
        self._requests.append(f"{method} {path}")

    def close(self) -> None:
        """Close the port."""
        self._loop.call(self._server.close())


class LiveStream:
    """One stream of events to a target: 1, 2, … freeze the entries of a world of its own, those after unfreeze them."""

    def __init__(self, target: "LiveTarget", plan: StreamPlan) -> None:
        self._target, self._plan = target, plan
        self.world_id, self.run_id = plan.world_id, plan.run_id

    def body(self, sequence: int) -> dict[str, Any]:
        """The ActivationUpdated body of that sequence."""
        return self._plan.body(sequence)

    def emit(self, *sequences: int) -> None:
        """Make events part of the WorldService's truth without delivering them."""
        for sequence in sequences:
            self._target.worldservice.emit(self.body(sequence))

    def deliver(self, *sequences: int, form: str = "enveloped") -> None:
        """Make events part of the truth, and deliver them in this order."""
        self.emit(*sequences)
        for sequence in sequences:
            self.send(encode(self.body(sequence), form))

    def send(self, value: bytes) -> None:
        """Deliver any bytes under the key of this world."""
        instance = self._target.instance
        self._target.call(instance.deliver(world_id=self.world_id, key=self.world_id, value=value))

    def acks(self) -> list[int]:
        """The sequences that were ACKed so far, each once, in the order of their first ACK."""
        mine = [
            (t, key[2]) for key, t in self._target.instance.acked.items() if key[:2] == (self.world_id, self.run_id)
        ]
        return [sequence for _, sequence in sorted(mine)]

    def await_ack(self, sequence: int, *, timeout_s: float = USUAL_S) -> bool:
        """Wait for the ACK of an event. Returns whether it came."""
        instance, key = self._target.instance, (self.world_id, self.run_id, sequence)
        return self._target.call(instance.until(key, lambda: key in instance.acked, timeout_s))

    def settle(self, *, timeout_s: float = USUAL_S) -> bool:
        """Wait until the target has read past everything that was delivered to this stream. Returns whether it has.

        A marker event in another world, on the same partition, shows it; so what has not happened then, will not.
        """
        partition = self._target.instance.partition_for(self.world_id)
        return self._target.call(self._target.settled(partition, timeout_s))

    def gate(self) -> str:
        """The order gate of this stream now: open, closed or unknown."""
        return self._target.call(self._target.instance.ask_gate(self.world_id, self.run_id))

    def frames(self) -> list[dict[str, Any]]:
        """Bodies of the relay frames of this stream so far."""
        seen = [o.value for o in self._target.observations if isinstance(o, FrameSeen)]
        return [body_of(v) for v in seen if (stream_of(v) or ())[:2] == (self.world_id, self.run_id)]


class LiveTarget:
    """A started target that has joined the bus. `values` are those of the descriptor's templates (`port.http`, …)."""

    def __init__(self, instance: Instance, recorder: Remembering, worldservice: LiveWorldService, loop: Loop) -> None:
        self.instance, self.worldservice = instance, worldservice
        self._recorder, self._loop = recorder, loop
        self._markers = Markers(instance)

    @property
    def values(self) -> dict[str, str]:
        """Templates and what they stand for."""
        return dict(self.instance.target.values) if self.instance.target is not None else {}

    @property
    def observations(self) -> list[Observation]:
        """Everything that was seen of it so far; see `ackgap.history`."""
        return list(self._recorder.seen)

    @property
    def log(self) -> str:
        """The end of its output."""
        return self.instance.target.last_lines() if self.instance.target is not None else ""

    def stream(self, *, run_id: str = "run-1", world_id: str = "", entries: Sequence[str] = ENTRIES) -> LiveStream:
        """A new stream; its first events freeze the entries (`STRATEGY/SIDE`), the next ones unfreeze them."""
        world = world_id or f"world-{uuid.uuid4().hex[:8]}"
        pairs = [entry.split("/", 1) for entry in entries]
        events = tuple((verb, strategy, side) for verb in ("freeze", "unfreeze") for strategy, side in pairs)
        plan = StreamPlan(alias="", world_id=world, run_id=run_id, first=1, plan=events, form="enveloped")
        return LiveStream(self, plan)

    def restart(self, *, kill: bool = False) -> None:
        """End it (`kill`: by SIGKILL), start it again with its disk, and wait until it has joined the bus again."""
        self.call(self._restart(kill=kill))

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine in the loop of the kit."""
        return self._loop.call(coroutine)

    def start(self) -> None:
        """Start it and wait until it has joined. Raises TargetError and whatever else `certify` raises."""
        self.call(self._start())

    def close(self) -> None:
        """Take it down."""
        self.call(self.instance.stop())
        self._recorder.close()

    async def settled(self, partition: int, timeout_s: float) -> bool:
        """Whether a marker has passed through the partition and the settle time is over."""
        trip = await self._markers.pass_through(partition, timeout_s)
        if trip is None:
            return False
        await asyncio.sleep(max(self.instance.settle_ms, 2 * trip) / 1000)
        return True

    async def _start(self) -> None:
        await self.instance.start()
        self._markers.register()
        await join(self.instance, self._markers)
        await self._markers.calibrate("begin")

    async def _restart(self, *, kill: bool) -> None:
        await self.instance.restart(kill=kill)
        await join(self.instance, self._markers)


class LiveSession:
    """Broker, event loop and scratch folder of one test session."""

    def __init__(self, order: Order) -> None:
        self.contract = load()
        self.spec = find_target(order.target, self.contract)
        if self.spec.kind == "python":
            raise ContractError(
                f"target {self.spec.name} is played in virtual time and has no process; use ackgap_certify"
            )
        if self.spec.role != "gateway":
            raise ContractError(
                f"target {self.spec.name} is a {self.spec.role}, and the fixture is for Gateways; use ackgap_certify"
            )
        self._bus_choice, self._image = bus_for(self.spec, order.bus), order.kafka_image

    def start(self) -> None:
        """Start the broker. Raises what `certify` raises."""
        self.loop = Loop()
        self._scratch = tempfile.TemporaryDirectory(prefix="ackgap-", ignore_cleanup_errors=True)
        self.surroundings = Surroundings(
            spec=self.spec, bus=self._bus_choice, image=self._image, run_id=uuid.uuid4().hex[:8], folder=Path(self._scratch.name)
        )  # fmt: skip
        try:
            self.loop.call(self.surroundings.start())
        except BaseException:
            self.close()
            raise
        self.bus = LiveBus(self.surroundings.bus, self.loop)

    def worldservice(self) -> LiveWorldService:
        """A new WorldService, serving."""
        service = LiveWorldService(self.loop, self.surroundings.url)
        service.start(self.surroundings.listen)
        return service

    def target(
        self, worldservice: LiveWorldService, *, resync_enforced: bool | None = None, gap_timeout_ms: int | None = None
    ) -> LiveTarget:
        """The target in these settings, started; what it cannot be set to is refused. Raises what `certify` raises."""
        spec, run_id = self.spec, uuid.uuid4().hex[:8]
        flag = spec.resync_values[0] if resync_enforced is None else resync_enforced
        timeout = gap_timeout_ms or spec.gap_timeout_ms or self.contract.constants.gap_timeout_ms
        if flag not in spec.resync_values or (spec.gap_timeout_ms or timeout) != timeout:
            raise ContractError(
                f"target {spec.name} cannot be set to resync_enforced {str(flag).lower()} and {timeout} ms"
            )
        setting = Setting(resync_enforced=flag, gap_timeout_ms=timeout, default_timeout=True)
        recorder = Remembering(self.surroundings.folder / f"history-{run_id}.jsonl")
        instance = Instance(
            spec=spec, setting=setting, surroundings=self.surroundings, recorder=recorder, run_id=run_id
        )
        instance.log = self.surroundings.folder / f"target-{run_id}.log"
        _share_truth(instance, worldservice)
        target = LiveTarget(instance, recorder, worldservice, self.loop)
        try:
            target.start()
        except BaseException:
            target.close()
            raise
        return target

    def close(self) -> None:
        """Take everything down."""
        with contextlib.suppress(Exception):
            self.loop.call(self.surroundings.close())
        self.loop.close()
        self._scratch.cleanup()


def _share_truth(instance: Instance, worldservice: LiveWorldService) -> None:
    """The target asks a server of its own instance; truth, misbehaviour and the list of requests are those of the fixture."""
    instance.service = instance.server.service = worldservice.service
    recorded = instance.server.on_request

    def noted(planned: PlannedAnswer, method: str, path: str) -> None:
        worldservice.note(planned, method, path)
        recorded(planned, method, path)

    instance.server.on_request = noted


async def _now(act: Callable[[], None]) -> None:
    act()


async def _until(holds: Callable[[], bool], timeout_s: float) -> bool:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not holds():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
