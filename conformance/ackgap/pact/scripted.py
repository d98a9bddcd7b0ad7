"""The kit's scripted WorldService as a provider: for pacts that a Gateway's team has written, without any WorldService."""

from collections.abc import Mapping
from typing import Any

from ackgap.contract import Contract
from ackgap.pact.files import Interaction
from ackgap.pact.states import meaning, world_named
from ackgap.peers.http import WorldServiceServer
from ackgap.peers.worldservice import ScriptedWorldService, entity_tag
from ackgap.scenario.emission import StreamPlan, encode

ENTRIES = (("alpha", "long"),)
RUN, HASH, SEQUENCE = "run-1", "hash-1", 2


class ScriptedProvider:
    """Answers as the contract says, with the names and tokens that a pact uses where it uses any."""

    def __init__(self, contract: Contract) -> None:
        self.headers: Mapping[str, str] = {}
        self.service = ScriptedWorldService(contract.constants, conditional=True)
        self.server = WorldServiceServer(self.service, on_request=lambda *_: None, on_answer=lambda *_: None)
        self.url = ""

    async def start(self) -> None:
        """Listen on loopback."""
        await self.server.start()
        self.url = self.server.url

    async def close(self) -> None:
        """Close the port."""
        await self.server.close()

    async def unable(self, interaction: Interaction) -> str:
        """Everything is possible."""
        return ""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make the world what it has to be, whatever it was before."""
        world = world_named(params, interaction.world or "world-1")
        self.service.worlds.pop(world, None)
        found = meaning(name)
        if found != "unknown":
            self._emit(world, interaction, params, phases=("freeze", "unfreeze") if found == "applied" else ("freeze",))
        wanted = _wanted(interaction, params)
        strategy, side = wanted["entries"][0]
        return {
            "world_id": world, "run_id": wanted["run_id"], "sequence": wanted["sequence"], "state_hash": wanted["state_hash"],
            "strategy_id": strategy, "side": side, "etag": entity_tag(wanted["state_hash"]),
        }  # fmt: skip

    async def message(self, interaction: Interaction) -> bytes:
        """An event as the kit emits it, in the form and phase of the example."""
        example = interaction.content if isinstance(interaction.content, dict) else {}
        enveloped = "specversion" in example
        body = example.get("data", example) if enveloped else example
        phase = body.get("phase") if isinstance(body, dict) else None
        plan = _plan("world-1", RUN, ("freeze", "unfreeze"), ENTRIES, 1)
        return encode(plan.body(2 if phase == "unfreeze" else 1), "enveloped" if enveloped else "flat")

    def _emit(
        self, world: str, interaction: Interaction, params: Mapping[str, Any], *, phases: tuple[str, ...]
    ) -> None:
        wanted = _wanted(interaction, params)
        count = len(phases) * len(wanted["entries"])
        first = max(1, wanted["sequence"] - count + 1)
        plan = _plan(world, wanted["run_id"], phases, wanted["entries"], first)
        for sequence in range(first, first + count):
            self.service.emit({**plan.body(sequence), "state_hash": wanted["state_hash"]})


def _plan(world: str, run: str, phases: tuple[str, ...], entries: Any, first: int) -> StreamPlan:
    events = tuple((phase, strategy, side) for phase in phases for strategy, side in entries)
    return StreamPlan(alias="", world_id=world, run_id=run, first=first, plan=events, form="enveloped")


def _wanted(interaction: Interaction, params: Mapping[str, Any]) -> dict[str, Any]:
    """Names and tokens: those of the state's parameters, else of the example answer, else the kit's."""
    example = interaction.content if isinstance(interaction.content, dict) else {}
    body = example.get("data") if "specversion" in example and isinstance(example.get("data"), dict) else example
    asked = {**(body or {}), **{k: v for k, v in params.items() if v is not None}}
    state = asked.get("state")
    entries = [
        (str(strategy), str(side)) for strategy, sides in (state.items() if isinstance(state, dict) else ())
        for side in (sides if isinstance(sides, dict) else ())
    ]  # fmt: skip
    named = (
        interaction.query.get("strategy_id") or asked.get("strategy_id"),
        interaction.query.get("side") or asked.get("side"),
    )
    if all(isinstance(n, str) for n in named):
        entries = [(str(named[0]), str(named[1]))]
    sequence = asked.get("sequence")
    return {
        "run_id": asked["run_id"] if isinstance(asked.get("run_id"), str) else RUN,
        "state_hash": asked["state_hash"] if isinstance(asked.get("state_hash"), str) else HASH,
        "sequence": sequence if isinstance(sequence, int) and sequence > 1 else SEQUENCE,
        "entries": tuple(entries) or ENTRIES,
    }
