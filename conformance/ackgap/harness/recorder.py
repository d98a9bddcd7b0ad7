"""Writes the history in the order of causes.

A Gateway may answer a record before the broker has confirmed it to the tester. So a delivery takes its place in the
history when it is sent, and what is seen meanwhile waits until it is confirmed: no effect is recorded before its cause.
"""

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ackgap.history import Delivered, Observation, to_line


@dataclass(slots=True)
class Slot:
    """A place in the history, filled now or later."""

    observation: Observation | None


class Recorder:
    """One clock and one file for all instances of a run."""

    def __init__(self, path: Path) -> None:
        self.began = time.monotonic_ns()
        self.file = path.open("w", encoding="utf-8")
        self.queue: deque[Slot] = deque()
        self.count = 0

    def now(self) -> int:
        """ns since the start of the run."""
        return time.monotonic_ns() - self.began

    def at(self, monotonic_ns: int) -> int:
        """A monotonic time as ns since the start of the run."""
        return monotonic_ns - self.began

    def see(self, observation: Observation) -> None:
        """Record a fact."""
        self.queue.append(Slot(observation))
        self._flush()

    def sending(self) -> Slot:
        """Reserve the place of a delivery that is being sent."""
        slot = Slot(None)
        self.queue.append(slot)
        return slot

    def sent(self, slot: Slot, delivered: Delivered) -> None:
        """The delivery is confirmed: its place is filled."""
        slot.observation = delivered
        self._flush()

    def lost(self, slot: Slot) -> None:
        """The delivery failed: its place vanishes."""
        if slot in self.queue:
            self.queue.remove(slot)
        self._flush()

    def flush(self) -> None:
        """Bring to the disk what is complete so far."""
        self._flush()
        self.file.flush()

    def close(self) -> None:
        """Write what is complete and close the file."""
        self.queue = deque(slot for slot in self.queue if slot.observation is not None)
        self._flush()
        self.file.close()

    def _flush(self) -> None:
        while self.queue and self.queue[0].observation is not None:
            observation = self.queue.popleft().observation
            if observation is not None and not self.file.closed:
                self.file.write(to_line(observation) + "\n")
                self.count += 1
