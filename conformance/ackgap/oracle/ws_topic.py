"""What the activation topic alone shows of a WorldService: shape, key, sequences and phases (RFC 1, RFC 2)."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from ackgap.oracle.reading import whole
from ackgap.oracle.ws_bench import WorldBench
from ackgap.oracle.ws_facts import Event, Run, World, shown

CARRIED = ("run_id", "sequence", "phase")
WANTED = ("state_hash", "etag", "idempotency_key")


def shapes(bench: WorldBench, world: World) -> None:
    """WS-07 what sequenced events carry, WS-08 the schema, WS-10 that an apply's events require an ACK."""
    for event in world.events:
        sequenced = event.body.get("requires_ack") is True
        lacking = [name for name in CARRIED if event.body.get(name) is None] if sequenced else []
        place = event.body.get("sequence")
        if sequenced and not lacking and (whole(place) or 0) < 1:
            lacking = ["sequence"]
        for requirement in ("WS-07",) if sequenced else ():
            bench.exercised(requirement, world)
        bench.exercised("WS-08", world)
        if lacking:
            values = ", ".join(f"{name} {event.body.get(name)!r}" for name in lacking)
            bench.convict("WS-07", world, f"an event with requires_ack true has {values}", about=[event.seen])
        elif event.problem:
            bench.convict("WS-08", world, f"a record breaks the schema: {event.problem}", about=[event.seen])
        elif not sequenced and event.phase and event.run_id:
            said = f"a {event.phase} event of run {event.run_id!r} does not require an ACK"
            bench.convict("WS-10", world, said, about=[event.seen])
        elif sequenced:
            bench.exercised("WS-10", world)


def record_keys(bench: WorldBench, world: World) -> None:
    """WS-09: the record key is the world, so that all of it stays in one partition."""
    for event in world.events:
        named = event.body.get("world_id")
        if not isinstance(named, str):
            continue
        bench.exercised("WS-09", world)
        if event.seen.key != named:
            said = f"the key of a record of world {named!r} is {event.seen.key!r}"
            bench.convict("WS-09", world, said, about=[event.seen])


def sequences(bench: WorldBench, world: World) -> None:
    """WS-01 and WS-04: from 1 and without a hole, whatever becomes of the run; WS-36: published in that order."""
    for run in () if world.renamed else world.runs.values():
        if not run.events or run.malformed or world.unreadable or world.cut(run) or not world.read_after(run.ended):
            continue
        failed = world.failed(run)
        requirement = "WS-04" if failed else "WS-01"
        bench.exercised(requirement, world)
        first = min(run.events)
        holes = run.holes()
        if first != 1:
            said = f"run {run.run_id!r} begins with sequence {first}"
            bench.convict(requirement, world, said, about=[run.events[first].seen])
        elif holes:
            after = min(s for s in run.events if s > holes[0])
            said = f"run {run.run_id!r} has no event {', '.join(map(str, holes))} and goes on with {after}" + (
                ", after it had failed or was given up" if failed else ""
            )
            bench.convict(requirement, world, said, about=[run.events[holes[0] - 1].seen, run.events[after].seen])
        bench.exercised("WS-36", world)
        arrived = list(run.events.values())
        for one, other in pairwise(arrived):
            if one.sequence > other.sequence:
                said = f"{one.named} was published before event {other.sequence}"
                bench.convict("WS-36", world, said, about=[one.seen, other.seen])
                break


def phases(bench: WorldBench, world: World) -> None:
    """WS-05 all freezes before the first unfreeze, WS-06 each entry once in each phase (RFC 1)."""
    for run in () if world.renamed else world.runs.values():
        if not run.events or not world.plain(run) or run.holes() or not world.read_after(run.ended):
            continue
        ordered = run.ordered()
        if _took_back(bench, world, run):
            continue
        bench.exercised("WS-05", world)
        first = next((e for e in ordered if e.phase == "unfreeze"), None)
        late = next(
            (e for e in ordered if first is not None and e.phase == "freeze" and e.sequence > first.sequence), None
        )
        if first is not None and late is not None:
            said = f"{late.named} comes after {first.named}, although nothing had failed"
            bench.convict("WS-05", world, said, about=[first.seen, late.seen])
            continue
        if not run.whole():
            continue  # never completed: WS-33 and its relatives
        bench.exercised("WS-06", world)
        said = _uneven(world, run, ordered)
        if said:
            bench.convict("WS-06", world, said, about=[e.seen for e in ordered[:20]])


