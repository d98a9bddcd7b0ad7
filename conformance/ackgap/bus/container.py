"""A real Apache Kafka in a container, for one run: its own network, its own topics, gone afterwards."""

import asyncio
import re
from pathlib import Path

from ackgap.bus.kafka import KafkaBus
from ackgap.bus.transport import BusError
from ackgap.containers.container import RunContainer
from ackgap.containers.engine import EngineError
from ackgap.containers.network import RunNetwork

DEFAULT_IMAGE = "apache/kafka:4.1.1"
START_TIMEOUT_S = 60.0
ALIAS = "kafka"
INSIDE_PORT, HOST_PORT = 9092, 9094
STARTED = re.compile(r"Kafka Server started")
# A broker that comes back after a kill is taken in only when its old session has run out; 9 s by default.
SOON_FORGOTTEN = {"KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000", "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500"}
CLUSTER = "ackgap-cluster-0000000w"


class ContainerBus(KafkaBus):
    """One broker, reached by containers as `kafka:9092` and by the host at a fixed loopback port."""

    kind = "container"

    def __init__(self, *, network: RunNetwork, image: str, log: Path, port: int, lasting: bool = False) -> None:
        super().__init__(f"127.0.0.1:{port}")
        self.port = port
        self.log = log
        self.container = RunContainer(
            image, network=network, log=log, env=environment(port) | (SOON_FORGOTTEN if lasting else {}), alias=ALIAS,
            ports={HOST_PORT: port}, memory_mb=1024, cpus=2.0,
        )  # fmt: skip

    @property
    def inside(self) -> str:
        """The broker's name in the network of the run."""
        return f"{ALIAS}:{INSIDE_PORT}"

    async def start(self) -> None:
        """Start the container and connect. Raises BusError or EngineError."""
        try:
            await self.container.start()
            await self._ready()
            await super().start()
        except BaseException:
            await self.container.remove()
            raise

    async def close(self) -> None:
        """Disconnect and remove the container; its topics go with it."""
        self.created.clear()
        await super().close()
        await self.container.remove()

    @property
    def pid(self) -> int:
        """See `Hurtable.pid`: the engine's."""
        return 0

    async def pause(self) -> bool:
        """See `Hurtable.pause`."""
        return await self.container.pause()

    async def unpause(self) -> None:
        """See `Hurtable.unpause`."""
        await self.container.unpause()

    async def kill(self) -> bool:
        """See `Hurtable.kill`."""
        await self.container.halt("SIGKILL")
        ended = self.container.ended
        return ended is not None and ended.done()

    async def again(self) -> None:
        """See `Hurtable.again`: the same container, with its disk and its port."""
        await self.container.resume()

    async def _ready(self) -> None:
        ended = self.container.ended
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not STARTED.search(self._said()):
            if ended is not None and ended.done():
                raise BusError(f"the Kafka container ended: {self._last_words()}", "is it an image of Apache Kafka?")
            if asyncio.get_running_loop().time() > deadline:
                raise BusError(
                    f"the Kafka container did not start within {START_TIMEOUT_S:g} s: {self._last_words()}",
                    "give the engine more memory, or use --bus embedded",
                )
            await asyncio.sleep(0.05)

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""

    def _last_words(self) -> str:
        return " | ".join(self._said().splitlines()[-3:])[:600]


def environment(port: int) -> dict[str, str]:
    """The configuration of a single broker, in the variables that the official image understands."""
    return {
        "CLUSTER_ID": CLUSTER,
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"INTERNAL://:{INSIDE_PORT},CONTROLLER://:9093,HOST://:{HOST_PORT}",
        "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://{ALIAS}:{INSIDE_PORT},HOST://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,HOST:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_MESSAGE_MAX_BYTES": str(8 << 20),
        "KAFKA_LOG_DIRS": "/tmp/kafka-logs",  # noqa: S108  (inside the container)
    }


__all__ = ["DEFAULT_IMAGE", "ContainerBus", "EngineError"]
