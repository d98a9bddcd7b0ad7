"""Stands between the verifier and a provider, so that no answer is without end and no silence without a word."""

from collections.abc import Mapping

import aiohttp
from aiohttp import web
from yarl import URL

BODY_LIMIT = 4 << 20
PIECE = 1 << 16
TIMEOUT_S = 5.0
OWN_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}


class Passing:
    """Passes requests on to one base URL. `trouble` says what was wrong with the last answer, "" if nothing was."""

    def __init__(self, url: str, headers: Mapping[str, str], prefix: str) -> None:
        self.url, self.headers, self.prefix = url.rstrip("/"), headers, prefix
        self.trouble = ""
        self.session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready to ask."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self.session = aiohttp.ClientSession(
            timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        """Ask no more."""
        if self.session is not None:
            await self.session.close()

    async def handle(self, request: web.Request) -> web.Response:
        """The provider's answer, or 502 with `trouble` set."""
        self.trouble = ""
        url = URL(self.url + request.raw_path.removeprefix(self.prefix), encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in OWN_HOP} | dict(self.headers)
        body = await request.read()
        try:
            if self.session is None:
                raise aiohttp.ClientConnectionError
            async with self.session.request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as response:
                kept = bytearray()
                while len(kept) <= BODY_LIMIT and (piece := await response.content.read(PIECE)):
                    kept += piece
                if len(kept) > BODY_LIMIT:
                    response.close()
        except TimeoutError:
            return self._failed(f"the provider gave no whole answer within {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, ValueError) as error:
            return self._failed(f"the provider gave no answer: {type(error).__name__}")
        if len(kept) > BODY_LIMIT:
            return self._failed(f"the answer is larger than {BODY_LIMIT >> 20} MiB; reading was given up there")
        answer = web.Response(status=response.status, body=bytes(kept))
        for name, value in response.headers.items():
            if name.lower() not in OWN_HOP:
                answer.headers.add(name, value)
        if "Content-Type" not in response.headers:
            answer.headers.popall("Content-Type", None)
        return answer

    def _failed(self, trouble: str) -> web.Response:
        self.trouble = trouble
        return web.Response(status=502, text=trouble)
