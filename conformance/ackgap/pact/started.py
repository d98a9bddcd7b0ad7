"""A WorldService that the kit starts as a provider: brought into its states by applies, its events read from the topic."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ackgap.bus import Record
from ackgap.contract import Contract
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.wire import body_of
from ackgap.pact.asked import AskedProvider
from ackgap.pact.captured import Captured
from ackgap.pact.files import Interaction
from ackgap.pact.states import meaning
from ackgap.pact.verifying import NotPossibleError
from ackgap.target.running import Place, Target
from ackgap.target.spec import TargetError, TargetSpec, fill
from ackgap.target.starting import make_target

PARTITIONS = 4
APPLY_S = 20.0
SWITCH_MS = 3000
ENTRIES = (
    {"strategy_id": "alpha", "side": "long", "weight": 0.5},
    {"strategy_id": "beta", "side": "short", "weight": 0.5},
)


class StartedProvider(AskedProvider):
    """Starts the service on a bus of the kit, and applies worlds by `POST /worlds/{world_id}/apply`."""

    def __init__(self, spec: TargetSpec, contract: Contract, surroundings: Surroundings, run_id: str) -> None:
        super().__init__("")
        self.spec, self.surroundings, self.run_id = spec, surroundings, run_id
        self.events = Captured(contract, "activation-message", "event")
        self.phases: dict[str, list[str]] = {}
        self.changed = asyncio.Event()
        self.target: Target | None = None
        self.made = 0

    async def start(self) -> None:
        """Start bus and service. Raises TargetError, BusError and the like."""
        await self.surroundings.start()
        topic, ack_topic = f"activation-{self.run_id}", f"activation-ack-{self.run_id}"
        bus = self.surroundings.bus
        for name in (topic, ack_topic):
            await bus.create_topic(name, PARTITIONS)
        await bus.follow(topic, self._record)
        values = {
            "bus.bootstrap": bus.inside if self.spec.in_container else bus.bootstrap, "bus.activation_topic": topic,
            "bus.ack_topic": ack_topic, "bus.group": f"ackgap-{self.run_id}", "run.id": self.run_id,
        }  # fmt: skip
        folder = self.surroundings.folder
        place = Place(name="worldservice", values=values, log=folder / "worldservice.log", folder=folder)
        self.target = make_target(
            self.spec, place, network=self.surroundings.network, guardian=self.surroundings.guardian
        )
        await self.target.start()
        self.url = fill("http://{host}:{port.http}", self.target.values, where="url")
        await super().start()

    async def close(self) -> None:
        """Take everything down."""
        await super().close()
        if self.target is not None:
            await self.target.stop()
        await self.surroundings.close()

    async def unable(self, interaction: Interaction) -> str:
        """Messages of a form or phase that it does not send."""
        if interaction.kind != "message":
            return ""
        if not self.events.values:
            await self.state(interaction, "", {})
        try:
            self.events.for_interaction(interaction)
        except NotPossibleError as error:
            return str(error)
        return ""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a world, wait for its last event or its first one, or invent one that nobody knows."""
        found = meaning(name) if name else "applied"
        if found == "unknown":
            return await super().state(interaction, name, params)
        if interaction.generated or not interaction.world:
            self.made += 1
            world = f"ackgap-pact-{self.run_id}-{self.made}"
        else:
            world = interaction.world
        if world not in self.worlds:
            await self._apply(world, hold=found == "applying")
            self.worlds = (*self.worlds, world)
        return await self.values(world, interaction)

    async def message(self, interaction: Interaction) -> bytes:
        """An event that was really emitted."""
        return self.events.for_interaction(interaction)

    async def _apply(self, world: str, *, hold: bool) -> None:
        """Begin an apply, and wait until it is done, or is in its middle. Raises TargetError."""
        if self.session is None:
            raise TargetError(f"target {self.spec.name} was not started")
        body: dict[str, Any] = {"run_id": f"run-{world}", "entries": list(ENTRIES)}
        if hold and self.spec.name == "reference-worldservice":
            body["rehearse"] = {"switch_ms": SWITCH_MS}
        url = f"{self.url}/worlds/{quote(world, safe='')}/apply"
        async with self.session.post(url, json=body) as response:
            text = await response.text()
        if response.status not in {200, 201, 202, 204}:
            raise TargetError(f"an apply of world {world!r} was answered with {response.status}: {text[:200]}")
        wanted = ["freeze"] if hold else ["freeze", "unfreeze"]
        await self._until(world, wanted)

    async def _until(self, world: str, wanted: list[str]) -> None:
        try:
            async with asyncio.timeout(APPLY_S):
                while any(self.phases.get(world, []).count(p) < len(ENTRIES) for p in wanted):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError as error:
            seen = self.phases.get(world, [])
            log = self.target.last_lines() if self.target is not None else ""
            raise TargetError(
                f"{APPLY_S:g} s after an apply of world {world!r} only {len(seen)} events were seen", log=log
            ) from error

    def _record(self, record: Record) -> None:
        self.events.add(record.value)
        body = body_of(record.value)
        world = str(body.get("world_id") or (record.key or b"").decode("utf-8", "replace"))
        self.phases.setdefault(world, []).append(str(body.get("phase") or json.dumps(body.get("freeze"))))
        self.changed.set()


def surroundings_for(spec: TargetSpec, bus: str, image: str, run_id: str, folder: Path) -> Surroundings:
    """The bus and folder that a started WorldService needs."""
    return Surroundings(spec=spec, bus=bus, image=image, run_id=run_id, folder=folder)
