"""The link between one target and the brokers, in front of a real broker, with a real client behind it."""

import asyncio
import time

import pytest
from confluent_kafka import Consumer, Producer

from ackgap.broker import build
from ackgap.bus import BusError, open_bus
from ackgap.bus.group import GroupMembers
from ackgap.bus.link import LINK_FAULTS, Link

pytestmark = pytest.mark.skipif(not build.BINARY.is_file(), reason="the embedded broker is not built here")

APPENDED_BUT_UNSAID = {"acks_unconfirmed", "acks_cut"}
SLOW = {"broker_slow", "acks_late"}


class Through:
    """A producer behind a link; reports are kept by value."""

    def __init__(self, link):
        self.said = {}
        self.producer = Producer(
            {"bootstrap.servers": link.bootstrap, "linger.ms": 0, "message.timeout.ms": 5000, "log_level": 0,
             "broker.address.family": "v4", "retry.backoff.ms": 20, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50}
        )  # fmt: skip

    def send(self, value):
        self.producer.produce("t", value, on_delivery=lambda error, _: self.said.setdefault(value, error))

    async def until(self, holds, bound_s=8.0):
        deadline = time.monotonic() + bound_s
        while not holds():
            assert time.monotonic() < deadline, "never came true"
            await asyncio.to_thread(self.producer.poll, 0.02)


def behind_link(body):
    async def turn():
        bus = open_bus("embedded")
        await bus.start()
        link = Link(broker=bus.bootstrap)
        try:
            await bus.create_topic("t", 1)
            await link.start()
            await body(bus, link)
        finally:
            await link.close()
            await bus.close()

    asyncio.run(turn())


@pytest.mark.parametrize("fault", LINK_FAULTS)
def test_a_fault_is_felt_and_counted_and_over_when_it_ends(fault):
    async def body(bus, link):
        seen = []
        await bus.follow("t", lambda record: seen.append(record.value))
        client = Through(link)
        client.send(b"before")
        await client.until(lambda: b"before" in client.said and b"before" in seen)
        await link.begin(fault, ms=100)
        assert await link.felt() >= 0
        client.send(b"during")
        while not await link.felt():
            await asyncio.to_thread(client.producer.poll, 0.02)
        if fault in SLOW:
            await client.until(lambda: b"during" in client.said)
        elif fault in APPENDED_BUT_UNSAID:
            await client.until(lambda: b"during" in seen)
            assert b"during" not in client.said
        else:
            await asyncio.to_thread(client.producer.poll, 0.1)
            assert b"during" not in seen
        await link.end()
        client.send(b"after")
        await client.until(lambda: client.said.get(b"after", 1) is None and b"during" in seen)
        assert client.said[b"during"] is None

    behind_link(body)


def test_only_one_fault_of_a_link_at_a_time():
    async def body(_, link):
        await link.begin("broker_hung")
        with pytest.raises(BusError, match="has not ended yet"):
            await link.begin("broker_slow")
        await link.end()
        await link.begin("broker_slow")
        await link.end()

    behind_link(body)


def test_a_link_hurts_nobody_else():
    async def body(bus, link):
        await link.begin("broker_down")
        record = await bus.produce(topic="t", partition=0, key=None, value=b"x")
        assert record.offset == 0
        await link.end()

    behind_link(body)


def test_members_take_partitions_from_a_consumer_and_give_them_back():
    async def body(bus, link):
        await bus.create_topic("shared", 4)
        held = set()
        consumer = Consumer(
            {"bootstrap.servers": link.bootstrap, "group.id": "g", "auto.offset.reset": "earliest",
             "broker.address.family": "v4", "heartbeat.interval.ms": 200, "log_level": 0}
        )  # fmt: skip

        def taken(_, partitions):
            held.difference_update(p.partition for p in partitions)

        consumer.subscribe(["shared"], on_assign=lambda _, ps: held.update(p.partition for p in ps), on_revoke=taken)
        stop = asyncio.Event()

        async def poll():
            while not stop.is_set():
                await asyncio.to_thread(consumer.poll, 0.05)

        polling = asyncio.create_task(poll())
        members = GroupMembers(common=bus.settings, group="g", topic="shared", partitions=4)
        try:
            while len(held) < 4:
                await asyncio.sleep(0.02)
            took = await members.join(20)
            assert len(took) == 3
            while len(held) != 1:
                await asyncio.sleep(0.02)
            assert held == {0, 1, 2, 3} - set(took)
            await members.leave()
            while len(held) < 4:
                await asyncio.sleep(0.02)
        finally:
            await members.leave()
            stop.set()
            await polling
            consumer.close()

    behind_link(body)


def test_members_say_so_when_the_group_has_nobody_else():
    async def body(bus, _):
        await bus.create_topic("shared", 4)
        members = GroupMembers(common=bus.settings, group="empty", topic="shared", partitions=4)
        try:
            assert await members.join(2) == ()
        finally:
            await members.leave()

    behind_link(body)