def _took_back(bench: WorldBench, world: World, run: Run) -> bool:
    """Whether the service itself gave the run up: what was unfrozen is frozen once more, and what was before comes back."""
    unfrozen, again = set(), False
    for event in run.ordered():
        if event.phase == "unfreeze":
            unfrozen.add(event.key)
        elif event.key in unfrozen:
            again = True
    if not again or not run.whole():
        return False
    ask = world.ask_of(run)
    asked = {(e["strategy_id"], e["side"]): shown(e) for e in ask.entries} if ask is not None else {}
    end, before = bench.state(world, run, run.last), bench.state(world, run, 0)
    if any(key in before and _differs(end[key], before[key]) for key in unfrozen):
        return False
    return not asked or any(_differs(end.get(key, {}), entry) for key, entry in asked.items())


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(name in other and one[name] != other[name] for name in ("active", "weight") if name in one)


def _uneven(world: World, run: Run, ordered: list[Event]) -> str:
    frozen = [e.key for e in ordered if e.phase == "freeze"]
    unfrozen = [e.key for e in ordered if e.phase == "unfreeze"]
    for keys, word in ((frozen, "frozen"), (unfrozen, "unfrozen")):
        twice = next((k for k in keys if keys.count(k) > 1), None)
        if twice is not None:
            return f"run {run.run_id!r}: {twice[0]}/{twice[1]} is {word} {keys.count(twice)} times"
    odd = set(frozen) ^ set(unfrozen)
    if odd:
        key = min(odd, key=str)
        done, lacks = ("frozen", "unfrozen") if key in frozen else ("unfrozen", "frozen")
        return f"run {run.run_id!r}: {key[0]}/{key[1]} is {done} and never {lacks}"
    not_frozen = next((e for e in ordered if e.phase == "freeze" and not _holds(e, True)), None)
    if not_frozen is not None:
        return f"{not_frozen.named} neither freezes nor drains"
    ask = world.ask_of(run)
    wanted = {(e["strategy_id"], e["side"]) for e in ask.entries} if ask is not None else set()
    missing = min(wanted - set(frozen), key=str, default=None)
    return f"run {run.run_id!r}: {missing[0]}/{missing[1]} was asked for and never frozen" if missing else ""


def _holds(event: Event, otherwise: bool) -> bool:
    """Whether an event says that its entry is frozen or draining; `otherwise` where it says nothing of that."""
    said = [event.body[name] for name in ("freeze", "drain") if event.body.get(name) is not None]
    return any(said) if said else otherwise


def repeats(bench: WorldBench, world: World) -> None:
    """WS-25: what is published again is the same; WS-30: the version never falls; WS-34: what events should carry."""
    for run in world.runs.values():
        if not run.events or not world.read_after(run.ended):
            continue
        bench.exercised("WS-25", world)
        for copy in run.copies:
            first = run.events[copy.sequence]
            changed = [name for name, value in first.content.items() if copy.content[name] != value]
            if changed:
                said = f"{first.named} was published again with another {', '.join(changed)}"
                bench.convict("WS-25", world, said, about=[first.seen, copy.seen])
        _versions(bench, world, run)
        for event in run.ordered():
            bench.exercised("WS-34", world)
            lacking = [name for name in WANTED if not event.body.get(name)]
            if lacking:
                said = f"{event.named} carries no {', '.join(lacking)}"
                bench.convict("WS-34", world, said, about=[event.seen])


def _versions(bench: WorldBench, world: World, run: Run) -> None:
    ordered = run.ordered()
    versions = [(e, whole(e.body.get("version"))) for e in ordered]
    known = [(e, v) for e, v in versions if v is not None]
    if len(ordered) > 1:
        bench.exercised("WS-30", world)
    for (one, before), (other, after) in pairwise(known):
        if after < before:
            said = f"version falls from {before} in {one.named} to {after} in event {other.sequence}"
            bench.convict("WS-30", world, said, about=[one.seen, other.seen])
            break


def keys_are_unique(bench: WorldBench) -> None:
    """WS-26: different events have different idempotency keys, and different envelope ids of one source."""
    owners: dict[tuple[Any, ...], tuple[World, Event]] = {}
    for world in bench.worlds.values():
        for run in world.runs.values():
            if len(run.events) > 1:
                bench.exercised("WS-26", world)
            for event in run.ordered():
                for what, token in _tokens(event):
                    other = owners.setdefault((what, *token), (world, event))
                    if other[1] is not event:
                        said = f"{event.named} of world {world.world_id!r} has the {what} {token[-1]!r} of {other[1].named} of world {other[0].world_id!r}"
                        bench.convict("WS-26", world, said, about=[other[1].seen, event.seen])


def _tokens(event: Event) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = []
    key = event.body.get("idempotency_key")
    if isinstance(key, str) and key:
        found.append(("idempotency_key", (key,)))
    envelope = event.envelope or {}
    if isinstance(envelope.get("id"), str) and isinstance(envelope.get("source"), str):
        found.append(("envelope id", (envelope["source"], envelope["id"])))
    return found


MONITORS: tuple[Callable[[WorldBench, World], None], ...] = (shapes, record_keys, sequences, phases, repeats)
