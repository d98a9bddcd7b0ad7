"""The scripted WorldService as a real HTTP server on a loopback port, misbehaving as the scenario says."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ackgap.peers.worldservice import PlannedAnswer, ScriptedWorldService

KEPT_BODY = 65_536
HEAD_LIMIT = 65_536
IDLE_TIMEOUT_S = 60.0
HANG_S = 60.0
PHRASES = {
    200: "OK",
    304: "Not Modified",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

OnRequest = Callable[[PlannedAnswer, str, str], None]
OnAnswer = Callable[[PlannedAnswer, str, int], None]


class WorldServiceServer:
    """HTTP/1.1 by hand, since it has to break the rules on purpose: cut bodies, resets, silence.

    `on_request` is told of each request before it is answered, `on_answer` (with the bytes sent) just before the last byte leaves (or when
    the answer is given up), so that no reaction of the target can be recorded earlier than its cause.
    """

    def __init__(self, service: ScriptedWorldService, *, on_request: OnRequest, on_answer: OnAnswer) -> None:
        self.service, self.on_request, self.on_answer = service, on_request, on_answer
        self.server: asyncio.Server | None = None
        self.connections: set[asyncio.Task[Any]] = set()
        self.url, self.port = "", 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port of loopback if nothing else is said. Raises OSError if the address cannot be had."""
        self.server = await asyncio.start_server(self._connected, host, port, limit=HEAD_LIMIT)
        self.port = int(self.server.sockets[0].getsockname()[1])
        self.url = f"http://{host}:{self.port}"

    async def close(self) -> None:
        """Close the port and every connection."""
        if self.server is None:
            return
        self.server.close()
        for task in tuple(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        self.server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request. False when the connection is over."""
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_TIMEOUT_S)
        line = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(line) != 3:
            return False
        method, target = line[0], line[1]
        planned = self.service.plan(method, target, if_none_match=_header(head, b"if-none-match"))
        self.on_request(planned, method, target)
        if planned.delay_ms and not await self._patient(planned.delay_ms / 1000, reader):
            self.on_answer(planned, "gone", 0)
            return False
        return await self._answer(planned, reader, writer)

    async def _answer(self, planned: PlannedAnswer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if planned.failure == "refused":
            self.on_answer(planned, "refused", 0)
            writer.transport.abort()
            return False
        if planned.failure == "hung":
            await self._patient(HANG_S, reader)
            self.on_answer(planned, "hung", 0)
            return False
        head = [
            f"HTTP/1.1 {planned.status} {PHRASES.get(planned.status, 'Scripted')}",
            f"Content-Length: {len(planned.body)}",
        ]
        head += [f"{name}: {value}" for name, value in planned.headers.items()]
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
        if planned.failure == "cut":
            self.on_answer(planned, "cut", len(planned.body) // 2)
            writer.write(planned.body[: len(planned.body) // 2])
            await writer.drain()
            return False
        return await self._send(planned, writer)

    async def _send(self, planned: PlannedAnswer, writer: asyncio.StreamWriter) -> bool:
        """Send the body in pieces. The answer is told before the piece with which its JSON is whole: what only pads it may
        be left unread. False when the target has hung up."""
        body, sent, told = planned.body, 0, False
        needed = len(body.rstrip(b" "))
        try:
            while True:
                piece = body[sent : sent + KEPT_BODY]
                if not told and sent + len(piece) >= needed:
                    told = True
                    self.on_answer(planned, "", len(body))
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                if sent >= len(body):
                    return True
        except ConnectionError:
            if not told:
                self.on_answer(planned, "gone", sent)
            return False

    @staticmethod
    async def _patient(seconds: float, reader: asyncio.StreamReader) -> bool:
        """Wait, unless the target hangs up first. Returns whether it is still there."""
        try:
            early = await asyncio.wait_for(reader.read(1), seconds)
        except TimeoutError:
            return True
        return bool(early)


def _header(head: bytes, name: bytes) -> str:
    """The values of a header, joined; "" if it was not sent."""
    rows = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return ", ".join(value.strip().decode("latin-1") for found, _, value in rows if found.strip().lower() == name)
