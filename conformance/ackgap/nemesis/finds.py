"""What the nemesis finds: made smaller while it still fails, and written as an ordinary scenario file."""

import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Mapping = dict[str, Any]
StillFails = Callable[[Mapping], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """One conviction: the scenario that shows it, alone (`reproduced`) or only among others, and where it lies."""

    requirement: str
    scenario: str
    message: str
    reproduced: bool
    path: Path
    deliveries: int


async def shrink(source: Mapping, still_fails: StillFails, *, seconds: float) -> Mapping:
    """The smallest variant found in the given time that still fails: fewer steps, then fewer deliveries."""
    deadline = time.monotonic() + seconds
    best = source
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for smaller in _smaller(best):
            if time.monotonic() > deadline:
                break
            if await still_fails(smaller):
                best, progress = smaller, True
                break
    return best


def write(source: Mapping, requirement: str, path: Path, *, seed: int) -> None:
    """Write a find as a scenario file that must exercise the requirement which it broke."""
    told = {
        **source,
        "exercises": [requirement],
        "title": f"Found by the nemesis with seed {seed}: breaks {requirement}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")


def deliveries(source: Mapping) -> int:
    """How many records of events a scenario delivers."""
    return sum(len(_listed(step["deliver"])) for step in source["steps"] if "deliver" in step)


def _smaller(source: Mapping) -> Iterator[Mapping]:
    """Variants with something left out, the boldest first."""
    steps = source["steps"]
    for fault in _begun(steps):
        yield {**source, "steps": [step for step in steps if fault not in step.get("fault", {}).values()]}
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            kept = steps[:start] + steps[start + size :]
            if any("deliver" in step for step in kept) and _faults_pair(kept):
                yield {**source, "steps": kept}
        size //= 2
    for place, step in enumerate(steps):
        if "deliver" not in step or len(_listed(step["deliver"])) < 2:
            continue
        events = _listed(step["deliver"])
        for number in range(len(events)):
            changed = copy.deepcopy(steps)
            changed[place] = {"deliver": events[:number] + events[number + 1 :]}
            yield {**source, "steps": changed}


def _faults_pair(steps: list[Mapping]) -> bool:
    """Whether each fault that begins ends, and the other way round."""
    ended = [step["fault"]["end"] for step in steps if "end" in step.get("fault", {})]
    return sorted(_begun(steps)) == sorted(ended)


def _begun(steps: list[Mapping]) -> list[str]:
    return [step["fault"]["begin"] for step in steps if "begin" in step.get("fault", {})]


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]
