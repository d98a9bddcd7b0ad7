"""Right, and unlike the reference after a restart."""

from typing import Any

from ackgap_reference.gateway import Effect, Gateway
from ackgap_reference.stream import NS_PER_MS
from ackgap_reference.variant import LaterGateway, Variant

LOADING_NS = 6_000 * NS_PER_MS


class SlowRestart(LaterGateway):
    """Started in the middle of a partition it takes some seconds before it works on what it reads."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.ready_at: dict[int, int] = {}

    def record(self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int) -> list[Effect]:
        """Work on it now, or when everything is loaded."""
        ready_at = self.ready_at.setdefault(partition, now + LOADING_NS if offset > 0 else now)
        work = super().record
        if now < ready_at:
            self.later(ready_at, lambda t: work(partition=partition, offset=offset, key=key, value=value, now=t))
            return []
        return work(partition=partition, offset=offset, key=key, value=value, now=now)


class NeverCommits(Gateway):
    """Reads the whole log again after every restart."""

    def _commits(self, effects: list[Effect]) -> list[Effect]:
        return effects


STRANGE = (
    Variant(name="slow-restart", sentence="Takes six seconds to work again after a restart.", gateway=SlowRestart),
    Variant(name="never-commits", sentence="Reads the whole log again after a restart.", gateway=NeverCommits),
)
