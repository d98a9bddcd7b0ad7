"""A Gateway that is killed and started again: with a state file, by log replay, and by resync. No gate opens early."""

import asyncio
import contextlib
import json
import random
import signal
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackgap.scenario.emission import StreamPlan, encode
from ackgap_reference.gateway import PublishAck, build
from ackgap_reference.service.state import StateStore
from tests.reference.running import KIND, running

PLAN = (("freeze", "a", "long"), ("freeze", "b", "long"), ("unfreeze", "a", "long"), ("unfreeze", "b", "long"))


def value(sequence, world="w"):
    """An event of the plan; the world id may be one that only JSON escapes can write."""
    plan = StreamPlan(alias="", world_id="w", run_id="r", first=1, plan=PLAN, form="flat")
    return json.dumps({**plan.body(sequence), "world_id": world}).encode()


# --- the store -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["w", "v \ud800", "世界"]), st.integers(1, 7)), max_size=25),
    st.sets(st.integers(0, 24)),
    st.integers(),
)
def test_killed_after_any_records_it_ends_like_one_that_never_was(sent, kills, seed):
    """Each kill throws the core away; what is in the file and an ACK that was on its way are all that is left."""
    dice = random.Random(seed)
    store = StateStore(":memory:")
    core, alone = (build(gap_timeout_ms=3000, resync_enforced=False, seed=1) for _ in range(2))
    store.restore(core, 0)
    open_acks, acked, acked_alone = [], [], []
    for place, (world, sequence) in enumerate(
        [*sent, *((w, n) for w in ("w", "v \ud800", "世界") for n in range(1, 8))]
    ):
        for effect in alone.record(partition=0, offset=place, key=None, value=value(sequence, world), now=place):
            confirm(alone, effect, acked_alone, place)
        effects = core.record(partition=0, offset=place, key=None, value=value(sequence, world), now=place)
        store.write(core)
        open_acks += [e for e in effects if isinstance(e, PublishAck)]
        if place in kills:
            core = build(gap_timeout_ms=3000, resync_enforced=False, seed=1)
            store.written.clear()
            store.restore(core, place)
            open_acks = [e for e in core.tick(place) if isinstance(e, PublishAck)]
        while open_acks and (dice.random() < 0.7 or place >= len(sent)):
            acked.append(key_of(open_acks[0]))
            effects = core.ack_confirmed(open_acks.pop(0).token, place)
            store.write(core)
            open_acks += [e for e in effects if isinstance(e, PublishAck)]
    assert dict.fromkeys(acked) == dict.fromkeys(acked_alone) or sorted(set(acked)) == sorted(set(acked_alone))
    for world in ("w", "v \ud800", "世界"):
        assert core.gate(world, "r") == alone.gate(world, "r")
        first_seen = list(dict.fromkeys(n for w, n in acked if w == world))
        assert first_seen == sorted(first_seen)


def key_of(effect):
    body = json.loads(effect.value)["data"]
    return body["world_id"], body["sequence"]


def confirm(core, effect, acked, now):
    if isinstance(effect, PublishAck):
        acked.append(key_of(effect))
        for following in core.ack_confirmed(effect.token, now):
            confirm(core, following, acked, now)


def test_an_override_is_remembered_and_retired_streams_are_forgotten():
    store = StateStore(":memory:")
    core = build(gap_timeout_ms=3000, resync_enforced=False, seed=1)
    store.restore(core, 0)
    acked = []
    for n in range(1, 5):
        for effect in core.record(partition=3, offset=n, key=None, value=value(n), now=0):
            confirm(core, effect, acked, 0)
    assert core.gate("w", "r")["state"] == "open"
    hold = {"world_id": "w", "strategy_id": "a", "side": "long", "freeze": True}
    core.record(partition=3, offset=9, key=None, value=json.dumps(hold).encode(), now=0)
    store.write(core)
    again = build(gap_timeout_ms=3000, resync_enforced=False, seed=1)
    store.restore(again, 0)
    assert again.gate("w", "r") == core.gate("w", "r") == {**core.gate("w", "r"), "reason": "freeze"}
    again.assigned({3: 10})
    again.caught_up()
    assert again.gate("w", "r")["reason"] == "freeze"
    again.assigned({3: 11})
    assert again.gate("w", "r")["reason"] == "unknown_stream"
    store.write(again)
    assert store.database.execute("SELECT count(*) FROM streams").fetchone() == (0,)


