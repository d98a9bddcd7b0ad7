"""A WorldService that the kit starts as a provider: brought into its states by applies, its events read from the topic."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ackgap.contract import Contract
from ackgap.harness.stepping import Remembering
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.worldservice.instance import WorldInstance
from ackgap.history import EventSeen, bytes_of
from ackgap.pact.asked import AskedProvider
from ackgap.pact.captured import Captured
from ackgap.pact.files import Interaction
from ackgap.pact.states import meaning
from ackgap.pact.verifying import NotPossibleError
from ackgap.scenario.worldservice import Apply, entries_of
from ackgap.target.applying import Trigger, Watch, of, url_of
from ackgap.target.spec import TargetError, TargetSpec

APPLY_S = 20.0
ENTRIES = entries_of(Apply(run=""))


class StartedProvider(AskedProvider):
    """A service on a bus of the kit, made to apply worlds as its descriptor says."""

    def __init__(self, spec: TargetSpec, contract: Contract, surroundings: Surroundings, run_id: str) -> None:
        super().__init__("", headers=spec.observe.headers)
        self.spec, self.contract, self.surroundings, self.run_id = spec, contract, surroundings, run_id
        self.recorder = Remembering(surroundings.folder / "history.jsonl")
        self.instance: WorldInstance | None = None
        self.death: asyncio.Task[str] | None = None
        self.made = 0

    async def start(self) -> None:
        """Start bus and service. Raises TargetError, BusError and the like."""
        await self.surroundings.start()
        self.instance = WorldInstance(
            spec=self.spec, surroundings=self.surroundings, recorder=self.recorder, run_id=self.run_id
        )
        await self.instance.start()
        self.death = asyncio.create_task(self.instance.running.died())
        self.url = url_of(of(self.spec).url, self.instance.running.values, {}).rstrip("/")
        if self.url:
            await super().start()

    async def close(self) -> None:
        """Take everything down."""
        if self.death is not None:
            self.death.cancel()
        await super().close()
        try:
            if self.instance is not None:
                await self.instance.stop()
        finally:
            await self.surroundings.close()
            self.recorder.close()

    @property
    def events(self) -> Captured:
        """What was emitted so far."""
        captured = Captured(self.contract, "activation-message", "event")
        for seen in self.recorder.seen:
            if isinstance(seen, EventSeen):
                captured.add(bytes_of(seen.value, seen.encoding))
        return captured

    async def unable(self, interaction: Interaction) -> str:
        """What needs an apply that the kit may not trigger; messages of a form or phase that it does not send."""
        watched = isinstance(of(self.spec).apply, Watch)
        if interaction.kind == "message":
            if not self.events.values and not watched:
                await self.state(interaction, "", {})
            try:
                self.events.for_interaction(interaction)
            except NotPossibleError as error:
                return str(error)
        elif watched and {meaning(name) for name, _ in interaction.states} & {"applied", "applying"}:
            return "it needs an apply that the kit triggers, and the descriptor has it watch only"
        return ""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a world and wait for its last event, or for its first one, or name one that nobody knows."""
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
        """Trigger an apply, and wait until it is done, or has begun. Raises TargetError."""
        trigger, instance = of(self.spec).apply, self.instance
        if instance is None or not isinstance(trigger, Trigger):
            raise TargetError(f"target {self.spec.name} cannot be made to apply a world")
        if self.death is not None and self.death.done():
            raise TargetError(
                self.death.result(), hint="its last log lines tell why", log=instance.running.last_lines()
            )
        instance.ack_ms[world] = 0.0
        outcome, _, _, said = await instance.do(trigger, {"world_id": world, "run_id": f"run-{world}"}, ENTRIES)
        if outcome != "accepted":
            raise TargetError(
                f"target {self.spec.name} did not apply world {world!r}: {said}", hint="check worldservice.apply"
            )
        seen, keys = instance.world(world), [(str(e["strategy_id"]), str(e["side"])) for e in ENTRIES]

        def reached() -> bool:
            return bool(seen.count) if hold else any(run.whole(keys) for run in seen.runs.values())

        if not await seen.until(reached, APPLY_S) and not seen.count:
            raise TargetError(
                f"{APPLY_S:g} s after an apply of world {world!r} no event of it was seen on the topic",
                hint="check that it publishes to {bus.activation_topic} with the world as key",
                log=instance.running.last_lines(),
            )


def surroundings_for(spec: TargetSpec, bus: str, image: str, run_id: str, folder: Path) -> Surroundings:
    """The bus and folder that a started WorldService needs."""
    return Surroundings(spec=spec, bus=bus, image=image, run_id=run_id, folder=folder)
