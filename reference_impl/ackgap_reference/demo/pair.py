"""Broker, WorldService and Gateway for the demo, and the questions that its client asks them over HTTP."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp

from ackgap.contract import load
from ackgap_reference.demo.broker import Broker
from ackgap_reference.service import settings as gateway_settings
from ackgap_reference.service.app import GatewayService
from ackgap_reference.worldservice import settings as worldservice_settings
from ackgap_reference.worldservice.app import WorldServiceApp

_CONSTANTS = load().constants
ACTIVATION, ACKS = _CONSTANTS.activation_topic, _CONSTANTS.ack_topic
READY_S = 20.0
FREE_PORT = "0"


class Pair:
    """Everything lives in this process and in memory but the broker, whose pipe closes with it: nothing can be left."""

    def __init__(self, on_frame: Callable[[dict[str, Any]], None]) -> None:
        self.on_frame = on_frame
        self.broker = Broker()
        self.worldservice: WorldServiceApp | None = None
        self.gateway: GatewayService | None = None
        self.session: aiohttp.ClientSession | None = None
        self.listening: asyncio.Task[None] | None = None
        self.worldservice_url = self.gateway_url = ""

    async def start(self) -> None:
        """Start all three. Raises DemoError."""
        logging.getLogger("ackgap.reference").setLevel(logging.CRITICAL)
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        await self.broker.start(ACTIVATION, ACKS)
        environment = {
            "KAFKA_BROKERS": self.broker.address, "HTTP_PORT": FREE_PORT, "DATABASE": ":memory:", "REHEARSALS": "true",
            "ACK_LATE_MS": "1000",
        }  # fmt: skip
        self.worldservice = WorldServiceApp(worldservice_settings.from_environment(environment))
        await self.worldservice.start()
        self.worldservice_url = f"http://127.0.0.1:{self.worldservice.http.port}"
        await self.start_gateway()
        await self._ready(self.worldservice_url)

    async def start_gateway(self) -> None:
        """Start a Gateway; it takes up where the last one has left the log."""
        environment = {
            "KAFKA_BROKERS": self.broker.address, "HTTP_PORT": FREE_PORT, "WORLDSERVICE_URL": self.worldservice_url,
            "RESYNC_ENFORCED": "true",
        }  # fmt: skip
        self.gateway = GatewayService(gateway_settings.from_environment(environment))
        await self.gateway.start()
        self.gateway_url = f"http://127.0.0.1:{self.gateway.http.port}"
        self.listening = asyncio.create_task(self._listen())
        await self._ready(self.gateway_url)

    async def stop_gateway(self) -> None:
        """End the Gateway."""
        gateway, self.gateway = self.gateway, None
        if self.listening is not None:
            self.listening.cancel()
            await asyncio.gather(self.listening, return_exceptions=True)
        if gateway is not None:
            await gateway.stop()

    async def stop(self) -> None:
        """End everything, in whatever state it is."""
        await self.stop_gateway()
        if self.worldservice is not None:
            await self.worldservice.stop()
        if self.session is not None:
            await self.session.close()
        await self.broker.stop()

    # --- the client --------------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the WorldService. Returns status and document."""
        if self.session is None:
            return 0, None
        async with self.session.request(method, self.worldservice_url + path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def gate(self, world_id: str, run_id: str) -> tuple[str, str]:
        """State and reason of the order gate; `unreachable` where nobody answers."""
        if self.session is None or self.gateway is None:
            return "unreachable", "the Gateway is away"
        try:
            url = f"{self.gateway_url}/worlds/{world_id}/order-gate?run_id={run_id}"
            async with self.session.get(url) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return "unreachable", "no answer"
        return str(answer["state"]), str(answer["reason"])

    async def _listen(self) -> None:
        """Read the relay: every event that the Gateway applies."""
        if self.session is None:
            return
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with self.session.ws_connect(self.gateway_url.replace("http", "ws", 1) + "/ws") as relay:
                async for message in relay:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self.on_frame(json.loads(message.data).get("data", {}))

    async def _ready(self, url: str) -> None:
        if self.session is None:
            return
        async with asyncio.timeout(READY_S):
            while True:
                async with self.session.get(url + "/ready") as response:
                    if response.status == 200:
                        return
                await asyncio.sleep(0.02)
