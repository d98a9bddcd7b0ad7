"""Other ways to write events and hashes."""

import hashlib
import json
import zlib
from typing import Any

from ackgap_reference.worldservice.core import WorldService
from ackgap_reference.worldservice.desk import Desk
from ackgap_reference.worldservice.outbox import Outbox
from ackgap_reference.worldservice.parts import Parts, WorldVariant
from ackgap_reference.worldservice.world import Emit, World


class AnotherHash(WorldService):
    """Hashes by another algorithm, into a token with punctuation in it."""

    def state_hash(self, known: World) -> str:
        plain = super().state_hash(known)
        return f"crc+md5:{zlib.crc32(plain.encode()):08x}/{hashlib.md5(plain.encode()).hexdigest()}=="  # noqa: S324


class HashOfThePlace(WorldService):
    """Its hash is another one after every event, also where an apply has led back to an equal state."""

    def state_hash(self, known: World) -> str:
        return f"{known.number}:{super().state_hash(known)}"


class ExtraFields(WorldService):
    """Events carry fields that nobody has asked for."""

    def body(self, after: World, emit: Emit) -> dict[str, Any]:
        return {**super().body(after, emit), "x_trace": {"span": [1, None, "é"]}, "operator": "nobody"}


class ExtraFieldsDesk(Desk):
    """Answers carry fields that nobody has asked for."""

    def probe_of(self, world: World) -> dict[str, Any]:
        return {**super().probe_of(world), "computed_by": "node-7", "events": world.number}

    def snapshot_of(self, world: World) -> dict[str, Any]:
        return {**super().snapshot_of(world), "links": {"self": "/"}, "events": world.number}


class GrowingVersion(WorldService):
    """Its version counts the events of the world."""

    def body(self, after: World, emit: Emit) -> dict[str, Any]:
        return {**super().body(after, emit), "version": emit.number}


class OtherIds(WorldService):
    """Its idempotency keys are bare hashes and its etags bare numbers."""

    def body(self, after: World, emit: Emit) -> dict[str, Any]:
        told = super().body(after, emit)
        key = hashlib.sha256(told["idempotency_key"].encode()).hexdigest()
        return {**told, "idempotency_key": key, "etag": str(emit.number)}


class PublishesTwice(Outbox):
    """Publishes each event twice, with the same bytes."""

    def add(self, world_id: str, number: int, value: bytes) -> None:
        super().add(world_id, number, value)
        super().add(world_id, number, value)


class SpacedOut(Outbox):
    """Writes its JSON with spaces and line breaks, and escapes all but ASCII."""

    def add(self, world_id: str, number: int, value: bytes) -> None:
        super().add(world_id, number, json.dumps(json.loads(value), indent=2).encode())


def _strange(name: str, told_by: type[Any], **parts: Any) -> WorldVariant:
    return WorldVariant(name=name, sentence=" ".join((told_by.__doc__ or "").split()), parts=Parts(**parts))


STRANGE = (
    _strange("another-hash", AnotherHash, core=AnotherHash),
    _strange("hash-of-the-place", HashOfThePlace, core=HashOfThePlace),
    _strange("extra-fields", ExtraFields, core=ExtraFields, desk=ExtraFieldsDesk),
    _strange("growing-version", GrowingVersion, core=GrowingVersion),
    _strange("other-ids", OtherIds, core=OtherIds),
    _strange("publishes-twice", PublishesTwice, outbox=PublishesTwice),
    _strange("spaced-out", SpacedOut, outbox=SpacedOut),
    WorldVariant(name="flat", sentence="Publishes bodies without an envelope.", parts=Parts(), wire_form="flat"),
)
