"""What the demo knows and shows: gate, apply, events and ACKs, as a live picture or as plain lines."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

KEPT_LINES = 8
COLOURS = {"open": "bold white on green", "closed": "bold white on red", "unreachable": "bold black on yellow"}
STATES = {"completed": "green", "rolled_back": "yellow", "rolling_back": "yellow"}


@dataclass(slots=True)
class Event:
    """One event of the run that is watched."""

    sequence: int
    phase: str
    entry: str
    applied: bool = False
    acked: bool = False


@dataclass(slots=True, kw_only=True)
class Board:
    """Everything is told once: as a line, if it is news, and in the picture for as long as it holds."""

    tell: Callable[[str], None]  # where plain lines go
    began: float = field(default_factory=time.monotonic)
    act: str = ""
    world: str = ""
    run: str = ""
    gate: str = "closed"
    reason: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    lines: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    def say(self, text: str) -> None:
        """One line of the story."""
        at = time.monotonic() - self.began
        self.lines.append((at, text))
        self.tell(f"{at:6.2f} s  {text}")

    def watch(self, world: str, run: str) -> None:
        """From now on this run is shown."""
        self.world, self.run, self.status = world, run, {}
        self.events.clear()

    def saw_frame(self, body: dict[str, Any]) -> None:
        """The Gateway has applied an event."""
        entry = f"{body.get('strategy_id')}/{body.get('side')}"
        sequence = body.get("sequence")
        if not sequence:
            held = "frozen" if body.get("freeze") else "free"
            self.say(f"applied: override by hand, {entry} {held}")
            return
        if (body.get("world_id"), body.get("run_id")) != (self.world, self.run):
            return
        event = self.events.setdefault(sequence, Event(sequence, str(body.get("phase")), entry))
        if not event.applied:
            event.applied = True
            self.say(f"applied: #{sequence} {event.phase} {entry}")

    def saw_gate(self, state: str, reason: str) -> None:
        """The gate has answered."""
        if (state, reason) != (self.gate, self.reason):
            self.gate, self.reason = state, reason
            self.say(f"gate {state}" + (f" ({reason})" if reason else ""))

    def saw_status(self, status: dict[str, Any]) -> None:
        """The WorldService has told how the apply stands."""
        before, self.status = self.status, status
        for sequence, event in self.events.items():
            event.acked = sequence <= status["emitted"] and sequence not in (
                *status["acks"]["awaited"],
                *status["acks"]["missing"],
            )
        if status["state"] != before.get("state"):
            failure = f": {status['failure']}" if status["failure"] else ""
            self.say(f"apply {status['run_id']} {status['state'].replace('_', ' ')}{failure}")
        acks, told = status["acks"], before.get("acks", {})
        if acks["received"] != told.get("received", 0) and acks["received"] == acks["expected"] and status["ended"]:
            self.say(f"all {acks['received']} ACKs are in, {_latency(acks)}")
        if len(acks["missing"]) == acks["expected"] and acks["missing"] != told.get("missing"):
            self.say(f"ACKs missing: {', '.join(f'#{n}' for n in acks['missing'])}")

    # --- the picture -------------------------------------------------------------------------------------------

    def __rich__(self) -> RenderableType:
        top = Table.grid(expand=True)
        top.add_column(ratio=5)
        top.add_column(ratio=4)
        top.add_row(self._events(), Group(self._gate(), self._apply()))
        story = Text()
        for at, text in self.lines:
            story.append(f"{at:7.2f} s  ", style="dim").append(text + "\n")
        story.append("\n" * (KEPT_LINES - len(self.lines)))
        return Group(
            Text.assemble(("ackgap demo  ", "bold"), (self.act, "cyan")),
            top,
            Panel(story, title="what happens", title_align="left", height=KEPT_LINES + 2),
            Text("Ctrl-C ends it and leaves nothing behind", style="dim"),
        )

    def _events(self) -> RenderableType:
        table = Table(expand=True, box=None, pad_edge=False)
        for name in ("#", "phase", "entry", "applied", "ACK"):
            table.add_column(name, no_wrap=True)
        for event in sorted(self.events.values(), key=lambda e: e.sequence):
            style = "blue" if event.phase == "freeze" else "green"
            table.add_row(
                str(event.sequence), Text(event.phase, style=style), event.entry,
                "yes" if event.applied else "-", Text("yes", style="green") if event.acked else "-",
            )  # fmt: skip
        return Panel(table, title=f"events of {self.world} {self.run}", title_align="left", height=10)

    def _gate(self) -> RenderableType:
        word = Text(f" {self.gate.upper()} ", style=COLOURS[self.gate])
        return Panel(Text.assemble(word, "  ", (self.reason, "dim")), title="order gate", title_align="left")

    def _apply(self) -> RenderableType:
        status, acks = self.status, self.status.get("acks", {})
        state = status.get("state", "-")
        told = Table.grid(padding=(0, 1))
        told.add_row("state", Text(state.replace("_", " "), style=STATES.get(state, "cyan")))
        told.add_row("published", f"{status.get('published', 0)} of {status.get('emitted', 0)}")
        told.add_row("ACKs", f"{acks.get('received', 0)} of {acks.get('expected', 0)}")
        told.add_row("missing", ", ".join(f"#{n}" for n in acks.get("missing", ())) or "none")
        told.add_row("latency", _latency(acks))
        return Panel(told, title="apply", title_align="left", height=7)


def _latency(acks: dict[str, Any]) -> str:
    latency = acks.get("latency_ms")
    return f"p50 {latency['p50']}, worst {latency['max']} ms" if latency else "-"


def plain(console: Console) -> Callable[[str], None]:
    """Print lines as they are, without markup or wrapping."""

    def tell(line: str) -> None:
        console.out(line, highlight=False)

    return tell
