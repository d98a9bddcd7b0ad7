"""Runs `ackgap certify` as a user does: a process of its own, whose report, words, time and memory can be looked at."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACKGAP = (sys.executable, "-c", "from ackgap.cli import main; main()")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One ended command. `peak_mb` is the largest resident set of the kit's own process."""

    code: int
    out: str
    err: str
    seconds: float
    peak_mb: float
    folder: Path
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[str, str]:
        return {row["id"]: row["verdict"] for row in self.report["requirements"]}

    @property
    def told(self) -> str:
        return f"exit {self.code}\n{self.out[-3000:]}\n{self.err[-3000:]}"


def certify(
    target: object, *arguments: str, folder: Path, env: dict[str, str] | None = None, limit_s: float = 200
) -> Run:
    """Certify a target, with the results in `folder`. Kills the command and fails when it takes longer than `limit_s`."""
    folder.mkdir(parents=True, exist_ok=True)
    results, began = folder / "out", time.monotonic()
    with (folder / "stdout").open("w+") as out, (folder / "stderr").open("w+") as err:
        process = subprocess.Popen(
            [*ACKGAP, "certify", str(target), *arguments, "--out", str(results)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(env or {})}, cwd=folder,
        )  # fmt: skip
        try:
            code, usage = _wait(process, began + limit_s)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
    report = results / "report.json"
    return Run(
        code=code, out=(folder / "stdout").read_text(), err=(folder / "stderr").read_text(),
        seconds=time.monotonic() - began, peak_mb=usage / 1024, folder=results,
        report=json.loads(report.read_text()) if report.is_file() else {},
    )  # fmt: skip


def _wait(process: "subprocess.Popen[str]", deadline: float) -> tuple[int, int]:
    """Exit code and peak memory, KiB."""
    while time.monotonic() < deadline:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss
        time.sleep(0.05)
    raise AssertionError(f"still running at its deadline: {' '.join(map(str, process.args))}")
