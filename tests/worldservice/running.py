"""A broker and one WorldService process, for the tests that need the real thing."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp

from ackgap.broker import build
from ackgap.bus import open_bus
from ackgap.bus.transport import Record, partition_of
from ackgap.target.process import free_port

KIND = "embedded" if build.BINARY.is_file() else "mock"
PARTITIONS = 4
COMMAND = (sys.executable, "-m", "ackgap_reference.service.main", "worldservice")


class Running:
    """`events` are the bodies on the activation topic in the order of their partition; `values` the raw records."""

    def __init__(self, folder):
        self.folder = folder
        self.records: list[Record] = []
        self.process = None
        self.session = None

    # --- process -----------------------------------------------------------------------------------------------

    async def start(self, *, before=None, **env):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "KAFKA_BROKERS": self.bus.bootstrap, "HTTP_PORT": str(self.port), "ACK_TOPIC": "acks",
            "DATABASE": str(self.folder / "worlds.db"), "REHEARSALS": "true", "LOG_LEVEL": "warning", **env,
        }  # fmt: skip
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND, env={**os.environ, **settings}, stderr=asyncio.subprocess.PIPE, preexec_fn=before
        )
        async with asyncio.timeout(20):
            while await self._ready() != 200:
                assert self.process.returncode is None, (await self.process.stderr.read()).decode()
                await asyncio.sleep(0.01)

    async def _ready(self):
        try:
            async with self.session.get(self.url + "/ready") as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    async def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await asyncio.wait_for(self.process.wait(), 15)
        return self.process.returncode if self.process else None

    # --- asking ------------------------------------------------------------------------------------------------

    async def ask(self, method, world, path, body=None, **options):
        url = f"{self.url}/worlds/{quote(world, safe='')}/{path}"
        async with self.session.request(method, url, json=body, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response.headers

    async def apply(self, world, run="r1", *, weight=0.5, entries=("alpha/long", "beta/short"), **more):
        rows = [{"strategy_id": e.split("/")[0], "side": e.split("/")[1], "weight": weight} for e in entries]
        return await self.ask("POST", world, "apply", {"run_id": run, "entries": rows, **more})

    async def status(self, world, run="r1"):
        return (await self.ask("GET", world, f"apply/{quote(run, safe='')}"))[1]

    async def ended(self, world, run="r1", seconds=15):
        async with asyncio.timeout(seconds):
            while (found := await self.status(world, run))["ended"] is None:
                await asyncio.sleep(0.005)
        return found

    async def metrics(self):
        from ackgap.peers.metrics import parse

        async with self.session.get(self.url + "/metrics") as response:
            return parse(await response.text())

    # --- the topics --------------------------------------------------------------------------------------------

    def values(self, world):
        return [r.value for r in self.records if r.key == world.encode()]

    def bodies(self, world, run=None):
        found = [json.loads(v) for v in self.values(world)]
        found = [b.get("data", b) for b in found]
        return [b for b in found if run is None or b["run_id"] == run]

    def told(self, world, run="r1"):
        return [(b["sequence"], b["phase"], f"{b['strategy_id']}/{b['side']}") for b in self.bodies(world, run)]

    async def until(self, holds: Callable[[], bool], seconds=10):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)

    async def ack(self, world, run, sequence, **more):
        body = {"world_id": world, "run_id": run, "sequence": sequence, **more}
        partition = partition_of(world.encode(), PARTITIONS)
        await self.bus.produce(topic="acks", partition=partition, key=world.encode(), value=json.dumps(body).encode())

    async def eventually(self, read, expected, seconds=10):
        """Ask again until the answer is the expected one; returns the last one."""
        deadline = time.monotonic() + seconds
        while (found := await read()) != expected and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def running(folder, **env):
    it = Running(folder)
    it.bus = open_bus(KIND)
    await it.bus.start()
    it.session = aiohttp.ClientSession()
    try:
        for topic in ("activation", "acks"):
            await it.bus.create_topic(topic, PARTITIONS)
        await it.bus.follow("activation", it.records.append)
        await it.start(**env)
        yield it
    finally:
        await it.stop(signal.SIGKILL)
        await it.session.close()
        await it.bus.close()


def in_order(*, entries=("alpha/long", "beta/short")):
    """What `Running.told` says of an apply of these entries that went well."""
    events = [(phase, entry) for phase in ("freeze", "unfreeze") for entry in entries]
    return [(n, phase, entry) for n, (phase, entry) in enumerate(events, 1)]
