"""The reference WorldService as a process on a real broker."""

import json

import pytest

from ackgap.contract import load
from tests.worldservice.running import in_order


def test_an_apply_is_told_on_the_topic_in_both_phases_and_completes_without_any_ack(runner, service, world):
    async def body():
        status, document, headers = await service.apply(world)
        assert (status, document["run_id"], document["world_id"]) == (202, "r1", world)
        assert headers["Location"].endswith("/apply/r1")
        assert "%2F" in headers["Location"]
        ended = await service.ended(world)
        assert (ended["state"], ended["emitted"], ended["published"]) == ("completed", 4, 4)
        assert ended["acks"]["received"] == 0
        await service.until(lambda: len(service.values(world)) == 4)
        assert service.told(world) == in_order()
        for value in service.values(world):
            load().validator("activation-updated-envelope").validate(json.loads(value))
        load().validator("apply-status").validate(ended)

    runner.run(body())


def test_probe_snapshot_and_last_event_agree_and_follow_the_state(runner, service, world):
    async def body():
        hashes = []
        for run, weight in (("r1", 0.5), ("r2", 0.5), ("r3", 0.75)):
            await service.apply(world, run, weight=weight)
            await service.ended(world, run)
            await service.until(lambda run=run: len(service.bodies(world, run)) == 4)
            probe = (await service.ask("GET", world, "activation/state_hash"))[1]
            snapshot = (await service.ask("GET", world, "activation"))[1]
            last = service.bodies(world, run)[-1]
            assert probe["state_hash"] == snapshot["state_hash"] == last["state_hash"]
            assert (snapshot["run_id"], snapshot["sequence"]) == (run, 4) == (last["run_id"], last["sequence"])
            load().validator("activation-snapshot").validate(snapshot)
            load().validator("state-hash").validate(probe)
            hashes.append(probe["state_hash"])
        assert hashes[0] == hashes[1] != hashes[2]

    runner.run(body())


def test_the_snapshot_is_a_prefix_of_the_events_at_every_moment_of_an_apply(runner, service, world):
    async def body():
        entries = [f"s{n}/long" for n in range(12)]
        await service.apply(world, "r0", entries=entries, weight=0.25)
        await service.ended(world, "r0")
        await service.apply(world, "r1", entries=entries, weight=0.75)
        read = []
        while True:
            shown = len(service.bodies(world, "r1"))
            snapshot = (await service.ask("GET", world, "activation"))[1]
            read.append((shown, snapshot))
            if (snapshot["run_id"], snapshot["sequence"]) == ("r1", 24):
                break
        await service.until(lambda: len(service.bodies(world)) == 48)
        events = {(b["run_id"], b["sequence"]): b for b in service.bodies(world)}
        for shown, snapshot in read:
            place = (snapshot["run_id"], snapshot["sequence"])
            assert snapshot["state_hash"] == events[place]["state_hash"]
            assert snapshot["run_id"] != "r1" or snapshot["sequence"] >= shown
            state = {}
            for (run, sequence), event in sorted(events.items()):
                if run == "r0" or (place[0] == "r1" and sequence <= place[1]):
                    state[event["strategy_id"]] = event
            for strategy, sides in snapshot["state"].items():
                for name in ("active", "freeze", "drain", "weight", "etag"):
                    assert sides["long"][name] == state[strategy][name]
        assert len({s["sequence"] for _, s in read}) > 5

    runner.run(body())


def test_a_known_etag_is_answered_with_304_until_the_state_changes(runner, service, world):
    async def body():
        await service.apply(world)
        await service.ended(world)
        for path in ("activation", "activation/state_hash", "activation?strategy_id=alpha&side=long"):
            tag = (await service.ask("GET", world, path))[2]["ETag"]
            for sent in (tag, f'W/{tag}, "x"', "*"):
                status, document, headers = await service.ask("GET", world, path, headers={"If-None-Match": sent})
                assert (status, document, headers["ETag"]) == (304, None, tag)
        tag = (await service.ask("GET", world, "activation"))[2]["ETag"]
        await service.apply(world, "r2")
        await service.ended(world, "r2")
        assert (await service.ask("GET", world, "activation", headers={"If-None-Match": tag}))[0] == 200

    runner.run(body())


def test_one_apply_per_world_at_a_time_and_the_same_request_is_not_done_again(runner, service, world):
    async def body():
        slow = {"rehearse": {"switch_ms": 300}}
        assert (await service.apply(world, **slow))[0] == 202
        status, problem, _ = await service.apply(world, "r2")
        assert (status, problem["title"]) == (409, "Conflict")
        load().validator("problem").validate(problem)
        assert (await service.apply(world, **slow))[0] == 200
        assert (await service.apply(world, weight=0.9, **slow))[0] == 409
        assert (await service.apply(world + "other"))[0] == 202
        assert (await service.ended(world + "other"))["state"] == "completed"
        assert (await service.status(world))["state"] != "completed"
        assert (await service.ended(world))["state"] == "completed"
        assert (await service.apply(world, **slow))[:2] == (200, await service.status(world))
        assert (await service.apply(world, "r2"))[0] == 202
        await service.ended(world, "r2")
        assert (await service.apply(world, **slow))[0] == 200
        assert (await service.apply(world, weight=0.1))[0] == 409
        assert service.told(world) == in_order()

    runner.run(body())


