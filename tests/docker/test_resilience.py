"""Faults of the resilience profile on a real Kafka in a container: all those of the broker, and a few others."""

import asyncio
from pathlib import Path

import pytest

from ackgap import history
from ackgap.bus.container import ContainerBus
from ackgap.bus.outage import answers, until_back
from ackgap.containers.network import RunNetwork
from ackgap.contract import load
from ackgap.history import WITHOUT_DISK, FaultChanged, TargetChanged
from ackgap.report.bundle import open_bundle
from ackgap.target import descriptor
from ackgap.target.container import ContainerTarget
from ackgap.target.process import free_port
from ackgap.target.running import Place
from tests.certifying import certify
from tests.docker.images import EMPTY_BASE

pytestmark = pytest.mark.timeout(240)

HERE = Path(__file__).parent
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


def test_a_gateway_of_an_image_that_is_wiped_starts_without_what_it_had_stored(kafka_image, tmp_path):
    words = [w for glob in ("flt-*-without-disk", "flt-buffer-survives-kill") for w in ("--scenario", glob)]
    run = certify(
        HERE / "targets" / "reference.yaml", "--bus", "container", "--profile", "resilience", *words,
        folder=tmp_path, limit_s=220,
    )  # fmt: skip
    assert run.code == 0, run.told
    assert {s["verdict"] for s in run.report["scenarios"]} == {"ok"}
    assert len(run.report["scenarios"]) == 3
    assert {run.verdicts[requirement] for requirement in ("FLT-01", "FLT-02")} == {"pass"}
    seen = list(history.read(open_bundle(run.folder / "bundle.zip").lines("history.jsonl")))
    wiped = [o.felt for o in seen if isinstance(o, FaultChanged) and o.fault == "gateway_wiped" and not o.active]
    assert wiped == [1, 1]
    again = [o.detail for o in seen if isinstance(o, TargetChanged) and o.state == "restarted"]
    assert sorted(again) == ["", WITHOUT_DISK, WITHOUT_DISK]


NOTES = """
ackgap: 1
name: takes-notes
start:
  image: IMAGE
  args: ["sh", "-c", "cat /tmp/note; echo found above; echo remembered > /tmp/note; while sleep 1; do :; done"]
  ready: {log: found above}
"""


def test_a_container_keeps_its_disk_when_it_is_killed_and_loses_it_when_it_is_wiped(docker_engine, tmp_path):
    (tmp_path / "notes.yaml").write_text(NOTES.replace("IMAGE", EMPTY_BASE))

    async def turn():
        network = RunNetwork("tests-wiped")
        await network.start()
        place = Place(name="a", values={}, log=tmp_path / "a.log", folder=tmp_path)
        target = ContainerTarget(descriptor.load(tmp_path / "notes.yaml", load()), place, network)

        async def said(starts):
            async with asyncio.timeout(20):
                while place.log.read_text().count("found above") < starts:
                    await asyncio.sleep(0.05)
            return place.log.read_text().count("remembered")

        try:
            await target.start()
            assert await said(1) == 0
            await target.end(kill=True)
            await target.again()
            assert await said(2) == 1
            await target.end(kill=True)
            assert await target.forget()
            await target.again()
            assert await said(3) == 1
        finally:
            await target.stop()
            await network.close()

    asyncio.run(turn())
