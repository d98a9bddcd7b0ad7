"""A broker as a child process that answers JSON lines and ends when its stdin closes."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from ackgap.bus.transport import BusError

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0
STILL_CHECKS = 100
STILL_EVERY_S = 0.01


class BrokerProcess:
    """Owns the process; since the pipe closes with the kit, the broker never outlives it."""

    def __init__(self, *command: str) -> None:
        self.command = command
        self.process: asyncio.subprocess.Process | None = None
        self.number = 0
        self.turn = asyncio.Lock()

    async def start(self) -> str:
        """Start it. Returns the bootstrap address. Raises BusError."""
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            line = await asyncio.wait_for(self._readline(), START_TIMEOUT_S)
            return str(json.loads(line)["bootstrap"])
        except (OSError, TimeoutError, ValueError, KeyError) as error:
            said = await self._last_words()
            await self.stop()
            raise BusError(f"the broker process {self.command[0]} did not start: {said or error}") from error

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send one command and await its answer. Raises BusError."""
        if self.process is None or self.process.stdin is None:
            raise BusError("the broker process is not running")
        async with self.turn:
            self.number += 1
            self.process.stdin.write(json.dumps({"id": self.number, **command}).encode() + b"\n")
            try:
                await self.process.stdin.drain()
                answer: dict[str, Any] = json.loads(await asyncio.wait_for(self._readline(), START_TIMEOUT_S))
            except (OSError, TimeoutError, ValueError) as error:
                raise BusError(f"the broker process does not answer: {error}") from error
        if answer.get("error"):
            raise BusError(f"the broker refused {command.get('do')}: {answer['error']}")
        return answer

    async def stand_still(self) -> bool:
        """Stop it until `go_on`. Returns whether the system says that it stands still."""
        if self.process is None or self.process.returncode is not None:
            return False
        os.kill(self.process.pid, signal.SIGSTOP)
        for _ in range(STILL_CHECKS):
            if _stands_still(self.process.pid):
                return True
            await asyncio.sleep(STILL_EVERY_S)
        return False

    async def go_on(self) -> None:
        """Let it go on."""
        if self.process is not None and self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """End it without warning; `start` starts it again."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        """Close its stdin, and kill it if that is not enough."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _readline(self) -> bytes:
        if self.process is None or self.process.stdout is None:
            return b""
        return await self.process.stdout.readline()

    async def _last_words(self) -> str:
        if self.process is None or self.process.stderr is None:
            return ""
        with contextlib.suppress(TimeoutError):
            return (await asyncio.wait_for(self.process.stderr.read(2000), 0.5)).decode("utf-8", "replace").strip()
        return ""


def _stands_still(pid: int) -> bool:
    """Whether the system says so; where it says nothing of its processes, a sent signal has to do."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.is_file() or stat.read_text().rpartition(")")[2].split()[0] == "T"
