"""From the word after `--bus` to a bus."""

import os
from pathlib import Path

from ackgap.broker import build
from ackgap.bus.container import DEFAULT_IMAGE, ContainerBus
from ackgap.bus.embedded import EmbeddedBus, MockBus
from ackgap.bus.kafka import KafkaBus
from ackgap.bus.security import client_settings
from ackgap.bus.transport import Bus, BusError
from ackgap.containers.network import RunNetwork

KINDS = ("embedded", "mock", "container", "kafka://HOST:PORT")
NO_BROKER = "ACKGAP_NO_EMBEDDED_BROKER"  # set to anything: pretend that the broker could not be built
IMAGE = "ACKGAP_KAFKA_IMAGE"  # the image of `--bus container`, where --kafka-image names none


def open_bus(
    spec: str, *, network: RunNetwork | None = None, image: str = "", folder: Path | None = None, port: int = 0,
    lasting: bool = False,
) -> Bus:  # fmt: skip
    """The bus that a `--bus` value names, not started yet. Raises BusError for an unknown one.

    `network` is the started network of the run, if it has containers; `container` needs it, a folder for the broker's
    log, and a free loopback port. `lasting` prepares a broker of our own for being killed and started again: its log outlives it.
    """
    if spec == "embedded":
        if build.BINARY.is_file() and not os.environ.get(NO_BROKER):
            log = folder / "embedded-broker" if lasting and folder is not None else None
            return EmbeddedBus(build.BINARY, network.listen if network is not None else "127.0.0.1", log=log)
        mock = MockBus()
        mock.fallback_reason = "the embedded broker is not built here, so librdkafka's mock cluster is used instead"
        return mock
    if spec == "mock":
        return MockBus()
    if spec == "container":
        if network is None or folder is None or not port:
            raise BusError("--bus container needs a container engine", "see `ackgap doctor`")
        chosen = image or os.environ.get(IMAGE) or DEFAULT_IMAGE
        return ContainerBus(network=network, image=chosen, log=folder / "kafka.log", port=port, lasting=lasting)
    if spec.startswith("kafka://") and ":" in spec.removeprefix("kafka://"):
        return KafkaBus(spec.removeprefix("kafka://"), client_settings())
    raise BusError(f"--bus {spec}: expected one of {', '.join(KINDS)}", "see `ackgap certify --help`")


def can_be_hurt(spec: str) -> bool:
    """Whether the bus of a `--bus` value is a broker of the run's own that can be killed and started again."""
    return spec == "container" or (spec == "embedded" and build.BINARY.is_file() and not os.environ.get(NO_BROKER))


def checked(spec: str) -> str:
    """The same word, if it names a bus. Raises BusError."""
    if spec in KINDS[:3] or (spec.startswith("kafka://") and ":" in spec.removeprefix("kafka://")):
        return spec
    raise BusError(f"--bus {spec}: expected one of {', '.join(KINDS)}", "see `ackgap certify --help`")
