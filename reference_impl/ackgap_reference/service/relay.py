"""The downstream stream of applied events. A slow client loses its connection, never anybody's time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from ackgap_reference.service.metrics import Metrics

QUEUE_FRAMES = 2000
SEND_TIMEOUT_S = 5.0


@dataclass(slots=True, eq=False)
class _Client:
    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None = None
    queue: "asyncio.Queue[str]" = field(default_factory=lambda: asyncio.Queue(QUEUE_FRAMES))
    dropped: bool = False


class RelayHub:
    """Hands every frame to every connected client without waiting for any."""

    def __init__(self, metrics: Metrics, left: Callable[[], None] = lambda: None) -> None:
        self.metrics, self.left = metrics, left  # `left` is told of every client that is gone
        self.clients: set[_Client] = set()

    def publish(self, frame: str) -> None:
        """Queue one frame for every client; a full queue drops the client."""
        for client in tuple(self.clients):
            try:
                client.queue.put_nowait(frame)
            except asyncio.QueueFull:
                client.dropped = True
                self.clients.discard(client)
                self.metrics.relay_dropped.inc()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one client until it goes or is dropped."""
        socket = web.WebSocketResponse(heartbeat=30, max_msg_size=4096, compress=False)
        await socket.prepare(request)
        client = _Client(socket, request.transport)
        self.clients.add(client)
        self.metrics.relay_clients.set(len(self.clients))
        reader = asyncio.create_task(self._discard_input(socket))
        try:
            while not client.dropped and not reader.done():
                getter = asyncio.create_task(client.queue.get())
                await asyncio.wait({getter, reader}, return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    getter.cancel()
                    break
                await asyncio.wait_for(socket.send_str(getter.result()), SEND_TIMEOUT_S)
        except (TimeoutError, ConnectionError, RuntimeError):
            self.metrics.relay_dropped.inc()
        finally:
            reader.cancel()
            self.clients.discard(client)
            self.metrics.relay_clients.set(len(self.clients))
            self.left()
            if request.transport is not None and client.dropped:
                request.transport.abort()
        return socket

    def transports(self) -> list[asyncio.BaseTransport]:
        """The connections of all clients."""
        return [client.transport for client in self.clients if client.transport is not None]

    async def close(self) -> None:
        """Say goodbye to everyone."""
        clients, self.clients = self.clients, set()
        await asyncio.gather(*(asyncio.wait_for(c.socket.close(), 1.0) for c in clients), return_exceptions=True)

    @staticmethod
    async def _discard_input(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass
