"""Whole applies, from the request to the gate, as the tests play them. Each has worlds of its own, named after it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.courier import Courier
from tests.e2e.pair import Pair

NOW, HOLD = Courier.NOW, Courier.HOLD


@dataclass(frozen=True)
class Played:
    name: str
    on: tuple[str, ...]
    worlds: tuple[str, ...]
    play: Callable[..., Any]
    stays_closed: bool


CATALOGUE: list[Played] = []


def scenario(*on, worlds=("w",), stays_closed=False):
    """`on` names the pairs it is played on; `stays_closed` says that a gate may be closed at its end."""

    def register(play):
        CATALOGUE.append(
            Played(play.__name__, on or ("enforced", "unforced"), tuple(worlds), play, stays_closed=stays_closed)
        )
        return play

    return register


def lose(*sequences, run=None):
    return lambda body: [] if body["sequence"] in sequences and run in (None, body["run_id"]) else [NOW]


def hold_back(*sequences):
    return lambda body: [HOLD] if not sequences or body["sequence"] in sequences else [NOW]


def place(acked, world, run, sequence):
    return list(acked).index((world, run, sequence))


async def closed_while_switching(p: Pair, world: str, run="r1"):
    """Ask for the gate; as long as the switch has not ended since, it must have been closed. Returns whether it was so."""
    gate = await p.gate(world, run)
    switching = (await p.status(world, run))["state"] == "switching"
    assert gate == "closed" or not switching
    return switching


# --- the plain loop ------------------------------------------------------------------------------------------------


@scenario()
async def all_freezes_are_acked_before_an_unfreeze_takes_effect(p: Pair, w: str):
    entries = [f"s{n}/long" for n in range(4)]
    await p.apply(w, entries=entries, rehearse={"switch_ms": 4000})
    await p.all_acked(w, "r1", 4)
    assert await closed_while_switching(p, w)
    await p.all_acked(w, "r1", 8)
    await p.gate_becomes("open", w)
    acked = p.instance.acked
    assert max(acked[w, "r1", n] for n in range(1, 5)) < min(acked[w, "r1", n] for n in range(5, 9))
    assert p.asked(w) == []


@scenario()
async def the_gate_is_closed_for_as_long_as_the_switch_takes(p: Pair, w: str):
    await p.completed(w, "r0")
    await p.gate_becomes("open", w, "r0")
    await p.apply(w, rehearse={"switch_ms": 4000})
    await p.all_acked(w, "r1", 2)
    asked = 0
    while await closed_while_switching(p, w):
        asked += 1
        await asyncio.sleep(0.05)
    assert asked
    await p.ended(w)
    await p.gate_becomes("open", w)


@scenario()
async def repeated_applies_are_runs_of_their_own(p: Pair, w: str):
    for n in range(5):
        await p.completed(w, f"r{n}", weight=n / 5)
        await p.all_acked(w, f"r{n}", 4)
        await p.gate_becomes("open", w, f"r{n}")


@scenario()
async def applies_without_a_pause_between_them(p: Pair, w: str):
    for n in range(6):
        await p.completed(w, f"r{n}", weight=n / 10)
    await p.all_acked(w, "r5", 4)
    await p.gate_becomes("open", w, "r5")


@scenario(worlds=("one", "two"))
async def two_worlds_at_once_do_not_wait_for_each_other(p: Pair, one: str, two: str):
    await p.apply(one, rehearse={"switch_ms": 5000})
    await p.completed(two)
    await p.gate_becomes("open", two)
    assert await closed_while_switching(p, one)
    await p.ended(one)
    await p.gate_becomes("open", one)


@scenario(worlds=[f"w{n}" for n in range(12)])
async def twelve_worlds_at_once(p: Pair, *worlds: str):
    await asyncio.gather(*(p.completed(w) for w in worlds))
    await asyncio.gather(*(p.all_acked(w, "r1", 4) for w in worlds))
    await asyncio.gather(*(p.gate_becomes("open", w) for w in worlds))


@scenario()
async def drain_closes_the_gate_like_freeze(p: Pair, w: str):
    await p.apply(w, mode="drain", rehearse={"switch_ms": 4000})
    await p.all_acked(w, "r1", 1)
    await p.until(lambda: len(p.courier.bodies[w]) == 2)
    assert await closed_while_switching(p, w)
    await p.ended(w)
    await p.gate_becomes("open", w)


@scenario(worlds=("a/b 100% %2F 世界",))
async def odd_ids_find_their_way(p: Pair, w: str):
    await p.completed(w, "run/1 ?#", entries=("世/界 %2F/long",))
    await p.all_acked(w, "run/1 ?#", 2)
    await p.gate_becomes("open", w, "run/1 ?#")


@scenario()
async def the_hash_of_the_state_follows_a_weight_to_and_fro(p: Pair, w: str):
    hashes = []
    for n, weight in enumerate((0.5, 0.6, 0.5)):
        await p.completed(w, f"r{n}", weight=weight)
        hashes.append((await p.snapshot(w))["state_hash"])
    assert hashes[0] == hashes[2] != hashes[1]
    await p.gate_becomes("open", w, "r2")


# --- failure and rollback ------------------------------------------------------------------------------------------


async def fails(p: Pair, w: str, phase: str, events: int):
    await p.completed(w, "r0", weight=0.25)
    before = await p.snapshot(w)
    await p.apply(w, weight=0.75, rehearse={"fail": phase})
    ended = await p.ended(w)
    assert ended["state"] == "rolled_back"
    assert ended["emitted"] == events
    await p.all_acked(w, "r1", events)
    await p.gate_becomes("open", w)
    assert (await p.snapshot(w))["state_hash"] == before["state_hash"]


@scenario()
async def a_failing_switch_is_rolled_back(p: Pair, w: str):
    await fails(p, w, "switch", 4)


@scenario()
async def a_failing_freeze_phase_is_rolled_back(p: Pair, w: str):
    await fails(p, w, "freeze", 2)


@scenario()
async def a_failing_unfreeze_phase_freezes_again_and_is_rolled_back(p: Pair, w: str):
    await fails(p, w, "unfreeze", 6)


@scenario()
async def after_a_rollback_the_next_apply_goes_through(p: Pair, w: str):
    await fails(p, w, "switch", 4)
    await p.completed(w, "r2", weight=1.0)
    await p.all_acked(w, "r2", 4)
    await p.gate_becomes("open", w, "r2")


@scenario()
async def an_apply_given_up_by_the_operator_opens_the_gate_as_it_was(p: Pair, w: str):
    await p.completed(w, "r0")
    await p.apply(w, rehearse={"switch_ms": 60_000})
    await p.all_acked(w, "r1", 2)
    assert (await p.ask("DELETE", w, "apply/r1"))[0] == 202
    assert (await p.ended(w))["state"] == "rolled_back"
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)


# --- by hand -------------------------------------------------------------------------------------------------------


@scenario()
async def a_hold_by_hand_in_the_middle_keeps_the_gate_closed_until_it_is_lifted(p: Pair, w: str):
    await p.apply(w, rehearse={"switch_ms": 3000})
    await p.all_acked(w, "r1", 2)
    await p.override(w, freeze=True)
    await p.ended(w)
    await p.all_acked(w, "r1", 4)
    assert await p.gate(w) == "closed"
    assert (await p.snapshot(w))["state"]["alpha"]["long"]["freeze"] is True
    await p.override(w, freeze=False)
    await p.gate_becomes("open", w)


@scenario()
async def a_hold_by_hand_between_applies_closes_and_opens(p: Pair, w: str):
    await p.completed(w)
    await p.gate_becomes("open", w)
    await p.override(w, drain=True)
    await p.gate_becomes("closed", w)
    await p.override(w, drain=False)
    await p.gate_becomes("open", w)


@scenario("unforced", stays_closed=True)
async def an_override_opens_nothing_during_a_gap(p: Pair, w: str):
    p.courier.change[w] = lose(2)
    await p.apply(w, rehearse={"switch_ms": 100})
    await p.ended(w)
    await p.override(w, freeze=True)
    await p.override(w, freeze=False)
    await p.settle([w])
    assert await p.gate(w) == "closed"


# --- what the bus does ---------------------------------------------------------------------------------------------


@scenario()
async def every_event_comes_twice(p: Pair, w: str):
    p.courier.change[w] = lambda _: [NOW, NOW]
    await p.completed(w)
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)


@scenario()
async def events_come_in_reverse(p: Pair, w: str):
    p.courier.change[w] = hold_back()
    ended = await p.completed(w)
    assert ended["acks"]["received"] == 0
    p.courier.release(w, order=lambda values: values[::-1])
    await p.all_acked(w, "r1", 4)
    assert p.acked(w) == [1, 2, 3, 4]
    await p.gate_becomes("open", w)


@scenario()
async def a_gateway_that_gets_everything_late_holds_up_nothing(p: Pair, w: str):
    p.courier.change[w] = hold_back()
    await p.completed(w)
    await asyncio.sleep(0.3)
    assert (await p.status(w))["acks"]["missing"] == [1, 2, 3, 4]
    p.courier.release(w)
    await p.all_acked(w, "r1", 4)

    async def late():
        while (acks := (await p.status(w))["acks"])["received"] < 4:
            await asyncio.sleep(0.01)
        return acks

    acks = await asyncio.wait_for(late(), 10)
    assert (acks["missing"], acks["late"]) == ([], 4)
    await p.gate_becomes("open", w)


@scenario("enforced")
async def a_lost_freeze_is_mended_by_a_resync_in_the_middle_of_the_apply(p: Pair, w: str):
    p.courier.change[w] = lose(1)
    await p.apply(w, rehearse={"switch_ms": 3000})
    await p.all_acked(w, "r1", 2, lost={1})
    await closed_while_switching(p, w)
    assert {"state_hash", "snapshot"} <= set(p.asked(w))
    await p.ended(w)
    await p.all_acked(w, "r1", 4, lost={1})
    await p.gate_becomes("open", w)
    assert 1 not in p.acked(w)
    assert (await p.status(w))["acks"]["missing"] == [1]


@scenario("enforced")
async def a_resync_after_the_end_takes_the_state_of_the_end(p: Pair, w: str):
    p.courier.change[w] = lose(1, 2, 3)
    await p.completed(w, weight=0.5)
    await p.gate_becomes("open", w)
    assert 3 not in p.acked(w)


@scenario("unforced")
async def with_resync_off_a_lost_event_holds_the_gate_until_it_comes(p: Pair, w: str):
    p.courier.change[w] = lose(2)
    await p.completed(w)
    await p.all_acked(w, "r1", 1)
    await asyncio.sleep(1.5 * p.setting.gap_timeout_ms / 1000)
    assert await p.gate(w) == "closed"
    p.courier.deliver(w, p.courier.lost[w][0])
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)
    assert p.asked(w) == []


@scenario("unforced", stays_closed=True)
async def the_next_run_does_not_wait_for_a_run_that_lost_an_event(p: Pair, w: str):
    p.courier.change[w] = lose(2, run="r1")
    await p.completed(w, "r1")
    await p.completed(w, "r2")
    await p.all_acked(w, "r2", 4)
    await p.gate_becomes("open", w, "r2")
    assert await p.gate(w, "r1") == "closed"


@scenario(stays_closed=True)
async def a_lost_last_unfreeze_leaves_the_gate_closed_and_the_next_run_opens_it(p: Pair, w: str):
    p.courier.change[w] = lose(4, run="r1")
    await p.completed(w, "r1")
    await p.settle([w])
    assert await p.gate(w, "r1") == "closed"
    await p.completed(w, "r2")
    await p.gate_becomes("open", w, "r2")


@scenario("enforced")
async def a_rollback_with_a_lost_event_is_mended_too(p: Pair, w: str):
    await p.completed(w, "r0", weight=0.25)
    p.courier.change[w] = lose(3, run="r1")
    await p.apply(w, weight=0.75, rehearse={"fail": "switch"})
    assert (await p.ended(w))["state"] == "rolled_back"
    await p.gate_becomes("open", w)
    assert "snapshot" in p.asked(w)


@scenario("enforced")
async def a_worldservice_that_cannot_be_reached_keeps_the_gate_closed_until_it_can(p: Pair, w: str):
    p.cut_off(w)
    p.courier.change[w] = lose(2)
    await p.completed(w)
    await p.until(lambda: len(p.asked(w)) >= 2)
    assert await p.gate(w) == "closed"
    p.reconnect(w)
    await p.gate_becomes("open", w)


# --- services that are gone, alone on their pair -------------------------------------------------------------------


@scenario("alone")
async def an_apply_completes_while_the_gateway_is_down_and_its_acks_come_later(p: Pair, w: str):
    await p.completed(w, "r0")
    await p.all_acked(w, "r0", 4)
    await p.kill_gateway()
    await p.completed(w)
    await asyncio.sleep(0.3)
    acks = (await p.status(w))["acks"]
    assert (acks["received"], acks["missing"]) == (0, [1, 2, 3, 4])
    await p.gateway_again()
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)
    assert p.asked(w) == []


@scenario("alone")
async def a_gateway_killed_behind_a_freeze_comes_back_closed(p: Pair, w: str):
    await p.completed(w, "r0")
    await p.apply(w, rehearse={"switch_ms": 60_000})
    await p.all_acked(w, "r1", 2)
    await p.kill_gateway()
    await p.gateway_again()
    for _ in range(10):
        assert await p.gate(w) == "closed"
    assert (await p.ask("DELETE", w, "apply/r1"))[0] == 202
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)


@scenario("alone")
async def a_gateway_killed_in_a_gap_comes_back_in_the_gap_and_is_mended(p: Pair, w: str):
    p.cut_off(w)
    p.courier.change[w] = lose(2)
    await p.completed(w)
    await p.until(lambda: len(p.asked(w)) >= 1)
    await p.kill_gateway()
    await p.gateway_again()
    assert await p.gate(w) == "closed"
    p.reconnect(w)
    await p.gate_becomes("open", w)
    await p.all_acked(w, "r1", 4, lost={2})


@scenario("alone")
async def a_worldservice_killed_in_the_middle_goes_on_where_it_was(p: Pair, w: str):
    await p.apply(w, rehearse={"switch_ms": 3000})
    await p.all_acked(w, "r1", 2)
    await p.kill_worldservice()
    assert await p.gate(w) == "closed"
    await p.worldservice_again()
    assert (await p.ended(w))["state"] == "completed"
    await p.all_acked(w, "r1", 4)
    await p.gate_becomes("open", w)


@scenario("alone")
async def both_killed_in_the_middle_end_as_if_nothing_had_been(p: Pair, w: str):
    await p.apply(w, entries=[f"s{n}/long" for n in range(6)], rehearse={"switch_ms": 100})
    await p.until(lambda: len(p.courier.bodies.get(w, ())) >= 3)
    await p.kill_worldservice()
    await p.kill_gateway()
    await asyncio.gather(p.worldservice_again(), p.gateway_again())
    assert (await p.ended(w))["state"] == "completed"
    await p.all_acked(w, "r1", 12)
    await p.gate_becomes("open", w)


@scenario("alone")
async def acks_that_never_come_stop_nobody_and_nothing_opens_for_lack_of_them(p: Pair, w: str):
    """Safe fallback: what is missing is told, the next apply begins all the same, and no gate answers open meanwhile."""
    await p.kill_gateway()
    for n in range(3):
        await p.completed(w, f"r{n}")
        assert await p.gate(w, f"r{n}") == "unknown"
    for n in range(3):
        assert (await p.status(w, f"r{n}"))["acks"]["received"] == 0
    await p.gateway_again()
    await p.all_acked(w, "r2", 4)
    await p.gate_becomes("open", w, "r2")
