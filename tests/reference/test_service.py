"""The reference Gateway as a service on a real broker."""

import asyncio
import json
import random
import time

import psutil
import pytest
from confluent_kafka import Consumer

from ackgap.peers.metrics import parse
from ackgap.peers.relay import RelayClient, StalledClient
from ackgap.scenario.generators.hostile import payload
from ackgap_reference.service.settings import SettingsError, from_environment
from tests.reference.running import KIND, plan, running, service_test

NEEDED = {"KAFKA_BROKERS": "h:9092", "WORLDSERVICE_URL": "http://h:1"}


def test_a_run_opens_the_gate_and_shows_in_the_metrics():
    async def body(it):
        await it.deliver("a/b %", 1, 2)
        await it.until(lambda: it.acked("a/b %") == [1, 2])
        status, text = await it.get("/worlds/a%2Fb%20%25/order-gate?run_id=r")
        assert (status, json.loads(text)["state"]) == (200, "open")
        status, text = await it.get("/worlds/nobody/order-gate?run_id=r")
        assert json.loads(text)["reason"] == "unknown_stream"
        values = parse((await it.get("/metrics"))[1])
        assert values["activation_acked_total"] == 2
        assert values["controlbus_apply_ack_latency_ms_count"] == 2
        assert not [name for name in values if "run" in name.partition("{")[2]]

    service_test(body)


def test_a_gap_is_resynced_and_fifty_other_worlds_go_on():
    async def body(it):
        await it.deliver("stalled", 1)
        it.service.emit(plan("stalled").body(2))
        from ackgap.scenario.model import Answer, Behaviour

        it.service.behave("stalled", Behaviour(state_hash=(Answer(delay_ms=1500),)))
        await it.deliver("stalled", 3)
        for n in range(50):
            await it.deliver(f"world-{n}", 1, 2)
        await it.until(lambda: all(it.acked(f"world-{n}") == [1, 2] for n in range(50)))
        assert it.acked("stalled") == [1]
        assert json.loads((await it.get("/worlds/stalled/order-gate?run_id=r"))[1])["reason"] == "gap"
        await it.until(lambda: it.acked("stalled") == [1, 3])
        assert parse((await it.get("/metrics"))[1])['activation_resync_total{result="success"}'] == 1

    service_test(body)


def test_sigterm_ends_cleanly_and_a_restart_loses_nothing():
    async def body(it):
        await it.deliver("w", 1)
        await it.until(lambda: it.acked("w") == [1])
        await it.deliver("w", 3)
        await asyncio.gather(it.deliver("v", 1), it.until(lambda: it.acked("v") == [1]))
        assert await it.stop() == 0
        it.service.worlds.clear()
        await it.start()
        await it.deliver("w", 2)
        await it.until(lambda: {1, 2, 3} <= set(it.acked("w")))
        assert it.acked("w")[-2:] == [2, 3]

    service_test(body)


@pytest.mark.skipif(KIND != "embedded", reason="the mock knows no members by name")
def test_one_that_is_fenced_by_another_of_its_name_comes_back():
    """Its client does nothing any more after that; on a real broker its own ghost fences it after a long outage."""

    async def turn():
        async with running(GROUP_INSTANCE_ID="one") as it:
            await it.deliver("w", 1)
            await it.until(lambda: it.acked("w") == [1])
            other = Consumer(
                {"bootstrap.servers": it.bus.bootstrap, "group.id": "g", "group.instance.id": "one"}
                | {"enable.auto.commit": False, "partition.assignment.strategy": "range"}
            )
            other.subscribe(["activation"])
            try:
                await asyncio.to_thread(polled_until, other, lambda: len(other.assignment()) == 4)
                while (await it.get("/ready"))[0] == 200:
                    await asyncio.sleep(0.05)
                await it.deliver("w", 2)
                await it.until(lambda: it.acked("w")[-1:] == [2], 20)
            finally:
                await asyncio.to_thread(other.close)

    asyncio.run(turn())


def polled_until(consumer, holds):
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        consumer.poll(0.05)


def test_a_relay_client_that_stands_still_delays_nobody():
    async def body(it):
        frames = []
        client = RelayClient(f"ws://127.0.0.1:{it.port}/ws", on_frame=frames.append, on_change=lambda _: None)
        stalled = StalledClient(f"ws://127.0.0.1:{it.port}/ws")
        await stalled.start(5)
        await client.start(5)
        try:
            await it.deliver("w", *range(1, 400))
            await it.until(lambda: len(it.acked("w")) == 399)
            await it.until(lambda: len(frames) == 399)
        finally:
            await client.close()
            await stalled.close()

    service_test(body)


