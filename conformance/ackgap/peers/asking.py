"""Asks a WorldService over HTTP: bounded in time and bytes, never following a redirect, never raising for what it gets."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

BODY_LIMIT = 1 << 20
PIECE = 1 << 16
CONNECTIONS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer as received. `status` is 0 without one; `failure` is then refused, hung or garbled, or too_large where
    the body was read no further than the limit."""

    status: int
    body: str
    size: int
    etag: str | None = None
    content_type: str | None = None
    location: str | None = None
    failure: str = ""


class Asker:
    """One client for one target. `headers` may hold secrets: they are sent and never told."""

    def __init__(self, *, headers: Mapping[str, str], timeout_s: float) -> None:
        self.headers, self.timeout_s = dict(headers), timeout_s
        self.session: aiohttp.ClientSession | None = None

    async def ask(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:  # fmt: skip
        """Ask once."""
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS), trust_env=False, auto_decompress=True
            )
        limit = aiohttp.ClientTimeout(total=timeout_s or self.timeout_s)
        given = {**self.headers, **(headers or {})}
        read = b""
        try:
            async with self.session.request(
                method, URL(url, encoded=True), json=body, headers=given, allow_redirects=False, timeout=limit
            ) as response:
                head = response.headers
                known = Reply(
                    status=response.status, body="", size=0, etag=head.get("ETag"),
                    content_type=head.get("Content-Type"), location=head.get("Location"),
                )  # fmt: skip
                pieces: list[bytes] = []
                size, failure = 0, ""
                try:
                    async for piece in response.content.iter_chunked(PIECE):
                        pieces.append(piece)
                        size += len(piece)
                        if size > BODY_LIMIT:
                            failure = "too_large"
                            response.close()
                            break
                except TimeoutError:
                    failure = "hung"
                except (aiohttp.ClientError, OSError, ValueError):
                    failure = "garbled"
                read = b"".join(pieces)[:BODY_LIMIT]
        except TimeoutError:
            return Reply(status=0, body="", size=0, failure="hung")
        except (aiohttp.ClientConnectorError, ConnectionRefusedError):
            return Reply(status=0, body="", size=0, failure="refused")
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            return Reply(status=0, body=type(error).__name__, size=0, failure="garbled")
        return Reply(
            status=known.status, body=read.decode("utf-8", "replace"), size=size, etag=known.etag,
            content_type=known.content_type, location=known.location, failure=failure,
        )  # fmt: skip

    async def close(self) -> None:
        """Close all connections."""
        if self.session is not None:
            await self.session.close()
            self.session = None
