"""One started WorldService with its topics: what it emits is recorded and ACKed, what it is asked for is recorded too."""

import asyncio
import contextlib
import datetime as dt
import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ackgap.bus import Record, partition_of
from ackgap.harness.flood import FloodWatch
from ackgap.harness.recorder import Recorder
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.wire import body_of, stream_of, world_of
from ackgap.harness.worldservice.plan import INSTANCE
from ackgap.harness.worldservice.topic import WorldSeen
from ackgap.history import AckSent, EventSeen, Exchanged, InstanceStarted, Outcome, TargetChanged, text_of
from ackgap.peers.asking import Asker, Reply
from ackgap.peers.gate import pointed
from ackgap.target.applying import Trigger, command_of, of, url_of
from ackgap.target.applying import body_of as filled_body
from ackgap.target.running import Place, Target
from ackgap.target.spec import TargetError, TargetSpec, encoded
from ackgap.target.starting import make_target

PARTITIONS = 4
ASK_TIMEOUT_S = 4.0
APPLY_TIMEOUT_S = 20.0
BARRIER_S = 10.0
POLL_S = 0.05
PATIENCE = 3  # answers in a row that never came, after which an endpoint is not asked any more
MARKER = "ackgap-marker"
SHOWN = 300
Endpoint = Any


