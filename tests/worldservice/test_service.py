"""The reference WorldService as a process on a real broker."""

import asyncio
import contextlib
import json
import resource
import signal

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from ackgap.contract import load, schemas_dir
from tests.worldservice.running import KIND, Running, running


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as it:
        yield it


@pytest.fixture(scope="module")
def service(runner, tmp_path_factory):
    """One service for all tests of this file; each uses worlds of its own."""
    around = running(tmp_path_factory.mktemp("worldservice"), ACK_LATE_MS="150")
    it = runner.run(around.__aenter__())
    yield it
    runner.run(around.__aexit__(None, None, None))


@pytest.fixture
def world(request):
    return f"{request.node.name} a/b %2F 世界"


def told(*, entries=("alpha/long", "beta/short")):
    events = [(phase, entry) for phase in ("freeze", "unfreeze") for entry in entries]
    return [(n, phase, entry) for n, (phase, entry) in enumerate(events, 1)]


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
        assert service.told(world) == told()
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
        assert service.told(world) == told()

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
        assert service.told(world) == told()

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


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/worlds/nobody/activation", 404),
        ("GET", "/worlds/nobody/activation/state_hash", 404),
        ("GET", "/worlds/nobody/activation?strategy_id=a&side=long", 404),
        ("GET", "/worlds/nobody/activation?side=long", 400),
        ("GET", "/worlds/nobody/apply/r1", 404),
        ("GET", "/worlds/nobody/apply", 405),
        ("PUT", "/worlds/nobody/activation", 405),
        ("GET", "/worlds//activation", 404),
        ("GET", "/worlds/a/b/activation", 404),
        ("GET", "/elsewhere", 404),
        ("POST", "/health", 405),
    ],
)
def test_errors_are_told_as_problem_details(runner, service, method, path, status):
    async def body():
        from yarl import URL

        async with service.session.request(method, URL(service.url + path, encoded=True)) as response:
            assert response.status == status
            assert response.content_type == "application/problem+json"
            problem = await response.json(content_type=None)
        load().validator("problem").validate(problem)
        assert problem["status"] == status
        if status == 405:
            assert response.headers["Allow"]

    runner.run(body())


ENTRY = {"strategy_id": "a", "side": "long"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"entries": NaN}', "not JSON"),
        (json.dumps({}), "/entries"),
        (json.dumps({"entries": [{"strategy_id": "a"}]}), "/entries/0/side"),
        (json.dumps({"entries": [ENTRY, ENTRY]}), "stands twice"),
        (json.dumps({"entries": [{**ENTRY, "wieght": 1}]}), "/entries/0/wieght: unknown"),
        (json.dumps({"entries": [{**ENTRY, "weight": True}]}), "/entries/0/weight"),
        (json.dumps({"entries": [{**ENTRY, "weight": 1.01}]}), "/entries/0/weight"),
        (json.dumps({"entries": [{**ENTRY, "strategy_id": "\ud800"}]}), "no Unicode text"),
        (json.dumps({"entries": [ENTRY], "run_id": ""}), "/run_id"),
        (json.dumps({"entries": [ENTRY], "mode": "stop"}), "/mode"),
        (json.dumps({"entries": [ENTRY], "rehearse": {"fail": "thaw"}}), "/rehearse/fail"),
        (json.dumps({"entries": [{**ENTRY, "strategy_id": str(n)} for n in range(201)]}), "1 to 200"),
    ],
)
def test_a_bad_apply_is_refused_by_field_and_changes_nothing(runner, service, text, said):
    async def body():
        async with service.session.post(service.url + "/worlds/untouched/apply", data=text) as response:
            problem = await response.json(content_type=None)
        assert response.status == 400
        assert said in problem["detail"]
        assert (await service.ask("GET", "untouched", "activation"))[0] == 404

    runner.run(body())


def test_bodies_are_bounded_whether_their_length_is_told_or_not(runner, service):
    async def parts():
        for _ in range(100):
            yield b" " * 10_000

    async def body():
        for data in (b" " * 1_000_000, parts()):
            async with service.session.post(service.url + "/worlds/big/apply", data=data) as response:
                assert response.status == 413
        assert (await service.ask("GET", "big", "activation"))[0] == 404

    runner.run(body())


def test_a_generated_run_id_is_told(runner, service, world):
    async def body():
        _, document, _ = await service.ask("POST", world, "apply", {"entries": [ENTRY], "mode": "drain"})
        ended = await service.ended(world, document["run_id"])
        await service.until(lambda: len(service.values(world)) == 2)
        assert ended["state"] == "completed"
        assert [(b["freeze"], b["drain"]) for b in service.bodies(world)] == [(False, True), (False, False)]

    runner.run(body())


