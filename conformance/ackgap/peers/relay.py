"""The tester's relay client: a WebSocket that reads every frame, or one that has stopped reading."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp

FRAME_LIMIT = 4 << 20
RECONNECT_S = 0.2


class RelayClient:
    """Reads frames for good; reconnects when the connection breaks and tells of it."""

    def __init__(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_change: Callable[[str], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url, self.on_frame, self.on_change, self.headers = url, on_frame, on_change, headers
        self.session: aiohttp.ClientSession | None = None
        self.task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.trouble = ""  # the last reason why there was no connection

    async def start(self, timeout_s: float) -> None:
        """Connect. Raises TimeoutError if that takes longer."""
        self.session = aiohttp.ClientSession(trust_env=False)
        self.task = asyncio.create_task(self._run())
        await asyncio.wait_for(self.connected.wait(), timeout_s)

    async def close(self) -> None:
        """Disconnect."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if self.session is not None:
            await self.session.close()

    async def _run(self) -> None:
        while self.session is not None:
            try:
                async with self.session.ws_connect(
                    self.url, max_msg_size=FRAME_LIMIT, autoping=True, headers=self.headers
                ) as stream:
                    self.on_change("connected")
                    self.connected.set()
                    async for message in stream:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self.on_frame(message.data.encode("utf-8", "surrogatepass"))
                        elif message.type is aiohttp.WSMsgType.BINARY:
                            self.on_frame(message.data)
                self.on_change("disconnected")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                self.trouble = str(error) or type(error).__name__
            await asyncio.sleep(RECONNECT_S)


class StalledClient:
    """Connects with a tiny receive window and never reads: what a stuck browser tab looks like."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.writer: asyncio.StreamWriter | None = None

    async def start(self, timeout_s: float) -> None:
        """Connect and shake hands. Raises OSError or TimeoutError."""
        parts = urlsplit(self.url)
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(raw, (host, port)), timeout_s)
        except BaseException:
            raw.close()
            raise
        reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        request = (
            f"GET {path or '/'} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(request.encode())
        await writer.drain()
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout_s)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream transport reads
        self.writer = writer

    async def close(self) -> None:
        """Go away without a word."""
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None
