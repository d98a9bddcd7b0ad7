"""What the tester has seen of the worlds' events so far: just enough to know what it is waiting for."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ackgap.harness.wire import body_of

Key = tuple[str, str]


@dataclass(slots=True)
class RunSeen:
    """One run of a world: how many events, and which entry is in which phase."""

    first: int
    events: int = 0
    phases: dict[Key, str] = field(default_factory=dict)
    last: float = 0.0  # loop time

    def whole(self, entries: Collection[Key] = ()) -> bool:
        """Whether everything that it froze is unfrozen again, these entries included."""
        return bool(self.phases) and set(entries) <= set(self.phases) and set(self.phases.values()) == {"unfreeze"}


@dataclass(slots=True)
class WorldSeen:
    """Everything of one world; `changed` is set anew with each event."""

    runs: dict[str, RunSeen] = field(default_factory=dict)
    count: int = 0
    last: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, value: bytes | None) -> None:
        """One more event."""
        body, now = body_of(value), asyncio.get_running_loop().time()
        run = self.runs.setdefault(str(body.get("run_id") or ""), RunSeen(first=self.count))
        self.count += 1
        run.events += 1
        run.last = self.last = now
        if body.get("phase") in {"freeze", "unfreeze"}:
            run.phases[str(body.get("strategy_id")), str(body.get("side"))] = body["phase"]
        self.changed.set()
        self.changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool], bound_s: float, *, look_s: float = 5.0) -> bool:
        """Wait until an event makes `holds` true, looking again after `look_s` at least. False when the bound runs out."""
        deadline = asyncio.get_running_loop().time() + bound_s
        while not holds():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(left, look_s))
        return True
