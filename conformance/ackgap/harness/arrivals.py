"""When requests and answers came, for scenarios that wait for them; both drivers of the player keep it alike."""

from collections.abc import Mapping

from ackgap.scenario.model import Setting

Kind = tuple[str, str, bool]  # world, endpoint, whether the answer is meant

EARLY_MS = 20.0
EARLY_SHARE = 0.01


class Arrivals:
    """Times (ns) by kind, ascending."""

    def __init__(self) -> None:
        self.times: dict[Kind, list[int]] = {}

    def note(self, kind: Kind, t: int) -> None:
        """One more of this kind came."""
        self.times.setdefault(kind, []).append(t)

    def marks(self) -> dict[Kind, int]:
        """How many of each kind there are by now."""
        return {kind: len(times) for kind, times in self.times.items()}

    def since(self, kind: Kind, marks: Mapping[Kind, int], not_before: int) -> int:
        """How many came after the marks were taken, at `not_before` or later."""
        return sum(1 for t in self.times.get(kind, [])[marks.get(kind, 0) :] if t >= not_before)


def ripe_at(opened: int, setting: Setting) -> int:
    """When the forced resync of a gap that opened then can begin at the earliest; 0 where none is forced.

    A Gateway may probe, and even fetch, by habit. A scenario that waits for the resync must not take that for it.
    """
    if not setting.resync_enforced:
        return 0
    return opened + int((setting.gap_timeout_ms * (1 - EARLY_SHARE) - EARLY_MS) * 1_000_000)
