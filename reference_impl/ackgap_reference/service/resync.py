"""Asks the WorldService: bounded in time and size, one request never in the way of another."""

import asyncio
from collections.abc import Callable

import aiohttp
from yarl import URL


class ResyncClient:
    """Sends the core's requests and reports how they ended."""

    def __init__(
        self,
        *,
        base: str,
        timeout_ms: int,
        body_limit: int,
        answered: Callable[[int, int, bytes], None],
        failed: Callable[[int, str], None],
    ) -> None:
        self.base, self.body_limit, self.answered, self.failed = base, body_limit, answered, failed
        self.timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)
        self.session: aiohttp.ClientSession | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def get(self, token: int, path: str) -> None:
        """Start one request; its outcome is reported under the token."""
        task = asyncio.create_task(self._get(token, path))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        """Give up what is open."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.session is not None:
            await self.session.close()

    async def _get(self, token: int, path: str) -> None:
        if self.session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=5)
            self.session = aiohttp.ClientSession(
                connector=connector, timeout=self.timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
            # On a connection that was cut, the client would repeat a GET unasked, past the pace that the core keeps.
            self.session._retry_connection = False
        try:
            url = URL(self.base + path, encoded=True)
            async with self.session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as response:
                body = await self._read(response)
        except TimeoutError:
            self.failed(token, "timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.failed(token, type(error).__name__)
        else:
            if body is None:
                self.failed(token, "too_large")
            else:
                self.answered(token, response.status, body)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        parts, size = [], 0
        async for part in response.content.iter_chunked(65_536):
            size += len(part)
            if size > self.body_limit:
                return None
            parts.append(part)
        return b"".join(parts)
