"""The WorldService over HTTP: the paths of `schemas/openapi.yaml`, health, readiness and metrics. Loopback unless told otherwise."""

import asyncio
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote

from aiohttp import web

from ackgap_reference.worldservice.desk import Answer, Desk, problem

BODY_TIMEOUT_S = 10.0
Readiness = Callable[[], tuple[bool, Mapping[str, bool]]]

# What stands behind /worlds/{world_id}, and the methods that it knows.
METHODS: Mapping[tuple[str, ...], tuple[str, ...]] = MappingProxyType(
    {
        ("activation",): ("GET",),
        ("activation", "state_hash"): ("GET",),
        ("apply",): ("POST",),
        ("apply", "{run_id}"): ("GET", "DELETE"),
        ("override",): ("POST",),
    }
)
KNOWN = ", ".join(["/worlds/{world_id}/" + "/".join(path) for path in METHODS] + ["/metrics", "/health", "/ready"])


class HttpFace:
    """Routes by hand, since ids may hold anything: the raw path is split first, then each part is decoded once."""

    def __init__(self, *, desk: Desk, ready: Readiness, page: Callable[[], bytes], body_limit: int) -> None:
        self.desk, self.ready, self.page, self.body_limit = desk, ready, page, body_limit
        self.runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        self.runner = runner
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.raw_path.partition("?")[0].split("/")[1:]
        if len(parts) == 1:
            plain = self._plain(parts[0])
            if plain is not None:
                return plain if request.method in {"GET", "HEAD"} else self.response(_not_allowed("GET"))
        if len(parts) < 3 or parts[0] != "worlds" or not parts[1]:
            return self.response(problem(404, f"known are {KNOWN}"))
        world_id, rest = self.decoded(parts[1]), tuple(parts[2:])
        shape = ("apply", "{run_id}") if len(rest) == 2 and rest[0] == "apply" and rest[1] else rest
        allowed = METHODS.get(shape)
        if allowed is None:
            return self.response(problem(404, f"known are {KNOWN}"))
        if request.method not in allowed:
            return self.response(_not_allowed(*allowed))
        return await self._world(request, world_id, shape, self.decoded(rest[-1]))

    async def _world(
        self, request: web.BaseRequest, world_id: str, shape: tuple[str, ...], last: str
    ) -> web.StreamResponse:
        desk = self.desk
        if request.method == "POST":
            try:
                body = await asyncio.wait_for(self._body(request), BODY_TIMEOUT_S)
            except TimeoutError:
                return self.response(problem(408, f"the body did not come within {BODY_TIMEOUT_S:g} s"))
            if body is None:
                answer = Answer(
                    status=413, document={"type": "about:blank", "title": "Content too large", "status": 413,
                    "detail": f"at most {self.body_limit} bytes are read"}, headers={"Connection": "close"},
                )  # fmt: skip
            elif shape == ("override",):
                answer = desk.override(world_id, body)
            else:
                answer = desk.apply(world_id, body)
                if answer.status < 300:
                    place = f"/worlds/{quote(world_id, safe='')}/apply/{quote(answer.document['run_id'], safe='')}"
                    return self.response(answer, {"Location": place})
            return self.response(answer)
        if request.method == "DELETE":
            return self.response(desk.abort(world_id, last))
        if shape[0] == "apply":
            return self.response(desk.apply_status(world_id, last))
        if shape[-1] == "state_hash":
            return self.conditional(request, desk.state_hash(world_id))
        query = request.query
        if "strategy_id" in query or "side" in query:
            return self.conditional(request, desk.entry(world_id, query.get("strategy_id"), query.get("side")))
        return self.conditional(request, desk.snapshot(world_id))

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """The body, or None if it is larger than what is read."""
        if (request.content_length or 0) > self.body_limit:
            return None
        body = b""
        async for part in request.content.iter_any():
            body += part
            if len(body) > self.body_limit:
                return None
        return body

    def _plain(self, name: str) -> web.Response | None:
        if name == "health":
            return web.json_response({"status": "alive"})
        if name == "ready":
            ready, facts = self.ready()
            return web.json_response({"ready": ready, **facts}, status=200 if ready else 503)
        if name == "metrics":
            return web.Response(body=self.page(), content_type="text/plain", charset="utf-8")
        return None

    # --- how it is told ----------------------------------------------------------------------------------------

    def decoded(self, segment: str) -> str:
        """An id from its segment of the raw path."""
        return unquote(segment)

    def tag(self, answer: Answer) -> str:
        """The entity tag of an answer."""
        return f'"{answer.etag}"'

    def response(self, answer: Answer, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
        """An answer as JSON or as problem details, with its tag."""
        kind = "application/json" if answer.status < 400 else "application/problem+json"
        tag = {"ETag": self.tag(answer)} if answer.etag else {}
        text = json.dumps(answer.document, ensure_ascii=False)
        return web.Response(
            status=answer.status, body=text.encode("utf-8", "backslashreplace"), content_type=kind, charset="utf-8",
            headers={**answer.headers, **headers, **tag},
        )  # fmt: skip

    def conditional(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        """304 where the caller knows the answer already (RFC 9110, 13.1.2)."""
        known = request.headers.getall("If-None-Match", [])
        tags = [tag.strip().removeprefix("W/") for line in known for tag in line.split(",")]
        if answer.etag and ("*" in tags or f'"{answer.etag}"' in tags):
            return web.Response(status=304, headers={"ETag": self.tag(answer)})
        return self.response(answer)


def _not_allowed(*methods: str) -> Answer:
    document = {"type": "about:blank", "title": "Method not allowed", "status": 405, "detail": f"try {methods[0]}"}
    return Answer(status=405, document=document, headers={"Allow": ", ".join(methods)})
