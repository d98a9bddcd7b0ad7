"""Starts a WorldService once and tries what a run needs of it: what `ackgap doctor --target` does for this role."""

import json
from typing import Any

from ackgap.contract import Contract
from ackgap.harness.stepping import Check, Stepping
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.worldservice.instance import Endpoint, WorldInstance, words_of
from ackgap.harness.worldservice.plan import calibrating_cast
from ackgap.harness.worldservice.player import WorldPlayer
from ackgap.history import EventSeen, WaitExpired, bytes_of
from ackgap.target.applying import Watch, of
from ackgap.target.spec import TargetError, TargetSpec

EXCERPT = 160
SCHEMAS = {"state_hash": "state-hash", "snapshot": "activation-snapshot"}
WORDS = {"state_hash": "state hash", "snapshot": "snapshot"}
WATCHED = "not tried: somebody else applies its worlds; `ackgap certify` says which and when"


class WorldTrial(Stepping):
    """One WorldService, started once."""

    def __init__(self, *, spec: TargetSpec, contract: Contract, surroundings: Surroundings, run_id: str) -> None:
        super().__init__(spec, surroundings)
        self.contract, self.run_id = contract, run_id
        self.told = of(spec)
        self.watched = isinstance(self.told.apply, Watch)
        self.world = ""

    async def run(self) -> None:
        """Go through it; what fails ends what depends on it. Nothing is left running."""
        await self.through([
            ("bus", self.bus_up), ("ready", self._ready), ("apply", self._apply), ("topic", self._topic),
            ("state hash", lambda: self._answer("state_hash")), ("snapshot", lambda: self._answer("snapshot")),
            ("unknown world", self._unknown),
        ])  # fmt: skip

    async def _ready(self) -> Check:
        self.instance = WorldInstance(
            spec=self.spec, surroundings=self.surroundings, recorder=self.recorder, run_id=self.run_id
        )
        return await self.target_up(self.instance)

    async def _apply(self) -> Check:
        if self.watched:
            return Check(name="apply", works=True, found=WATCHED, needed=False)
        cast = calibrating_cast(self.run_id, 0)
        player = WorldPlayer(cast, self.instance)
        played = await player.run()
        player.refuse_if_not_applied()
        self.world = cast.worlds[0]
        expired = [o for o in self.recorder.seen if isinstance(o, WaitExpired)]
        if expired and self._events():
            return Check(
                name="apply", works=False,
                found=f"an apply of two entries was taken on, and {len(self._events())} events of it came, but it did not end within "
                f"{expired[0].waited_ms / 1000:g} s, though every event was ACKed",
                to_do="check that it unfreezes what it froze, and that it reads {bus.ack_topic} if it waits for ACKs",
            )  # fmt: skip
        return Check(
            name="apply",
            works=True,
            found=f"an apply of two entries was taken on, and over after {played.duration_s:.1f} s",
        )

    async def _topic(self) -> Check:
        if self.watched:
            return Check(name="topic", works=True, found=WATCHED, needed=False)
        events = self._events()
        if not events:
            raise TargetError(
                f"an apply was taken on, but no event of world {self.world!r} came on {self.instance.topic}",
                hint="check that it publishes to {bus.activation_topic} on {bus.bootstrap}",
                log=self.instance.running.last_lines(),
            )
        problem = self._problem("activation-message", bytes_of(events[0].value, events[0].encoding))
        if problem:
            return Check(
                name="topic", works=False, needed=False,
                found=f"{len(events)} events came, but the first breaks the schema: {problem}",
                to_do="check it with `ackgap validate`; WS-09 and others will fail",
            )  # fmt: skip
        return Check(name="topic", works=True, found=f"{len(events)} events came, the first as the schema says")

    async def _answer(self, endpoint: Endpoint) -> Check:
        name = WORDS[endpoint]
        if not self.told.url:
            return Check(
                name=name, works=False, needed=False, found="not offered", to_do="name it by worldservice.url, if it is there"
            )  # fmt: skip
        if self.watched:
            return Check(name=name, works=True, found=WATCHED, needed=False)
        reply, url = await self.instance.read(endpoint, self.world), self.instance.url(endpoint, self.world)
        if reply is None or reply.status != 200:
            said = words_of(reply) if reply is not None else "never"
            needs = (
                "; it needs credentials: name them by auth or headers" if reply and reply.status in {401, 403} else ""
            )
            return Check(
                name=name, works=False, found=f"GET {url} for a world that was just applied was answered {said[:EXCERPT]}",
                to_do=f"check worldservice.url{needs}",
            )  # fmt: skip
        problem = self._problem(SCHEMAS[endpoint], reply.body.encode())
        if problem:
            return Check(
                name=name, works=False, needed=False, found=f"answered, but the answer breaks the schema: {problem}",
                to_do="check it with `ackgap validate`; WS requirements will fail",
            )  # fmt: skip
        return Check(
            name=name, works=True, found=f"answered as the schema says, {'with' if reply.etag else 'without'} an ETag"
        )

    async def _unknown(self) -> Check:
        if not self.told.url:
            return Check(name="unknown world", works=False, needed=False, found="not offered")
        reply = await self.instance.read("state_hash", f"ackgap-{self.run_id}-never")
        if reply is not None and reply.status == 404:
            return Check(name="unknown world", works=True, found="answered 404")
        said = words_of(reply) if reply is not None else "never"
        return Check(
            name="unknown world", works=False, needed=False, found=f"expected 404; answered {said[:EXCERPT]}",
            to_do="a world that was never applied is not known; WS-31 will fail",
        )  # fmt: skip

    def _events(self) -> list[EventSeen]:
        return [o for o in self.recorder.seen if isinstance(o, EventSeen) and o.world_id == self.world]

    def _problem(self, schema: str, value: bytes) -> str:
        try:
            document: Any = json.loads(value)
        except (ValueError, RecursionError) as error:
            return f"no JSON: {error}"
        wrong = next(iter(self.contract.validator(schema).iter_errors(document)), None)
        return "" if wrong is None else wrong.message[:EXCERPT]