@pytest.mark.parametrize(
    ("phase", "events"),
    [
        ("freeze", ["freeze alpha", "unfreeze alpha"]),
        ("switch", ["freeze alpha", "freeze beta", "unfreeze alpha", "unfreeze beta"]),
        (
            "unfreeze",
            ["freeze alpha", "freeze beta", "unfreeze alpha", "freeze alpha", "unfreeze alpha", "unfreeze beta"],
        ),
    ],
)
def test_a_failure_in_any_phase_rolls_back_in_one_linear_sequence(runner, service, world, phase, events):
    async def body():
        await service.apply(world, "r0", weight=0.25)
        await service.ended(world, "r0")
        before = (await service.ask("GET", world, "activation/state_hash"))[1]
        await service.apply(world, weight=0.75, rehearse={"fail": phase, "after": 1})
        ended = await service.ended(world)
        assert ended["state"] == "rolled_back"
        assert phase in ended["failure"]
        await service.until(lambda: len(service.bodies(world, "r1")) == len(events))
        assert [f"{b['phase']} {b['strategy_id']}" for b in service.bodies(world, "r1")] == events
        assert [b["sequence"] for b in service.bodies(world, "r1")] == list(range(1, len(events) + 1))
        assert (await service.ask("GET", world, "activation/state_hash"))[1] == before
        assert (await service.apply(world, "r2"))[0] == 202
        await service.ended(world, "r2")

    runner.run(body())


def test_an_apply_can_be_given_up_and_is_then_rolled_back(runner, service, world):
    async def body():
        assert (await service.ask("DELETE", world, "apply/r1"))[0] == 404
        await service.apply(world, rehearse={"switch_ms": 60_000})
        await service.until(lambda: len(service.values(world)) == 2)
        assert (await service.ask("DELETE", world, "apply/r1"))[0] == 202
        ended = await service.ended(world)
        assert (ended["state"], ended["failure"]) == ("rolled_back", "given up by the operator while switching")
        assert (await service.ask("DELETE", world, "apply/r1"))[0] == 409

    runner.run(body())


def test_a_manual_hold_is_unsequenced_and_outlives_the_apply(runner, service, world):
    async def body():
        assert (await service.ask("POST", world, "override", {"strategy_id": "alpha", "side": "long"}))[0] == 400
        await service.apply(world, rehearse={"switch_ms": 200})
        hold = {"strategy_id": "alpha", "side": "long", "freeze": True}
        status, event, _ = await service.ask("POST", world, "override", hold)
        load().validator("activation-updated-envelope").validate(event)
        assert (status, event["data"]["requires_ack"], event["data"]["sequence"]) == (200, False, None)
        assert (await service.ask("POST", world, "override", {**hold, "weight": 0.1}))[0] == 409
        await service.ended(world)
        snapshot = (await service.ask("GET", world, "activation"))[1]
        assert snapshot["state"]["alpha"]["long"]["freeze"] is True
        assert snapshot["state"]["beta"]["short"]["freeze"] is False
        await service.ask("POST", world, "override", {**hold, "freeze": False, "weight": 0.1})
        await service.until(lambda: len(service.values(world)) == 6)
        probe = (await service.ask("GET", world, "activation/state_hash"))[1]
        assert service.bodies(world)[-1]["state_hash"] == probe["state_hash"] != snapshot["state_hash"]
        assert service.bodies(world)[-1]["weight"] == 0.1
        assert service.told(world) == in_order()

    runner.run(body())


def test_acks_are_counted_by_run_and_the_late_and_missing_ones_are_told(runner, service, world):
    async def body():
        before = await service.metrics()
        await service.apply(world)
        await service.ended(world)
        await service.ack(world, "r1", 1, type="ActivationAck")
        await service.ack(world, "r1", 1)

        async def received():
            return (await service.status(world))["acks"]["received"]

        async def missing():
            return (await service.status(world))["acks"]["missing"]

        assert await service.eventually(received, 1) == 1
        assert await service.eventually(missing, [2, 3, 4]) == [2, 3, 4]
        assert (await service.metrics())["activation_ack_missing"] >= 3
        await service.ack(world, "r1", 2)
        await service.ack(world, "r1", 9)
        await service.ack(world, "r7", 1)
        await service.bus.produce(topic="acks", partition=0, key=None, value=b"\xff")
        assert await service.eventually(received, 2) == 2
        acks = (await service.status(world))["acks"]
        assert (acks["expected"], acks["missing"], acks["late"]) == (4, [3, 4], 1)
        assert acks["latency_ms"]["max"] > 150 > acks["latency_ms"]["min"]

        async def unreadable():
            return (await service.metrics()).get('activation_ack_total{result="unreadable"}')

        assert await service.eventually(unreadable, 1) == 1
        after = await service.metrics()
        grown = {name: after[name] - before.get(name, 0) for name in after}
        assert grown["controlbus_apply_ack_latency_ms_count"] == 2
        assert grown["activation_ack_late_total"] == 1
        assert grown['activation_ack_total{result="repeated"}'] == 1
        assert grown['activation_ack_total{result="unknown"}'] == 2
        assert not [name for name in after if "r1" in name or world in name]

    runner.run(body())
