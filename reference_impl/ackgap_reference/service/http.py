"""The service's own HTTP: order gate, metrics, health, readiness and the relay. Loopback unless told otherwise."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ackgap_reference.service.metrics import Metrics
from ackgap_reference.service.relay import RelayHub

BODY_LIMIT = 65_536


class HttpFace:
    """Routes by hand where ids may hold anything, slashes included."""

    def __init__(
        self,
        *,
        gate: Callable[[str, str], Mapping[str, Any]],
        gate_path: str,
        ready: Callable[[], bool],
        refresh: Callable[[], None],
        metrics: Metrics,
        relay: RelayHub,
    ) -> None:
        self.gate, self.ready, self.refresh, self.metrics, self.relay = gate, ready, refresh, metrics, relay
        self.gate_path = gate_path
        self.gate_prefix, _, self.gate_suffix = gate_path.partition("{world_id}")
        self.runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        server = web.Server(self._handle)
        runner = web.ServerRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        self.runner = runner  # type: ignore[assignment]  # both runners share what is used here
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self.relay.close()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        plain: dict[str, Callable[[], Awaitable[web.StreamResponse]]] = {
            "/health": self._health,
            "/ready": self._readiness,
            "/metrics": self._metrics,
        }
        if path == "/ws":
            return await self.relay.serve(request)  # type: ignore[arg-type]  # a BaseRequest does
        if request.method != "GET":
            return _problem(405, "Method not allowed", f"{request.method} is not offered here")
        if path in plain:
            return await plain[path]()
        if path.startswith(self.gate_prefix) and path.endswith(self.gate_suffix):
            return self._gate(request, unquote(path[len(self.gate_prefix) : len(path) - len(self.gate_suffix)]))
        return _problem(404, "Not found", f"known are {self.gate_path}, /ws, /metrics, /health and /ready")

    def _gate(self, request: web.BaseRequest, world_id: str) -> web.Response:
        run_id = request.query.get("run_id")
        if not world_id or run_id is None:
            return _problem(400, "Bad request", f"expected {self.gate_path}?run_id=R")
        return web.json_response(dict(self.gate(world_id, run_id)))

    async def _health(self) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readiness(self) -> web.Response:
        ready = self.ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def _metrics(self) -> web.Response:
        self.refresh()
        return web.Response(body=self.metrics.page(), content_type="text/plain", charset="utf-8")


def _problem(status: int, title: str, detail: str) -> web.Response:
    text = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return web.Response(status=status, text=text, content_type="application/problem+json")
