"""`ackgap doctor`: what works here, one line each, with what to do."""

import asyncio
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from ackgap.broker import build
from ackgap.bus import BusError, open_bus
from ackgap.commands.failing import fail
from ackgap.harness.blame import Exit
from ackgap.harness.stepping import Check
from ackgap.report.terminal import harmless
from ackgap.target.process import free_port
from ackgap.try_target import try_target

CLOCK_NS = 1_000_000


@click.command()
@click.option(
    "--target",
    type=click.Path(path_type=Path),
    help="Start what this descriptor describes and look at each of its tiers.",
)
@click.option("--bus", default="", help="With --target: embedded, mock, container or kafka://HOST:PORT.")
@click.option("--kafka-image", default="", help="With --target: image of --bus container.")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
def doctor(target: Path | None, bus: str, kafka_image: str, shape: str) -> None:
    """What works here: Python, bus, Docker, ports, clock; or, with --target, in a target.

    Example: ackgap doctor --target gateway.yaml
    """
    if target is not None:
        _look_at(target, bus, kafka_image, shape)
    checks = [check() for check in CHECKS]
    _print(checks, shape)
    sys.exit(int(Exit.ENVIRONMENT if any(c.needed and not c.works for c in checks) else Exit.HOLDS))


def _look_at(target: Path, bus: str, kafka_image: str, shape: str) -> NoReturn:
    """Try the target, print and leave: 2 for a bad descriptor, 3 for a fault of the target, 4 for one of the environment."""
    try:
        checks, code = asyncio.run(try_target(str(target), bus=bus, kafka_image=kafka_image))
    except (Exception, KeyboardInterrupt) as error:
        fail(error)
    _print(checks, shape)
    sys.exit(int(code))


def _print(checks: Sequence[Check], shape: str) -> None:
    if shape == "json":
        print(json.dumps([asdict(c) for c in checks], indent=1))
        return
    for c in checks:
        word = "ok  " if c.works else "FAIL" if c.needed else "no  "
        print(harmless(f"{word} {c.name}: {c.found}" + (f"; {c.to_do}" if c.to_do and not c.works else "")))
        for line in c.log.splitlines():
            print(f"       | {harmless(line)}")


def _python() -> Check:
    return Check(
        name="python",
        works=sys.version_info >= (3, 11),
        found=platform.python_version(),
        to_do="install Python 3.11 or newer",
    )


def _embedded() -> Check:
    if not build.BINARY.is_file():
        return Check(name="embedded broker", works=False, needed=False, found="not built, the mock is used instead",
                     to_do="install Go and run `make setup` (or `python -m ackgap.broker.build`)")  # fmt: skip
    return _bus("embedded broker", "embedded")


def _mock() -> Check:
    return _bus("mock broker", "mock")


def _bus(name: str, spec: str) -> Check:
    async def turn() -> float:
        bus = open_bus(spec)
        began = time.monotonic()
        try:
            await bus.start()
            await bus.create_topic("doctor", 1)
            await bus.produce(topic="doctor", partition=0, key=None, value=b"well?")
        finally:
            await bus.close()
        return time.monotonic() - began

    try:
        seconds = asyncio.run(turn())
    except BusError as error:
        return Check(name=name, works=False, found=str(error), to_do=error.hint or "reinstall confluent-kafka")
    return Check(name=name, works=True, found=f"one record through and down again in {seconds * 1000:.0f} ms")


def _docker() -> Check:
    program = shutil.which("docker")
    to_do = "start a Docker engine if images are to be certified"
    if program is None:
        return Check(name="docker", works=False, needed=False, found="no docker program", to_do=to_do)
    try:
        command = [program, "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name="docker", works=False, needed=False, found=str(error), to_do=to_do)
    works = done.returncode == 0
    return Check(
        name="docker",
        works=works,
        needed=False,
        found=done.stdout.strip() if works else "no engine answers",
        to_do=to_do,
    )


def _ports() -> Check:
    try:
        port = free_port()
    except OSError as error:
        return Check(name="ports", works=False, found=str(error), to_do="allow listening on 127.0.0.1")
    return Check(name="ports", works=True, found=f"loopback ports can be had (for instance {port})")


def _clock() -> Check:
    before = time.monotonic_ns()
    while (after := time.monotonic_ns()) == before:
        pass
    step = after - before
    return Check(
        name="clock",
        works=step < CLOCK_NS,
        found=f"monotonic, steps of {step} ns",
        to_do="use a system with a finer clock",
    )


CHECKS: tuple[Callable[[], Check], ...] = (_python, _embedded, _mock, _docker, _ports, _clock)