OPENAPI = schemathesis.openapi.from_path(schemas_dir() / "openapi.yaml")
OPERATIONS = [found.ok() for found in OPENAPI.get_all_operations()]
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)


MODES = [(o, schemathesis.GenerationMode.POSITIVE) for o in OPERATIONS]
MODES += [(o, schemathesis.GenerationMode.NEGATIVE) for o in OPERATIONS if o.method == "post"]


@pytest.mark.parametrize(("operation", "mode"), MODES, ids=lambda it: getattr(it, "label", None) or it.value)
def test_the_service_keeps_what_its_openapi_file_says(service, operation, mode):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(base_url=service.url, checks=CHECKS)

    check()


def test_a_restart_goes_on_where_it_was_and_publishes_nothing_twice_with_other_content(runner, tmp_path):
    async def body():
        async with running(tmp_path) as it:
            await it.apply("w", rehearse={"switch_ms": 500})
            await it.until(lambda: len(it.values("w")) == 2)
            await it.ack("w", "r1", 1)

            async def received():
                return (await it.status("w"))["acks"]["received"]

            assert await it.eventually(received, 1) == 1
            before = await it.status("w")
            snapshot = (await it.ask("GET", "w", "activation"))[1]
            await it.stop(signal.SIGKILL)
            await it.start(REHEARSALS="false")
            assert await it.status("w") == before
            assert (await it.ask("GET", "w", "activation"))[1] == snapshot
            assert (await it.ended("w"))["state"] == "completed"
            await it.until(lambda: len({b["sequence"] for b in it.bodies("w")}) == 4)
            assert len(set(it.values("w"))) == 4
            assert it.told("w") == told()
            assert (await it.metrics())['apply_total{result="completed"}'] == 1
            assert await it.stop() == 0

    runner.run(body())


def test_a_disk_that_is_full_ends_the_service_which_then_goes_on_from_what_was_written(runner, tmp_path):
    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    async def body():
        async with running(tmp_path) as it:
            await it.stop()
            await it.start(before=small_disk)
            promised = []
            with contextlib.suppress(aiohttp.ClientError):
                for n in range(500):
                    assert (await it.apply("w", f"r{n}", weight=n / 500))[0] == 202
                    promised.append(f"r{n}")
                    await it.ended("w", f"r{n}")
            assert await asyncio.wait_for(it.process.wait(), 15) == 74
            assert "cannot be written" in (await it.process.stderr.read()).decode()
            await it.start()
            for run in promised[-3:]:
                ended = await it.ended("w", run)
                assert (ended["state"], ended["published"]) == ("completed", 4)
            await it.until(lambda: {(run, n) for run in promised for n in range(1, 5)} <= places(it))
            assert len({v for v in it.values("w")}) == len(places(it))

    def places(it):
        return {(b["run_id"], b["sequence"]) for b in it.bodies("w")}

    runner.run(body())


def test_the_database_belongs_to_one_process_and_a_bad_one_is_refused(runner, tmp_path):
    async def body():
        async with running(tmp_path) as it:
            second = Running(tmp_path)
            second.bus, second.session = it.bus, it.session
            with pytest.raises(AssertionError, match="another process has it open"):
                await second.start()
            assert await second.stop() == 2
            (tmp_path / "other.db").write_text("not a database at all, just some text that is long enough")
            with pytest.raises(AssertionError, match="file is not a database"):
                await second.start(DATABASE=str(tmp_path / "other.db"))
            with pytest.raises(AssertionError, match="ACK_LATE_MS is 'soon'; expected a whole number"):
                await second.start(ACK_LATE_MS="soon")

    runner.run(body())


@pytest.mark.skipif(KIND != "embedded", reason="needs the embedded broker's faults")
def test_a_broker_that_takes_no_freeze_in_time_leads_to_a_rollback_without_a_hole(runner, tmp_path):
    async def body():
        async with running(tmp_path, FREEZE_TIMEOUT_MS="300") as it:
            await it.apply("w", "r0")
            await it.ended("w", "r0")
            await it.bus.control({"do": "fault", "keys": [0], "topic": "activation", "error": 29, "count": -1})
            await it.apply("w", weight=0.9)

            async def state():
                return (await it.status("w"))["state"]

            assert await it.eventually(state, "rolling_back") == "rolling_back"
            await it.bus.control({"do": "clear"})
            ended = await it.ended("w", seconds=30)
            assert (ended["state"], ended["failure"]) == (
                "rolled_back",
                "the bus did not take the freeze events in time",
            )
            await it.until(lambda: len(it.bodies("w", "r1")) == 2)
            assert it.told("w", "r1") == [(1, "freeze", "alpha/long"), (2, "unfreeze", "alpha/long")]
            assert it.bodies("w")[-1]["weight"] == 0.5

    runner.run(body())
