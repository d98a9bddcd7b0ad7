"""The bus transports on real brokers: the embedded one and librdkafka's mock."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from confluent_kafka import Consumer, Producer

from ackgap.broker import build
from ackgap.bus import BusError, open_bus, partition_of
from ackgap.bus.kafka import KafkaBus
from ackgap.bus.opening import NO_BROKER
from ackgap.bus.outage import answers, until_back
from ackgap.bus.retiring import retire

HAS_BROKER = build.BINARY.is_file()
needs_broker = pytest.mark.skipif(not HAS_BROKER, reason="the embedded broker is not built here: no Go toolchain")
KINDS = [pytest.param("embedded", marks=needs_broker), "mock"]


def on_bus(kind, body):
    async def turn():
        bus = open_bus(kind)
        await bus.start()
        try:
            await bus.create_topic("t", 4)
            await body(bus)
        finally:
            await bus.close()

    asyncio.run(turn())


async def until(holds):
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("never came true")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_produced_is_followed_in_order_and_none_is_missed(kind):
    async def body(bus):
        got = []
        await bus.follow("t", got.append)
        sent = await asyncio.gather(
            *(bus.produce(topic="t", partition=n % 4, key=b"k%d" % n, value=b"v%d" % n) for n in range(5000))
        )
        await until(lambda: len(got) == 5000)
        for partition in range(4):
            mine = [r for r in got if r.partition == partition]
            assert [r.offset for r in mine] == list(range(1250))
            assert [r.value for r in mine] == [b"v%d" % n for n in range(partition, 5000, 4)]
        assert [r.offset for r in sent if r.partition == 0] == list(range(1250))
        assert await bus.lost_records() == 0

    on_bus(kind, body)


@pytest.mark.parametrize("kind", KINDS)
def test_following_begins_at_the_present_end(kind):
    async def body(bus):
        await bus.produce(topic="t", partition=0, key=None, value=b"before")
        got = []
        await bus.follow("t", got.append)
        await bus.produce(topic="t", partition=0, key=None, value=b"after")
        await until(lambda: got)
        assert [r.value for r in got] == [b"after"]

    on_bus(kind, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_consumer_group_resumes_from_its_commits(kind):
    async def body(bus):
        for n in range(4):
            await bus.produce(topic="t", partition=0, key=None, value=b"%d" % n)

        def read(count):
            consumer = Consumer(
                {"bootstrap.servers": bus.bootstrap, "group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False,
                 "session.timeout.ms": 6000, "fetch.wait.max.ms": 20}
            )  # fmt: skip
            consumer.subscribe(["t"])
            values = []
            for _ in range(400):
                message = consumer.poll(0.05)
                if message is not None and message.error() is None:
                    values.append(message.value())
                    consumer.commit(message=message, asynchronous=False)
                if len(values) == count:
                    break
            consumer.close()
            return values

        assert await asyncio.to_thread(read, 2) == [b"0", b"1"]
        assert await asyncio.to_thread(read, 2) == [b"2", b"3"]

    on_bus(kind, body)


@needs_broker
def test_a_fault_is_seen_by_clients_and_goes_away():
    async def body(bus):
        await bus.control({"do": "fault", "keys": [0], "topic": "t", "error": 10, "count": -1})
        errors = []
        producer = Producer({"bootstrap.servers": bus.bootstrap, "message.timeout.ms": 3000})
        producer.produce("t", b"x", on_delivery=lambda error, _: errors.append(error))
        await asyncio.to_thread(producer.flush, 5)
        assert errors[0] is not None
        answer = await bus.control({"do": "clear"})
        assert answer["hits"] >= 1
        await bus.produce(topic="t", partition=0, key=None, value=b"well again")

    on_bus("embedded", body)


@needs_broker
def test_the_state_of_a_topic_can_be_asked_for():
    async def body(bus):
        await bus.produce(topic="t", partition=2, key=None, value=b"x")
        state = await bus.control({"do": "state", "topic": "t"})
        assert {p["partition"]: p["end"] for p in state["partitions"]} == {0: 0, 1: 0, 2: 1, 3: 0}
        with pytest.raises(BusError, match="unknown command"):
            await bus.control({"do": "dance"})

    on_bus("embedded", body)


@pytest.mark.parametrize("kind", KINDS)
def test_closing_leaves_no_process(kind):
    before = {p.pid for p in psutil.Process().children(recursive=True)}

    async def body(bus):
        assert {p.pid for p in psutil.Process().children(recursive=True)} - before

    on_bus(kind, body)
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_owner_leaves_no_broker(kind):
    script = (
        "import asyncio\nfrom ackgap.bus import open_bus\n"
        f"async def main():\n    bus = open_bus({kind!r})\n    await bus.start()\n"
        "    print(bus.process.process.pid, flush=True)\n    await asyncio.sleep(60)\nasyncio.run(main())"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    broker = psutil.Process(int(owner.stdout.readline()))
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    gone, alive = psutil.wait_procs([broker], timeout=5)
    assert gone
    assert not alive


def test_without_the_binary_the_mock_is_used_and_says_so(monkeypatch):
    monkeypatch.setenv(NO_BROKER, "1")
    bus = open_bus("embedded")
    assert bus.kind == "mock"
    assert "mock" in bus.fallback_reason


@pytest.mark.parametrize("spec", ["rabbit", "kafka://", "kafka://nowhere", ""])
def test_unknown_buses_are_told_with_the_known_ones(spec):
    with pytest.raises(BusError, match="expected one of embedded"):
        open_bus(spec)


def test_a_cluster_that_does_not_answer_is_an_environment_error(monkeypatch):
    monkeypatch.setattr("ackgap.bus.client.CONNECT_TIMEOUT_S", 0.5)

    async def turn():
        bus = open_bus("kafka://127.0.0.1:1")
        with pytest.raises(BusError, match=r"no broker answers at 127\.0\.0\.1:1"):
            await bus.start()
        await bus.close()

    asyncio.run(turn())


def test_partitions_are_those_of_kafkas_own_partitioner():
    async def body(bus):
        seen = {}
        producer = Producer({"bootstrap.servers": bus.bootstrap, "partitioner": "murmur2_random"})
        dice = random.Random(1)
        keys = {dice.randbytes(dice.randint(1, 40)) for _ in range(200)}
        for key in keys:
            producer.produce("t", b"x", key=key, on_delivery=lambda _, m: seen.__setitem__(m.key(), m.partition()))
        await asyncio.to_thread(producer.flush, 10)
        assert seen == {key: partition_of(key, 4) for key in keys}

    on_bus("mock", body)


@needs_broker
def test_a_current_binary_is_not_built_again(monkeypatch):
    def never(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(build, "_build_with", never)
    assert build.build() == ""


def test_without_any_toolchain_the_build_says_so_and_succeeds(monkeypatch, capsys):
    monkeypatch.setattr(build, "is_current", lambda: False)
    monkeypatch.setattr(build, "toolchains", list)
    assert build.main([]) == 0
    assert "mock" in capsys.readouterr().out
    assert build.main(["--check"]) == 1


def test_a_client_whose_end_never_comes_hangs_nobody():
    """librdkafka joins its threads when a client is destroyed, which may never end once the broker is gone."""
    held, began = threading.Event(), time.monotonic()

    class Stuck:
        def __del__(self):
            held.wait(30)

    clients = [Stuck()]
    retire(clients)
    assert clients == []
    assert time.monotonic() - began < 5
    held.set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_bus_says_so(kind):
    async def turn():
        bus = open_bus(kind)
        await bus.start()
        await bus.create_topic("t", 1)
        await bus.close()
        with pytest.raises(BusError, match=r"closed|not started"):
            await bus.produce(topic="t", partition=0, key=None, value=b"late")

    asyncio.run(turn())


@needs_broker
def test_an_embedded_broker_is_paused_and_killed_and_keeps_its_log_and_its_address(tmp_path):
    async def turn():
        bus = open_bus("embedded", folder=tmp_path, lasting=True)
        await bus.start()
        try:
            await bus.create_topic("t", 1)
            await bus.produce(topic="t", partition=0, key=None, value=b"0")
            got, address = [], bus.bootstrap
            await bus.follow("t", got.append)
            assert await answers(address)
            assert await bus.pause()
            assert not await answers(address, 0.3)
            await bus.unpause()
            await until_back(address)
            assert await bus.kill()
            assert not await answers(address, 0.3)
            late = asyncio.create_task(bus.produce(topic="t", partition=0, key=None, value=b"1"))
            await bus.again()
            await until_back(address)
            assert ((await late).offset, bus.bootstrap) == (1, address)
            await until(lambda: got)
            assert [(r.offset, r.value) for r in got] == [(1, b"1")]
            assert await bus.lost_records() == 0
        finally:
            await bus.close()

    asyncio.run(turn())


@needs_broker
def test_an_embedded_broker_without_a_log_on_disk_is_not_killed():
    async def body(bus):
        with pytest.raises(BusError, match="keeps its log in memory"):
            await bus.kill()
        await bus.produce(topic="t", partition=0, key=None, value=b"still there")

    on_bus("embedded", body)


def test_a_new_topic_is_waited_for_until_the_broker_tells_of_it(monkeypatch):
    """A broker confirms a topic and tells of it a moment later; one that never does is named."""
    asked = []

    class Telling:
        async def partitions(self, topic):
            asked.append(topic)
            if len(asked) < 4 or topic == "never":
                raise BusError(f"there is no topic {topic}")
            return 1

    async def created(*_):
        return None

    bus = KafkaBus("127.0.0.1:9")
    bus.client = Telling()
    monkeypatch.setattr(bus, "_create", created)
    asyncio.run(bus.create_topic("fresh", 1))
    assert asked == ["fresh"] * 4
    monkeypatch.setattr("ackgap.bus.kafka.TOPIC_TIMEOUT_S", 0.2)
    with pytest.raises(BusError, match="there is no topic never"):
        asyncio.run(bus.create_topic("never", 1))
