"""A bus, a scripted WorldService and one Gateway process, for the tests that need the real thing."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp

from ackgap.broker import build
from ackgap.bus import open_bus
from ackgap.bus.transport import partition_of
from ackgap.peers.http import WorldServiceServer
from ackgap.peers.worldservice import ScriptedWorldService
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.target.process import free_port

PLAN = (("freeze", "a", "long"), ("unfreeze", "a", "long"))
KIND = "embedded" if build.BINARY.is_file() else "mock"


def plan(world, run="r"):
    return StreamPlan(alias="", world_id=world, run_id=run, first=1, plan=PLAN, form="enveloped")


class Running:
    """A bus, a WorldService and one Gateway process."""

    def __init__(self, settings):
        self.settings = settings
        self.acks = []
        self.asked = []
        self.process = None

    async def deliver(self, world, *sequences):
        for sequence in sequences:
            self.service.emit(plan(world).body(sequence))
            value = encode(plan(world).body(sequence), "enveloped")
            await self.bus.produce(
                topic="activation", partition=partition_of(world.encode(), 4), key=world.encode(), value=value
            )

    def acked(self, world):
        return [a["sequence"] for a in self.acks if a["world_id"] == world]

    async def until(self, holds, seconds=10):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)

    async def start(self, **more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ, "KAFKA_BROKERS": self.bus.bootstrap, "WORLDSERVICE_URL": self.server.url, "HTTP_PORT": str(self.port),
            "GROUP_ID": "g", "GAP_TIMEOUT_MS": "300", "RESYNC_ENFORCED": "true", "ACK_TOPIC": "acks", "LOG_LEVEL": "error", **self.settings, **more,
        }  # fmt: skip
        self.command = [sys.executable, "-m", "ackgap_reference.service.main", "gateway"]
        self.process = await asyncio.create_subprocess_exec(*self.command, env=self.env, stderr=asyncio.subprocess.PIPE)
        async with aiohttp.ClientSession() as session, asyncio.timeout(15):
            while True:
                try:
                    async with session.get(self.url + "/ready") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    async def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await asyncio.wait_for(self.process.wait(), 15)
        return self.process.returncode if self.process else None

    async def get(self, path):
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()


@asynccontextmanager
async def running(**settings):
    it = Running(settings)
    it.service = ScriptedWorldService()
    it.server = WorldServiceServer(
        it.service, on_request=lambda planned, *_: it.asked.append(planned), on_answer=lambda *_: None
    )
    it.bus = open_bus(KIND)
    await it.server.start()
    await it.bus.start()
    try:
        await it.bus.create_topic("activation", 4)
        await it.bus.create_topic("acks", 4)
        await it.bus.follow("acks", lambda r: it.acks.append(json.loads(r.value)["data"]))
        await it.start()
        yield it
    finally:
        await it.stop(signal.SIGKILL)
        await it.bus.close()
        await it.server.close()


def service_test(body):
    async def turn():
        async with running() as it:
            await body(it)

    asyncio.run(turn())
