"""`ackgap-reference`: run one of the reference services until told to stop, or the demo of both."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click

from ackgap_reference.environment import SettingsError
from ackgap_reference.service import logs

USAGE = 2

CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file (YAML or JSON); the environment overrides it."
)


class Service(Protocol):
    """What can be run until told to stop."""

    async def start(self) -> None:
        """Start. Raises OSError if the port cannot be had."""

    async def stop(self) -> None:
        """Stop."""


@click.group()
@click.version_option(package_name="ackgap")
def main() -> None:
    """The reference implementation of the ACK/Gap Resync RFC."""


@main.command()
@CONFIG
def gateway(config: Path | None) -> None:
    """Run the reference Gateway.

    Example: KAFKA_BROKERS=127.0.0.1:9092 WORLDSERVICE_URL=http://127.0.0.1:8000 ackgap-reference gateway
    """
    from ackgap_reference.service.settings import from_environment  # noqa: PLC0415  (each service has its own)

    settings = _settings(from_environment, config)

    def make() -> Service:
        from ackgap_reference.service.app import GatewayService  # noqa: PLC0415  (settings errors come first)

        return GatewayService(settings)

    _serve(make, settings)


@main.command()
@CONFIG
@click.option("--faulty", metavar="NAME", default="", help="Run a deliberately wrong one instead.")
@click.option("--strange", metavar="NAME", default="", help="Run a right one with other habits instead.")
def worldservice(config: Path | None, faulty: str, strange: str) -> None:
    """Run the reference WorldService.

    Example: KAFKA_BROKERS=127.0.0.1:9092 DATABASE=worlds.db HTTP_PORT=8000 ackgap-reference worldservice
    """
    from ackgap_reference.worldservice.settings import from_environment  # noqa: PLC0415  (each service has its own)

    settings = _settings(from_environment, config)
    variant = _variant(faulty, strange)

    def make() -> Service:
        from ackgap_reference.worldservice.app import WorldServiceApp  # noqa: PLC0415  (settings errors come first)

        if variant is None:
            return WorldServiceApp(settings)
        form = variant.wire_form or settings.wire_form
        return WorldServiceApp(replace(settings, wire_form=form), variant.parts)

    _serve(make, settings)


@main.command()
@click.option("--once", is_flag=True, help="Play once and print plain lines, as it does without a terminal.")
def demo(once: bool) -> None:
    """Run broker, WorldService and Gateway, and watch applies, gate and ACKs.

    Example: ackgap-reference demo
    """
    from ackgap_reference.demo.show import run  # noqa: PLC0415  (only the demo needs a terminal)

    sys.exit(run(once=once))


def _variant(faulty: str, strange: str) -> Any:
    """The WorldService of that name, or None for the reference itself."""
    if not faulty and not strange:
        return None
    from ackgap_reference.worldservice import faulty as wrong  # noqa: PLC0415  (the reference needs none of it)
    from ackgap_reference.worldservice import strange as right  # noqa: PLC0415

    if faulty and strange:
        _refuse("--faulty and --strange exclude each other; leave one out")
    option, name = ("--faulty", faulty) if faulty else ("--strange", strange)
    known: Any = wrong.CATALOGUE if faulty else right.CATALOGUE
    if name not in known:
        _refuse(f"{option} {name}: there is no such WorldService; known are {', '.join(sorted(known))}")
    return known[name]


def _settings(read: Callable[..., Any], config: Path | None) -> Any:
    try:
        return read(config=config)
    except SettingsError as error:
        _refuse(*error.problems)


def _serve(make: Callable[[], Service], settings: Any) -> NoReturn:
    from ackgap_reference.durable import StoreError  # noqa: PLC0415  (settings errors come without its imports)

    logs.configure(settings.log_level)
    try:
        asyncio.run(_run(make))
    except StoreError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(
            f"HTTP_PORT {settings.http_port} on {settings.http_host} cannot be used: {error.strerror}; "
            "choose another or 0 for any free one"
        )
    sys.exit(0)


async def _run(make: Callable[[], Service]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    service = make()
    await service.start()
    await stop.wait()
    await service.stop()


def _refuse(*problems: str) -> NoReturn:
    for problem in problems:
        print(f"ackgap-reference: {problem}", file=sys.stderr)
    sys.exit(USAGE)


if __name__ == "__main__":
    main()
