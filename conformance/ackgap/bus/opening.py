"""From the word after `--bus` to a bus."""

import os

from ackgap.broker import build
from ackgap.bus.embedded import EmbeddedBus, MockBus
from ackgap.bus.kafka import KafkaBus
from ackgap.bus.transport import Bus, BusError

KINDS = ("embedded", "mock", "container", "kafka://HOST:PORT")
NO_BROKER = "ACKGAP_NO_EMBEDDED_BROKER"  # set to anything: pretend that the broker could not be built


def open_bus(spec: str) -> Bus:
    """The bus that a `--bus` value names, not started yet. Raises BusError for an unknown one."""
    if spec == "embedded":
        if build.BINARY.is_file() and not os.environ.get(NO_BROKER):
            return EmbeddedBus(build.BINARY)
        mock = MockBus()
        mock.fallback_reason = "the embedded broker is not built here, so librdkafka's mock cluster is used instead"
        return mock
    if spec == "mock":
        return MockBus()
    if spec.startswith("kafka://") and ":" in spec.removeprefix("kafka://"):
        return KafkaBus(spec.removeprefix("kafka://"))
    raise BusError(f"--bus {spec}: expected one of {', '.join(KINDS)}", "see `ackgap certify --help`")