def test_failed_acks_are_published_again_in_order():
    if KIND != "embedded":
        pytest.skip("needs the embedded broker's faults")

    async def body(it):
        await it.bus.control({"do": "fault", "keys": [0], "topic": "acks", "error": 29, "count": 3})
        await it.deliver("w", 1, 2)
        await it.until(lambda: it.acked("w") == [1, 2], seconds=20)

    service_test(body)


def test_ten_thousand_hostile_payloads_on_the_bus_are_dropped_and_counted():
    async def body(it):
        dice = random.Random(11)
        payloads = [payload(dice) for _ in range(10_000)]
        process = psutil.Process(it.process.pid)
        await it.deliver("before", 1)
        await it.until(lambda: it.acked("before") == [1])
        size = process.memory_info().rss
        for start in range(0, len(payloads), 500):
            sends = [
                it.bus.produce(topic="activation", partition=n % 4, key=b"h", value=value)
                for n, value in enumerate(payloads[start : start + 500])
            ]
            await asyncio.gather(*sends)
        for n in range(20):
            await it.deliver(f"after-{n}", 1, 2)
        await it.until(lambda: all(it.acked(f"after-{n}") == [1, 2] for n in range(20)), seconds=60)
        values = parse((await it.get("/metrics"))[1])
        assert sum(v for k, v in values.items() if k.startswith("activation_dropped_total")) == 10_000
        assert process.memory_info().rss - size < 60 << 20

    service_test(body)


def test_a_thousand_hostile_answers_over_http_leave_the_gate_closed_and_the_service_alive():
    async def body(it):
        from ackgap.scenario.model import Answer, Behaviour

        bodies = [
            "",
            "null",
            "[" * 20_000,
            '{"state_hash": 1}',
            "<html>",
            "\x00",
            '{"state_hash":"h","world_id":7}',
            "x" * 3_000_000,
        ]
        worlds = [f"hostile-{n}" for n in range(300)]
        for n, world in enumerate(worlds):
            hostile = tuple(Answer(text=bodies[(n + k) % len(bodies)]) for k in range(2))
            failing = tuple(Answer(failure=f) for f in ("refused", "cut"))
            it.service.behave(world, Behaviour(state_hash=hostile, snapshot=failing))
        requests = []
        it.server.on_request = lambda planned, *_: requests.append(planned.world_id)
        for world in worlds:
            it.service.emit(plan(world).body(1))
        await asyncio.gather(*(it.deliver(world, 2) for world in worlds))
        await it.until(lambda: len(requests) >= 1000, seconds=60)
        await it.until(lambda: all(it.acked(world) == [2] for world in worlds), seconds=60)
        assert (await it.get("/ready"))[0] == 200

    service_test(body)


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/ready", 200), ("/nothing", 404), ("/worlds/w/order-gate", 400)]
)
def test_paths(path, status):
    async def body(it):
        found, text = await it.get(path)
        assert found == status
        if status >= 400:
            assert json.loads(text)["title"]

    service_test(body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"KAFKA_BROKERS": "nowhere"}, "KAFKA_BROKERS is 'nowhere'; expected HOST:PORT"),
        ({"KAFKA_BROKERS": "h:99999"}, "KAFKA_BROKERS"),
        ({"WORLDSERVICE_URL": "ftp://x"}, "WORLDSERVICE_URL is 'ftp://x'; expected an http"),
        ({"GAP_TIMEOUT_MS": "soon"}, "GAP_TIMEOUT_MS is 'soon'; expected a whole number of ms"),
        ({"GAP_TIMEOUT_MS": "0"}, "GAP_TIMEOUT_MS"),
        ({"RESYNC_ENFORCED": "maybe"}, "RESYNC_ENFORCED is 'maybe'; expected true or false"),
        ({"HTTP_PORT": "70000"}, "HTTP_PORT"),
        ({"WIRE_FORM": "xml"}, "enveloped or flat"),
        ({"CORE": "nothing"}, "module:callable"),
    ],
)
def test_bad_settings_are_told(change, said):
    with pytest.raises(SettingsError, match=said):
        from_environment({**NEEDED, **change})


def test_all_problems_are_told_at_once_and_defaults_are_the_contracts(tmp_path):
    with pytest.raises(SettingsError) as caught:
        from_environment({"GAP_TIMEOUT_MS": "x"})
    assert len(caught.value.problems) == 3
    settings = from_environment(NEEDED)
    assert (settings.gap_timeout_ms, settings.resync_enforced) == (3000, False)
    config = tmp_path / "gateway.yaml"
    config.write_text("gap_timeout_ms: 500\nwire_from: flat\n")
    with pytest.raises(SettingsError, match="unknown key 'wire_from'"):
        from_environment(NEEDED, config)
    config.write_text("gap_timeout_ms: 500\nresync_enforced: true\n")
    assert from_environment(NEEDED, config).gap_timeout_ms == 500
    assert from_environment({**NEEDED, "GAP_TIMEOUT_MS": "700"}, config).gap_timeout_ms == 700