def test_gates_are_closed_while_it_catches_up_and_where_the_partition_is_anothers():
    core = build(gap_timeout_ms=3000, resync_enforced=False, seed=1)
    acked = []
    for n in range(1, 5):
        for effect in core.record(partition=3, offset=n, key=None, value=value(n), now=0):
            confirm(core, effect, acked, 0)
    core.assigned({3: 0, 4: 0})
    assert core.gate("w", "r")["reason"] == "catching_up"
    core.caught_up()
    assert core.gate("w", "r")["state"] == "open"
    assert core.changed == set()
    core.assigned({4: 0})
    core.caught_up()
    assert core.gate("w", "r") == {**core.gate("w", "r"), "state": "closed", "reason": "not_assigned"}


# --- the service ---------------------------------------------------------------------------------------------------


class Turn:
    """One test with a Gateway process; `restart` kills it with SIGKILL.

    A kill may come between an ACK's place in the log and its confirmation: then that one ACK is published again.
    """

    def __init__(self, it):
        self.it = it

    async def gate(self, world="w"):
        return json.loads((await self.it.get(f"/worlds/{world}/order-gate?run_id=r"))[1])

    async def deliver(self, *sequences, world="w"):
        from ackgap.bus.transport import partition_of

        for sequence in sequences:
            key = world.encode()
            record = {"topic": "activation", "partition": partition_of(key, 4), "key": key}
            await self.it.bus.produce(**record, value=value(sequence, world))

    async def acked(self, *sequences, world="w"):
        await self.it.until(lambda: set(sequences) <= set(self.it.acked(world)))

    async def lose_the_log(self):
        await self.it.bus.delete_topic("activation")
        await self.it.bus.create_topic("activation", 4)

    async def restart(self, **env):
        await self.it.stop(signal.SIGKILL)
        self.it.acks.clear()
        await self.it.start(**env)

    async def opened(self, world="w"):
        async with asyncio.timeout(10):
            while (await self.gate(world))["state"] != "open":
                await asyncio.sleep(0.01)


def durable_test(body, **settings_):
    async def turn():
        async with running(GROUP_INSTANCE_ID="g-1", **settings_) as it:
            await body(Turn(it), it)

    asyncio.run(turn())


@pytest.mark.skipif(KIND != "embedded", reason="the mock broker cannot delete topics")
def test_with_a_state_file_a_lost_log_needs_no_resync(tmp_path):
    async def body(turn, it):
        await turn.deliver(1, 2)
        await turn.acked(1, 2)
        await it.stop(signal.SIGKILL)
        await turn.lose_the_log()
        await turn.restart()
        await turn.deliver(3, 4)
        await turn.acked(3, 4)
        assert it.acked("w") in ([3, 4], [2, 3, 4])
        await turn.opened()
        assert it.asked == []

    durable_test(body, STATE_DB=str(tmp_path / "state.db"))


@pytest.mark.skipif(KIND != "embedded", reason="the mock broker cannot delete topics")
def test_with_a_state_file_events_behind_a_gap_outlive_the_log(tmp_path):
    async def body(turn, it):
        await turn.deliver(1, 3, 4)
        await turn.acked(1)
        async with asyncio.timeout(10):
            while (await turn.gate())["reason"] != "gap":
                await asyncio.sleep(0.01)
        await turn.lose_the_log()
        await turn.restart()
        assert (await turn.gate())["state"] == "closed"
        await turn.deliver(2)
        await turn.acked(2, 3, 4)
        assert it.acked("w") in ([2, 3, 4], [1, 2, 3, 4])
        await turn.opened()
        assert it.asked == []

    durable_test(body, STATE_DB=str(tmp_path / "state.db"), GAP_TIMEOUT_MS="60000")


def test_with_a_state_file_lost_offsets_need_no_resync_and_repeat_nothing(tmp_path):
    async def body(turn, it):
        await turn.deliver(1, 2, 3, 4)
        await turn.acked(1, 2, 3, 4)
        await turn.opened()
        await turn.restart(GROUP_ID="another")
        await turn.opened()
        await turn.deliver(5, 6, 7, 8)
        await turn.acked(5, 6, 7, 8)
        assert set(it.acked("w")) - {4} == {5, 6, 7, 8}
        assert it.asked == []

    durable_test(body, STATE_DB=str(tmp_path / "state.db"))


def test_without_a_state_file_lost_offsets_lead_to_a_replay_in_order():
    async def body(turn, it):
        await turn.deliver(1, 2, 3)
        await turn.acked(1, 2, 3)
        await turn.restart(GROUP_ID="another")
        await turn.deliver(4)
        await turn.acked(1, 2, 3, 4)
        assert it.acked("w") == [1, 2, 3, 4]
        await turn.opened()
        assert it.asked == []

    durable_test(body)