class WorldInstance:
    """Everything around one WorldService; records whatever it sees."""

    name = INSTANCE

    def __init__(self, *, spec: TargetSpec, surroundings: Surroundings, recorder: Recorder, run_id: str) -> None:
        self.spec, self.surroundings, self.recorder, self.run_id = spec, surroundings, recorder, run_id
        self.told = of(spec)
        self.bus = surroundings.bus
        attached = spec.attach[0] if spec.attach else None
        named = attached or spec
        self.topic = named.activation_topic or f"activation-{run_id}-{self.name}"
        self.ack_topic = named.ack_topic or ("" if attached else f"activation-ack-{run_id}-{self.name}")
        self.own_topics = not named.activation_topic
        self.partitions = {"": PARTITIONS}
        self.log = surroundings.folder / f"target-{self.name}.log"
        self.target: Target | None = None
        self.asker = Asker(headers=spec.observe.headers, timeout_s=ASK_TIMEOUT_S)
        self.worlds: dict[str, WorldSeen] = {}
        self.ack_ms: dict[str, float | None] = {}
        self.acking: set[asyncio.Task[None]] = set()
        self.silent: dict[str, int] = {}
        self.markers: dict[str, asyncio.Future[None]] = {}
        self.flooded = asyncio.Event()
        self.flood = FloodWatch("its activation topic", self.flooded)
        self.settle_ms = 150.0
        self.trip_ms = 0.0

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Create topics, follow the one, start the target. Raises TargetError or BusError."""
        for topic in filter(None, (self.topic, self.ack_topic)):
            if self.own_topics:
                await self.bus.create_topic(topic, PARTITIONS)
            elif self.bus.kind != "kafka":
                await self.surroundings.renew_topic(topic, PARTITIONS)
            self.partitions[topic] = await self.bus.partitions(topic)
        await self.bus.follow(self.topic, self._record)
        constants = self.surroundings.constants
        self.recorder.see(
            InstanceStarted(
                t=self.recorder.now(), instance=self.name, resync_enforced=constants.resync_enforced,
                gap_timeout_ms=constants.gap_timeout_ms, tiers=self.spec.tiers, role="worldservice",
            )
        )  # fmt: skip
        place = Place(name=self.name, values=self._values(), log=self.log, folder=self.surroundings.folder)
        self.target = make_target(
            self.spec, place, network=self.surroundings.network,
            attached=self.spec.attach[0] if self.spec.attach else None, guardian=self.surroundings.guardian,
        )  # fmt: skip
        self.changed("started")
        await self.target.start()
        await self._answers()
        self.changed("ready")

    @property
    def running(self) -> Target:
        """The target. Raises TargetError before `start`."""
        if self.target is None:
            raise TargetError(f"target {self.spec.name} was not started")
        return self.target

    async def restart(self, *, kill: bool) -> None:
        """End the target and start it again with its disk. Raises TargetError."""
        await self.running.end(kill=kill)
        self.changed("stopped")
        await self.running.again()
        await self._answers()
        self.changed("restarted")

    async def stop(self) -> None:
        """Take everything down, whatever state it is in."""
        for task in self.acking:
            task.cancel()
        await self.asker.close()
        if self.target is not None:
            await self.target.stop()
            self.changed("stopped")

    def changed(self, state: Any) -> None:
        """Record that the target started, stopped and the like."""
        self.recorder.see(TargetChanged(t=self.recorder.now(), instance=self.name, state=state))

    async def drowns(self) -> str:
        """Wait until the target sends more than can be taken; returns what it did."""
        await self.flooded.wait()
        return self.flood.said

    async def _answers(self) -> None:
        """Where nothing else shows that it is ready, wait until it answers anything at all. Raises TargetError."""
        spec = self.spec
        if spec.ready_http or spec.ready_tcp or spec.ready_log or not self.told.url:
            return
        deadline = asyncio.get_running_loop().time() + spec.startup_timeout_s
        url = self.url("state_hash", f"ackgap-{self.run_id}-ready")
        while (reply := await self.asker.ask("GET", url, timeout_s=2)).status == 0:
            if asyncio.get_running_loop().time() > deadline:
                raise TargetError(
                    f"target {spec.name} was not ready within {spec.startup_timeout_s:g} s: {url} gave no answer "
                    f"({reply.failure})",
                    hint="check worldservice.url, or name by start.ready what shows that it is ready",
                    log=self.running.last_lines(),
                )
            await asyncio.sleep(POLL_S)

    # --- asking --------------------------------------------------------------------------------------------------

    def url(self, endpoint: Endpoint, world_id: str, strategy: str = "", side: str = "") -> str:
        """The URL of an endpoint of the contract. Raises TemplateError."""
        constants = self.surroundings.constants
        path = constants.state_hash_path if endpoint == "state_hash" else constants.snapshot_path
        query = f"?strategy_id={encoded(strategy)}&side={encoded(side)}" if endpoint == "entry" else ""
        return url_of(self.told.url, self.running.values, {}) + path.replace("{world_id}", encoded(world_id)) + query

    async def read(
        self, endpoint: Endpoint, world_id: str, *, strategy: str = "", side: str = "", tag: str = ""
    ) -> Reply | None:
        """Ask one endpoint and record the answer; None where it has kept silent too often to be asked again."""
        if self.silent.get(endpoint, 0) >= PATIENCE or not self.told.url:
            return None
        url, t_sent = self.url(endpoint, world_id, strategy, side), self.recorder.now()
        reply = await self.asker.ask("GET", url, headers={"If-None-Match": tag} if tag else None)
        mute = reply.failure in {"hung", "too_large"}
        self.silent[endpoint] = self.silent.get(endpoint, 0) + 1 if mute else 0
        self.recorder.see(
            Exchanged(
                t=self.recorder.now(), instance=self.name, world_id=world_id, t_sent=t_sent, endpoint=endpoint,
                path=url, strategy_id=strategy, side=side, if_none_match=tag, status=reply.status, etag=reply.etag,
                content_type=reply.content_type, location=reply.location, body=reply.body, size=reply.size,
                failure=reply.failure,
            )
        )  # fmt: skip
        return reply

    async def do(
        self, trigger: Trigger, named: Mapping[str, str], entries: Sequence[Mapping[str, Any]]
    ) -> tuple[Outcome, int, str, str]:
        """Trigger an apply or the like. Returns outcome, status, the run that the answer names, and what it said."""
        if trigger.way == "command":
            return await self._command(command_of(trigger, self.told, self.running.values, named, entries))
        url = url_of(trigger.url, self.running.values, named)
        body = filled_body(trigger, self.told, self.running.values, named, entries)
        reply = await self.asker.ask(trigger.method, url, body=body, timeout_s=APPLY_TIMEOUT_S)
        if reply.status in trigger.accepted:
            return "accepted", reply.status, _pointed(reply.body, trigger.run_id), reply.body[:SHOWN]
        said = f"{trigger.method} {url} was answered {words_of(reply)}"
        return "refused" if reply.status in trigger.refused else "failed", reply.status or -1, "", said

    async def _command(self, command: list[str]) -> tuple[Outcome, int, str, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                cwd=self.spec.workdir or None,
            )  # fmt: skip
        except OSError as error:
            return "failed", -1, "", f"{command[0]}: {error.strerror}"
        try:
            out, _ = await asyncio.wait_for(process.communicate(), APPLY_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return "failed", -1, "", f"{command[0]} did not end within {APPLY_TIMEOUT_S:g} s"
        code = process.returncode if process.returncode is not None else -1
        said = f"{command[0]} ended with exit code {code}: {out[-SHOWN:].decode('utf-8', 'replace').strip()}"
        return "accepted" if code == 0 else "failed", min(max(code, -1), 999), "", said

    # --- the topic -----------------------------------------------------------------------------------------------

    def world(self, world_id: str) -> WorldSeen:
        """What was seen of a world."""
        return self.worlds.setdefault(world_id, WorldSeen())

    async def barrier(self) -> bool:
        """Whether everything that stands on the topic by now has been read, shown by a record of our own behind it."""
        if not self.own_topics and self.bus.kind == "kafka":
            return False  # others read that topic too
        waiting = []
        for partition in range(self.partitions[self.topic]):
            name = f"{MARKER}-{uuid.uuid4().hex[:12]}"
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.markers[name] = future
            await self.bus.produce(topic=self.topic, partition=partition, key=name.encode(), value=b"{}")
            waiting.append(future)
        try:
            await asyncio.wait_for(asyncio.gather(*waiting), BARRIER_S)
        except TimeoutError:
            return False
        return True

    def _record(self, record: Record) -> None:
        key = record.key.decode("utf-8", "replace") if record.key is not None else None
        if key is not None and key.startswith(MARKER):
            future = self.markers.pop(key, None)
            if future is not None and not future.done():
                future.set_result(None)
            return
        world_id = world_of(record.value, key or "")
        ours = world_id in self.ack_ms
        if not ours and not self.own_topics:
            return  # other traffic of a shared topic
        if not self.flood.keeps(len(record.value or b""), stray=not ours):
            return
        text, encoding = text_of(record.value or b"")
        self.recorder.see(
            EventSeen(
                t=self.recorder.at(record.t), instance=self.name, world_id=world_id, partition=record.partition,
                offset=record.offset, key=key, value=text, encoding=encoding,
            )
        )  # fmt: skip
        if ours:
            self.world(world_id).note(record.value)
            pause = self.ack_ms[world_id]
            if pause is not None and self.ack_topic:
                task = asyncio.create_task(self._ack(record, pause))
                self.acking.add(task)
                task.add_done_callback(self.acking.discard)

    async def _ack(self, record: Record, pause_ms: float) -> None:
        stream, body = stream_of(record.value), body_of(record.value)
        if stream is None or body.get("requires_ack") is not True or stream[2] < 1:
            return
        await asyncio.sleep(pause_ms / 1000)
        world_id, run_id, sequence = stream
        partition = partition_of(world_id.encode(), self.partitions[self.ack_topic])
        t_sent = self.recorder.now()
        value = json.dumps(self._ack_message(body, *stream)).encode()
        with contextlib.suppress(Exception):
            await self.bus.produce(topic=self.ack_topic, partition=partition, key=world_id.encode(), value=value)
            self.recorder.see(
                AckSent(
                    t=self.recorder.now(), instance=self.name, world_id=world_id, t_sent=t_sent, run_id=run_id,
                    sequence=sequence,
                )
            )  # fmt: skip

    def _ack_message(self, body: Mapping[str, Any], world_id: str, run_id: str, sequence: int) -> dict[str, Any]:
        constants, now = self.surroundings.constants, dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        named = {"world_id": world_id, "run_id": run_id, "sequence": sequence, "phase": body.get("phase"), "version": 1}
        key = constants.idempotency_key
        for name, value in named.items():
            key = key.replace(f"{{{name}}}", str(value))
        return {
            "specversion": "1.0", "id": uuid.uuid4().hex, "source": "ackgap", "type": constants.ack_envelope_type,
            "time": now, "datacontenttype": "application/json",
            "data": {**named, "etag": body.get("etag"), "ts": body.get("ts"), "ack_ts": now, "idempotency_key": key},
        }  # fmt: skip

    def _values(self) -> dict[str, str]:
        constants = self.surroundings.constants
        return {
            "bus.bootstrap": self.bus.inside if self.spec.in_container else self.bus.bootstrap,
            "bus.activation_topic": self.topic,
            "bus.ack_topic": self.ack_topic,
            "bus.group": f"ackgap-{self.run_id}-{self.name}",
            "worldservice.url": "",
            "settings.gap_timeout_ms": str(constants.gap_timeout_ms),
            "settings.resync_enforced": str(constants.resync_enforced).lower(),
            "run.id": self.run_id,
        }


def _pointed(body: str, pointer: str) -> str:
    """The run that an answer names; "" if none."""
    if not pointer:
        return ""
    try:
        found = pointed(json.loads(body), pointer)
    except (ValueError, LookupError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def words_of(reply: Reply) -> str:
    """An answer that was not the one hoped for, in a few words."""
    if reply.status == 0:
        return {"hung": "never", "refused": "by a refused connection"}.get(reply.failure, f"by no HTTP ({reply.body})")
    where = f" to {reply.location}, which is not followed" if reply.location else ""
    kind = f" with {reply.content_type}" if reply.content_type else ""
    return f"{reply.status}{where}{kind}: {' '.join(reply.body[:160].split())}"
