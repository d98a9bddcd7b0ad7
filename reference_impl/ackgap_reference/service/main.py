"""`ackgap-reference gateway`: run the reference Gateway until told to stop."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from ackgap_reference.service import logs
from ackgap_reference.service.settings import Settings, SettingsError, from_environment

USAGE = 2


@click.group()
@click.version_option(package_name="ackgap")
def main() -> None:
    """The reference implementation of the ACK/Gap Resync RFC."""


@main.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file (YAML or JSON); the environment overrides it."
)
def gateway(config: Path | None) -> None:
    """Run the reference Gateway.

    Example: KAFKA_BROKERS=127.0.0.1:9092 WORLDSERVICE_URL=http://127.0.0.1:8000 ackgap-reference gateway
    """
    try:
        settings = from_environment(config=config)
    except SettingsError as error:
        for problem in error.problems:
            print(f"ackgap-reference: {problem}", file=sys.stderr)
        sys.exit(USAGE)
    logs.configure(settings.log_level)
    sys.exit(asyncio.run(_run(settings)))


async def _run(settings: Settings) -> int:
    from ackgap_reference.service.app import GatewayService  # noqa: PLC0415  (settings errors come without its imports)

    service = GatewayService(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    try:
        await service.start()
    except OSError as error:
        print(
            f"ackgap-reference: HTTP_PORT {settings.http_port} on {settings.http_host} cannot be used: {error.strerror}; "
            "choose another or 0 for any free one",
            file=sys.stderr,
        )
        return USAGE
    await stop.wait()
    await service.stop()
    return 0


if __name__ == "__main__":
    main()
