"""Stands between a Gateway and the real WorldService, so that the history holds what was asked and answered."""

from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from ackgap.peers.worldservice import PlannedAnswer, address


class RecordingProxy:
    """Takes the place of the kit's scripted WorldService in an `Instance`: the same calls, other answers.

    A world in `down` is refused; so is everybody while the WorldService does not answer.
    """

    def __init__(self, *, on_request, on_answer):
        self.on_request, self.on_answer = on_request, on_answer
        self.upstream = ""
        self.down: set[str] = set()
        self.asked: list[tuple[str, str]] = []  # world, endpoint
        self.number = 0
        self.port = 0
        self.url = ""
        self.session = self.runner = None

    async def start(self, host="127.0.0.1", port=0):
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self.runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await self.runner.setup()
        await web.TCPSite(self.runner, host, port).start()
        self.port = self.runner.addresses[0][1]
        self.url = f"http://{host}:{self.port}"

    async def close(self):
        if self.runner is not None:
            await self.runner.cleanup()
            await self.session.close()

    async def _handle(self, request):
        world_id, endpoint = address(request.raw_path)
        self.number += 1
        planned = {"request": self.number, "world_id": world_id, "endpoint": endpoint, "delay_ms": 0, "headers": {}}
        self.asked.append((world_id, endpoint))
        self.on_request(PlannedAnswer(**planned, status=0, body=b"", failure=""), request.method, request.raw_path)
        try:
            if world_id in self.down:
                raise ConnectionError(world_id)
            target = URL(self.upstream + request.raw_path, encoded=True)
            assert urlsplit(str(target)).path.startswith("/worlds/")
            async with self.session.request(request.method, target) as answer:
                body = await answer.read()
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            self.on_answer(PlannedAnswer(**planned, status=0, body=b"", failure="refused"), "refused", 0)
            request.transport.abort()
            return web.Response(status=502)
        self.on_answer(PlannedAnswer(**planned, status=answer.status, body=body, failure=""), "", len(body))
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)
