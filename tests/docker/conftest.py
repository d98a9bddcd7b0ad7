"""What the container tests share: an engine with the images, and a real Kafka that runs for all of them.

Without an engine, or without the images, the tests are skipped with the reason. Where ACKGAP_REQUIRE_DOCKER is set, as in
CI, that is a failure instead.
"""

import asyncio
import contextlib
import os
import time

import pytest

from ackgap.bus.container import HOST_PORT, STARTED, environment
from ackgap.containers.container import RunContainer
from ackgap.containers.engine import EngineError, engine
from ackgap.containers.network import RunNetwork
from ackgap.target.process import free_port
from tests.docker import images

REQUIRED = "ACKGAP_REQUIRE_DOCKER"


def _without(reason: str):
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine():
    try:
        client = engine()
    except EngineError as error:
        _without(str(error))
    lacking = images.missing(client)
    if lacking:
        _without(f"these images are not built: {', '.join(lacking)}; run `python -m tests.docker.images`")
    yield client
    client.close()


@pytest.fixture(scope="session")
def kafka_image(docker_engine):
    before = os.environ.get("ACKGAP_KAFKA_IMAGE")
    os.environ["ACKGAP_KAFKA_IMAGE"] = images.KAFKA
    yield images.KAFKA
    if before is None:
        del os.environ["ACKGAP_KAFKA_IMAGE"]
    else:
        os.environ["ACKGAP_KAFKA_IMAGE"] = before


@pytest.fixture(scope="module")
def start_kafka(kafka_image, tmp_path_factory):
    """A context manager that runs one real Kafka with these settings and ports, in a network of its own."""

    @contextlib.contextmanager
    def running(settings, ports):
        log = tmp_path_factory.mktemp("kafka") / "kafka.log"
        network = RunNetwork(f"tests-{os.getpid()}-{next(iter(ports.values()))}")
        broker = RunContainer(kafka_image, network=network, log=log, env=settings, alias="kafka", ports=ports)

        async def up():
            await network.start()
            await broker.start()
            deadline = time.monotonic() + 60
            while not log.is_file() or not STARTED.search(log.read_text(errors="replace")):
                assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
                await asyncio.sleep(0.1)

        async def down():
            await broker.remove()
            await network.close()

        try:
            asyncio.run(up())
            yield
        finally:
            asyncio.run(down())

    return running


@pytest.fixture(scope="module")
def cluster(start_kafka):
    """`HOST:PORT` of a real Kafka that is not the kit's own."""
    port = free_port()
    with start_kafka(environment(port), {HOST_PORT: port}):
        yield f"127.0.0.1:{port}"
