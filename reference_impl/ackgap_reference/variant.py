"""Gateways that are the reference with one decision replaced: what they have in common."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Constants, load
from ackgap_reference.gateway import Effect, Gateway
from ackgap_reference.stream import NS_PER_MS, Rules

RuleChange = Callable[[Rules], Rules]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One such Gateway: its name and the replaced decision in one sentence."""

    name: str
    sentence: str
    gateway: type[Gateway]
    rules: RuleChange = lambda rules: rules

    def __call__(
        self, *, gap_timeout_ms: int, resync_enforced: bool, seed: int, constants: Constants | None = None
    ) -> Gateway:
        """Build it; see `ackgap.target.core.CoreFactory`."""
        rules = Rules(gap_timeout=gap_timeout_ms * NS_PER_MS, enforced=resync_enforced)
        return self.gateway(rules=self.rules(rules), seed=seed, constants=constants or load().constants)


class LaterGateway(Gateway):
    """The reference with timers of its own: what is put off is done at its time, in the order of the times."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.put_off: list[tuple[int, int, Callable[[int], list[Effect]]]] = []
        self.turn = 0

    def later(self, due: int, act: Callable[[int], list[Effect]]) -> None:
        """Do this when `due` (ns) has come; the act is given the time."""
        self.turn += 1
        heapq.heappush(self.put_off, (due, self.turn, act))

    def tick(self, now: int) -> list[Effect]:
        """Serve what was put off, then the timers of the streams."""
        effects: list[Effect] = []
        while self.put_off and self.put_off[0][0] <= now:
            effects += heapq.heappop(self.put_off)[2](now)
        return [*effects, *super().tick(now)]

    def next_timer(self) -> int | None:
        """The earlier of both."""
        due = [t for t in (super().next_timer(), self.put_off[0][0] if self.put_off else None) if t is not None]
        return min(due) if due else None
