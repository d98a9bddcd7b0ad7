"""Brokers of the kit's own that can be paused and killed, and the question that tells whether a broker answers."""

import asyncio
import contextlib
import struct
from typing import Protocol, runtime_checkable

from ackgap.bus.transport import BusError

API_VERSIONS = 18
ANSWER_S = 2.0
ASK_AGAIN_S = 0.05
BACK_S = 60.0


@runtime_checkable
class Hurtable(Protocol):
    """A broker that belongs to the run alone. Whoever is connected to it is hurt: targets and kit alike."""

    bootstrap: str

    @property
    def pid(self) -> int:
        """Its process group on this host; 0 where an engine owns it."""

    async def pause(self) -> bool:
        """Freeze it with its connections. Returns whether the system or the engine says that it is so."""

    async def unpause(self) -> None:
        """Let it go on."""

    async def kill(self) -> bool:
        """End it without warning. Returns whether it is gone."""

    async def again(self) -> None:
        """Start it again with its log, at the address that it had. Raises BusError or EngineError."""


async def answers(bootstrap: str, within_s: float = ANSWER_S) -> bool:
    """Whether a broker at `host:port` answers an ApiVersions request (Kafka protocol, version 0) on a new connection."""
    host, _, port = bootstrap.rpartition(":")
    request = struct.pack(">hhih", API_VERSIONS, 0, 1, -1)
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(struct.pack(">i", len(request)) + request)
                await writer.drain()
                await reader.readexactly(8)
            finally:
                writer.close()
        return True
    return False


async def until_back(bootstrap: str) -> None:
    """Wait until the broker answers. Raises BusError if it does not come back."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BACK_S
    while not await answers(bootstrap):
        if loop.time() > deadline:
            raise BusError(
                f"the broker at {bootstrap} did not answer within {BACK_S:g} s after its outage",
                "look at its log in the bundle; give the engine more memory",
            )
        await asyncio.sleep(ASK_AGAIN_S)
