"""Wrong in how it minds its relay clients (FLT). They show as services only: a core has no clients."""

from typing import Any

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Key
from ackgap_reference.stream import NS_PER_MS
from ackgap_reference.variant import LaterGateway

MISSED_NS = 40_000 * NS_PER_MS


class MissesGoneClients(LaterGateway):
    """Publishes no ACK of an unfreeze for a while after a relay client has vanished, in case it comes back to see the freeze."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.until = 0

    def relay_left(self, now: int) -> None:
        """Told by the shell that a client is gone."""
        self.until = now + MISSED_NS

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if now < self.until and isinstance(effect, stream.Acknowledge) and effect.event.phase == "unfreeze":
            self.later(self.until, lambda _: effects)
            return []
        return effects


FAULTY = (
    Faulty(name="misses-gone-clients", sentence="Holds ACKs of unfreezes back after a relay client has vanished.", requirement="FLT-19", gateway=MissesGoneClients),
)  # fmt: skip
