"""Notices that a relay client stands still, for cores that want to know (the reference's own does not)."""

import array
import asyncio
import contextlib
import fcntl
import termios
from collections.abc import Callable, Iterable

LOOK_EVERY_S = 0.05


def unread(transport: asyncio.BaseTransport) -> int:
    """Bytes handed to a client that it has not taken yet; 0 where the system does not tell."""
    waiting = transport.get_write_buffer_size() if isinstance(transport, asyncio.WriteTransport) else 0
    raw = transport.get_extra_info("socket")
    if raw is None:
        return waiting
    count = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, count)
    return waiting + count[0]


async def watch(transports: Callable[[], Iterable[asyncio.BaseTransport]], told: Callable[[bool], None]) -> None:
    """Look again and again; tell when some client has taken nothing between two looks, and when all take again."""
    before: dict[asyncio.BaseTransport, int] = {}
    stalled = False
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = {transport: unread(transport) for transport in transports()}
        still = any(left > 0 and before.get(transport, 0) >= left for transport, left in now.items())
        waiting = any(left > 0 for left in now.values())
        before = now
        if still != stalled and (still or not waiting):
            stalled = still
            told(stalled)
