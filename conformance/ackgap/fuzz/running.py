"""Starts the fuzzing process, reads what it tells, and ends it at the deadline."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from ackgap.fuzz.outcome import Finding, FuzzError, FuzzOrder, FuzzOutcome, finding

LINE_LIMIT = 1 << 20
LAST_WORDS = 2000
GRACE_S = 2.0
NO_ANSWER = "answers_every_request"


@dataclass(slots=True)
class _Seen:
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    answered: int = 0
    sent: int = 0
    refused: str = ""
    trouble: str = ""
    done: bool = False

    def take(self, row: dict[str, Any]) -> None:
        """One line of the child."""
        match row["kind"]:
            case "counts":
                for operation, count in row["counts"].items():
                    phases = self.counts.setdefault(operation, {})
                    phases[row["phase"]] = phases.get(row["phase"], 0) + count
                    self.sent += count
                self.answered += row["answered"]
            case "finding":
                self.findings.append(finding(row))
            case "error" if row["of_target"]:
                self.refused = self.refused or row["message"]
                if not any(f.check == NO_ANSWER and f.operation == row["operation"] for f in self.findings):
                    self.findings.append(finding({**row, "check": NO_ANSWER}))
            case "error" | "fatal":
                self.trouble = self.trouble or f"{row.get('operation', 'engine')}: {row['message']}"
            case "stopped":
                if row["reason"] != "completed":
                    self.trouble = self.trouble or f"stopped: {row['reason'].replace('_', ' ')}"
            case "done":
                self.done = True


async def run(order: FuzzOrder) -> FuzzOutcome:
    """Fuzz a service. Findings are values; raises FuzzError where the fuzzing itself breaks."""
    began, seen = time.monotonic(), _Seen()
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*", "NETRC": os.devnull, "PYTHONHASHSEED": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ackgap.fuzz.child", env=environment, limit=LINE_LIMIT, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise FuzzError("the fuzzing process has no pipes")
    last: list[bytes] = []
    stderr = asyncio.create_task(_drain(process.stderr, last))
    late = False
    try:
        process.stdin.write(json.dumps(_plain(order)).encode())
        process.stdin.close()
        async with asyncio.timeout(order.deadline_s):
            async for line in process.stdout:
                seen.take(json.loads(line))
            await process.wait()
    except TimeoutError:
        late = True
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        stderr.cancel()
        await asyncio.gather(stderr, return_exceptions=True)
    if not seen.done and not late:
        words = b"".join(last)[-LAST_WORDS:].decode("utf-8", "replace")
        raise FuzzError(f"the fuzzing process ended with code {process.returncode}:\n{words}")
    trouble = f"not finished after {order.deadline_s:.0f} s; what was found until then counts" if late else seen.trouble
    return FuzzOutcome(
        counts=seen.counts, findings=tuple(seen.findings), seed=order.seed, seconds=time.monotonic() - began,
        trouble=trouble, unreachable=not seen.answered and bool(seen.refused or not seen.sent),
    )  # fmt: skip


def _plain(order: FuzzOrder) -> dict[str, Any]:
    return {
        **{name: getattr(order, name) for name in FuzzOrder.__dataclass_fields__},
        "headers": dict(order.headers), "openapi": str(order.openapi) if order.openapi else "",
    }  # fmt: skip


async def _drain(stream: asyncio.StreamReader, last: list[bytes]) -> None:
    """Keep the last words only."""
    while piece := await stream.read(4096):
        last.append(piece)
        del last[:-8]
