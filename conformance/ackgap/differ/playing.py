"""Plays the same scenarios to the reference WorldService and to a target, each on a bus of its own."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ackgap.certify import bus_for, find_target
from ackgap.contract import ContractError, load
from ackgap.differ.answers import Side, sides_of
from ackgap.harness.run import Progress
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.worldservice.plan import plan_worlds
from ackgap.harness.worldservice.run import run_worlds
from ackgap.history import read
from ackgap.scenario import worldservice
from ackgap.scenario.worldservice import Abort, Applies, Reading, Restart, Wait, WorldScenario
from ackgap.target.applying import Watch, of
from ackgap.target.spec import TargetSpec

REFERENCE = "reference-worldservice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `ackgap differ` was asked for; see its --help."""

    target: str
    scenarios: tuple[str, ...] = ()
    bus: str = ""
    kafka_image: str = ""
    seed: int = 1


async def play_both(asked: Asked, folder: Path, tell: Callable[[Progress], None]) -> tuple[Side, Side]:
    """What the reference and the target did and answered, recorded in `folder/reference` and `folder/target`, which are there.

    Raises what `ackgap.harness.blame` knows.
    """
    contract = load()
    theirs, ours = find_target(asked.target, contract), find_target(REFERENCE, contract)
    if theirs.role != "worldservice":
        raise ContractError(
            f"TARGET {asked.target}: {theirs.name} is a {theirs.role}; answers of a WorldService are compared"
        )
    if isinstance(of(theirs).apply, Watch):
        raise ContractError(
            f"TARGET {asked.target}: somebody else applies its worlds, so the reference cannot be asked the same"
        )
    chosen = [s for s in worldservice.select(contract, asked.scenarios) if comparable(s)]
    if not chosen:
        raise ContractError("none of the chosen scenarios has one outcome alone, so that answers could be compared")
    run_id = uuid.uuid4().hex[:8]  # the same for both, so worlds and runs have the same names
    plans = [plan_worlds(chosen, spec, run_id=run_id, seed=asked.seed) for spec in (ours, theirs)]
    able = [s for s in chosen if not any(s.id in plan.left_out for plan in plans)]
    plan = plan_worlds(able, theirs, run_id=run_id, seed=asked.seed)

    async def play(spec: TargetSpec, bus: str, place: Path) -> Side:
        around = Surroundings(spec=spec, bus=bus, image=asked.kafka_image, run_id=run_id, folder=place)
        began = time.monotonic()
        await run_worlds(plan=plan, surroundings=around, spec=spec, jobs=1, on_progress=tell, began=began)
        with (place / "history.jsonl").open(encoding="utf-8") as lines:
            return sides_of(read(lines), spec.name)

    async with asyncio.TaskGroup() as both:
        reference = both.create_task(play(ours, "embedded", folder / "reference"))
        target = both.create_task(play(theirs, bus_for(theirs, asked.bus), folder / "target"))
    return reference.result(), target.result()


def comparable(scenario: WorldScenario) -> bool:
    """Whether a right WorldService has no choice in what comes of it: nothing fails, is cut off, or overlaps in a world, and
    nothing is read while something goes on."""
    for step in scenario.steps:
        if isinstance(step, Reading | Restart | Abort) or (isinstance(step, Wait) and step.events):
            return False
        if isinstance(step, Applies) and _overlap(a.world for a in step.together):
            return False
    return not scenario.failing


def _overlap(worlds: Iterable[int]) -> bool:
    named = list(worlds)
    return len(set(named)) < len(named)