def test_without_a_state_file_committed_offsets_lead_to_a_resync():
    async def body(turn, it):
        for n in (1, 2, 3):
            it.service.emit(StreamPlan(alias="", world_id="w", run_id="r", first=1, plan=PLAN, form="flat").body(n))
        await turn.deliver(1, 2)
        await turn.acked(1, 2)
        assert await it.stop() == 0  # commits on leaving
        await turn.restart()
        assert (await turn.gate())["reason"] in {"unknown_stream", "catching_up"}
        await turn.deliver(3)
        await turn.acked(3)
        assert (await turn.gate())["state"] == "closed"
        await turn.deliver(4)
        await turn.opened()
        assert {planned.endpoint for planned in it.asked} == {"state_hash", "snapshot"}

    durable_test(body)


def test_what_was_read_but_waits_for_acks_keeps_its_gate_closed():
    core = build(gap_timeout_ms=3000, resync_enforced=True, seed=1)
    core.assigned({0: 0})
    effects = []
    for sequence, verb in enumerate(("freeze", "unfreeze", "freeze", "unfreeze"), start=1):
        if sequence == 4:
            core.caught_up()
        plan = StreamPlan(alias="", world_id="w", run_id="r", first=sequence, plan=((verb, "a", "long"),), form="flat")
        effects += core.record(partition=0, offset=sequence, key=b"w", value=encode(plan.body(sequence), "flat"), now=0)
    seen = []
    while acks := [effect for effect in effects if isinstance(effect, PublishAck)]:
        gate = core.gate("w", "r")
        seen.append((gate["applied_sequence"], gate["state"], gate["reason"]))
        effects = core.ack_confirmed(acks[0].token, 0)
    assert seen == [
        (1, "closed", "catching_up"),
        (2, "closed", "catching_up"),
        (3, "closed", "freeze"),
        (4, "open", ""),
    ]


@pytest.mark.parametrize("kept", [True, False], ids=["state file", "log replay"])
def test_no_gate_opens_while_old_unfreezes_are_read_again(tmp_path, kept):
    """The log holds many runs of the plan that freeze, unfreeze and in the end freeze again."""

    async def body(turn, it):
        rounds = 60
        await turn.deliver(*range(1, 4 * rounds + 2))
        await turn.acked(4 * rounds + 1)
        assert (await turn.gate())["reason"] == "freeze"
        await it.stop(signal.SIGKILL)
        seen = set()
        starting = asyncio.create_task(turn.restart(GROUP_ID="another"))
        async with asyncio.timeout(20):
            while "freeze" not in seen:
                try:
                    gate = await turn.gate()
                except OSError:
                    await asyncio.sleep(0.002)
                    continue
                assert gate["state"] == "closed", gate
                seen.add(gate["reason"])
        await starting
        assert seen - {"freeze"} <= {"catching_up", "unknown_stream"}

    durable_test(body, **({"STATE_DB": str(tmp_path / "state.db")} if kept else {}))


def test_killed_in_mid_stream_again_and_again_it_goes_on_in_order(tmp_path):
    async def body(turn, it):
        dice = random.Random(5)
        for round_ in range(4):
            worlds = [f"w{round_}-{n}" for n in range(8)]
            sends = [asyncio.create_task(turn.deliver(*range(1, 21), world=world)) for world in worlds]
            await asyncio.sleep(dice.uniform(0.0, 0.15))
            await it.stop(signal.SIGKILL)
            await asyncio.gather(*sends)
            await it.start()
            await it.until(lambda worlds=worlds: all(20 in it.acked(world) for world in worlds), seconds=20)
            for world in worlds:
                assert list(dict.fromkeys(it.acked(world))) == list(range(1, 21))
                await turn.opened(world)
        assert it.asked == []

    durable_test(body, STATE_DB=str(tmp_path / "state.db"), GAP_TIMEOUT_MS="60000")


def test_a_damaged_state_file_is_refused(tmp_path):
    async def body(turn, it):
        await turn.deliver(1, 3)
        await turn.acked(1)
        await it.stop()
        with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as database:
            database.execute("UPDATE streams SET document = '{}'")
        it.process = await asyncio.create_subprocess_exec(*it.command, env={**it.env}, stderr=asyncio.subprocess.PIPE)
        said = (await it.process.stderr.read()).decode()
        assert await it.process.wait() == 2
        assert "is damaged" in said

    durable_test(body, STATE_DB=str(tmp_path / "state.db"))
