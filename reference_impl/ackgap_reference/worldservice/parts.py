"""Which classes a WorldService is put together from: the reference's own, or some with one decision replaced."""

from dataclasses import dataclass

from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.desk import Desk
from ackgap_reference.worldservice.http import HttpFace
from ackgap_reference.worldservice.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The replaceable parts of a WorldService."""

    core: type[WorldService] = WorldService
    desk: type[Desk] = Desk
    http: type[HttpFace] = HttpFace
    outbox: type[Outbox] = Outbox


REFERENCE = Parts()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldVariant:
    """A WorldService that is the reference with one decision replaced: its name, and that decision in one sentence.

    `wire_form` is how it publishes, "" for what the settings say.
    """

    name: str
    sentence: str
    parts: Parts
    wire_form: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyWorldService(WorldVariant):
    """A wrong one, with the requirement that it breaks."""

    requirement: str
