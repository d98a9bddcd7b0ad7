"""The broker of the demo: a program of its own, which ends when the pipe to it closes, however the demo ends."""

import asyncio
import contextlib
import json
import sys
from typing import Any

COMMAND = (sys.executable, "-m", "ackgap.broker")
ANSWER_S = 20.0
STOP_S = 3.0


class DemoError(Exception):
    """The demo cannot run here; the message says why."""


class Broker:
    """Starts it, and creates topics."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def start(self, *topics: str) -> None:
        """Start it with these topics. Raises DemoError."""
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        self.address = str((await self._read())["bootstrap"])
        for number, topic in enumerate(topics, 1):
            command = {"id": number, "do": "create_topic", "topic": topic, "partitions": 4}
            if self.process.stdin is not None:
                self.process.stdin.write(json.dumps(command).encode() + b"\n")
            answer = await self._read()
            if answer.get("error"):
                raise DemoError(f"the broker could not create topic {topic}: {answer['error']}")

    async def stop(self) -> None:
        """Close the pipe; kill it if that is not enough."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_S)
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def _read(self) -> dict[str, Any]:
        if self.process is None or self.process.stdout is None:
            raise DemoError("the broker is not running")
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_S)
            answer: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise DemoError("the broker did not start; see `ackgap doctor`") from error
        return answer
