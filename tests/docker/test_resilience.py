"""Faults of the resilience profile on a real Kafka in a container: all those of the broker, and a few others."""

import asyncio

import pytest

from ackgap import history
from ackgap.bus.container import ContainerBus
from ackgap.bus.outage import answers, until_back
from ackgap.containers.network import RunNetwork
from ackgap.history import FaultChanged
from ackgap.report.bundle import open_bundle
from ackgap.target.process import free_port
from tests.certifying import certify

pytestmark = pytest.mark.timeout(240)

BROKER = {"broker_down", "broker_hung", "broker_slow", "broker_paused", "broker_killed"}


def test_broker_faults_and_restarts_on_real_kafka(kafka_image, tmp_path):
    chosen = ["flt-broker-*", "flt-acks-rejected", "flt-buffer-survives-kill"]
    words = [word for glob in chosen for word in ("--scenario", glob)]
    run = certify("reference", "--bus", "container", "--profile", "resilience", *words, folder=tmp_path, limit_s=220)
    assert run.code == 0, run.told
    assert run.report["environment"]["bus"] == "container"
    assert {s["verdict"] for s in run.report["scenarios"]} == {"ok"}
    assert {run.verdicts[f"FLT-{n:02d}"] for n in (1, 3, 15, 16)} == {"pass"}
    recovered = {word for row in run.report["recovery"]["faults"] for word in row["fault"].split(" + ")}
    assert recovered >= BROKER
    felt = {
        o.fault: o.detail
        for o in history.read(open_bundle(run.folder / "bundle.zip").lines("history.jsonl"))
        if isinstance(o, FaultChanged) and not o.active and o.felt > 0
    }
    assert felt["broker_paused"] == "stands still: True; answers nobody: True"
    assert felt["broker_killed"] == "is gone: True; answers nobody: True"
    print(f"{run.seconds:.1f} s")


def test_a_killed_container_comes_back_with_its_log_and_its_port(kafka_image, tmp_path):
    async def turn():
        network = RunNetwork("tests-killed-broker")
        await network.start()
        bus = ContainerBus(
            network=network, image=kafka_image, log=tmp_path / "kafka.log", port=free_port(), lasting=True
        )
        try:
            await bus.start()
            await bus.create_topic("t", 1)
            before = await bus.produce(topic="t", partition=0, key=None, value=b"before")
            address = bus.bootstrap
            assert await bus.pause()
            assert not await answers(address, 0.4)
            await bus.unpause()
            await until_back(address)
            assert await bus.kill()
            assert not await answers(address, 0.4)
            await bus.again()
            await until_back(address)
            after = await bus.produce(topic="t", partition=0, key=None, value=b"after")
            assert (before.offset, after.offset, bus.bootstrap) == (0, 1, address)
        finally:
            await bus.close()
            await network.close()

    asyncio.run(turn())
