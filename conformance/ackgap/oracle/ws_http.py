"""What a WorldService answers over HTTP: both endpoints, unknown worlds, problem details, one entry, version tags."""

import re
from collections.abc import Callable

from ackgap.oracle.facts import is_plain
from ackgap.oracle.reading import whole
from ackgap.oracle.ws_bench import WorldBench
from ackgap.oracle.ws_facts import NS_PER_MS, Answer, Event, World

TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"')  # RFC 9110, 8.8.3
NEVER = "-never"
MISSING = {
    404: "it knows no such path or no such world",
    405: "it does not take GET there",
    501: "it is not implemented",
}
ENTRYLESS = "ackgap-no-such-strategy"


def odd(world: World) -> bool:
    """Whether the id of a world has to be encoded in a path."""
    return not is_plain(world.world_id)


def endpoints(bench: WorldBench, world: World) -> None:
    """WS-32: both endpoints answer for a world that is known; WS-35: whatever its id; WS-31: with what the schema says."""
    if odd(world) and world.asks:
        bench.exercised("WS-35", world)
    for answer in world.answers:
        seen = answer.seen
        if seen.endpoint == "entry" or world.away(answer) or seen.if_none_match:
            continue
        if not (world.at_rest(answer) and world.latest(seen.t_sent)) or (world.stops and seen.status in {404, 503}):
            continue  # a service that has forgotten everything after a restart contradicts nothing
        bench.exercised("WS-32", world)
        if _passing(world, answer):
            continue
        said = _no_answer(answer)
        if said:
            requirement = "WS-35" if odd(world) and seen.status and _answered(bench, seen.endpoint) else "WS-32"
            words = f"{seen.endpoint} of a known world: {said}"
            waited_ms = (seen.t - seen.t_sent) / NS_PER_MS if seen.failure == "hung" else 0.0
            bench.timed(
                requirement, world, words, begin=seen.t_sent, end=seen.t, margin_ms=waited_ms, about=[seen], tier="http"
            )
            continue
        bench.exercised("WS-31", world)
        if answer.problem:
            kind = f" ({seen.content_type})" if seen.content_type else ""
            bench.convict("WS-31", world, f"{seen.endpoint}{kind}: {answer.problem}", about=[seen], tier="http")
            continue
        named = answer.document.get("world_id")
        bench.exercised("WS-35", world)
        if named is not None and named != world.world_id:
            said = f"{seen.endpoint} of world {world.world_id!r} answered about world {named!r}"
            bench.convict("WS-35", world, said, about=[seen], tier="http")


def _passing(world: World, answer: Answer) -> bool:
    """Whether a service that was busy for a moment answered later; 429 and 503 say that it will."""
    seen = answer.seen
    later = [a for a in world.answers if a.seen.endpoint == seen.endpoint and a.seen.t_sent >= seen.t]
    return seen.status in {429, 503} and any(a.ok for a in later)


def _answered(bench: WorldBench, endpoint: str) -> bool:
    """Whether that endpoint answers for worlds with plain ids."""
    return any(a.ok and a.seen.endpoint == endpoint for w in bench.worlds.values() if not odd(w) for a in w.answers)


def _no_answer(answer: Answer) -> str:
    """Why an answer is none, in words; "" if it is one."""
    seen = answer.seen
    if seen.failure == "hung":
        return f"no answer came within {(seen.t - seen.t_sent) / 1e9:.1f} s"
    if seen.failure == "refused":
        return "the connection was refused"
    if seen.failure == "garbled":
        return f"what came is no HTTP answer ({seen.body or 'it broke off'})"
    if 300 <= seen.status < 400:
        return f"it redirects to {seen.location or 'nowhere'} (status {seen.status}); the contract knows no redirect, and the kit follows none"
    if seen.status in {401, 403}:
        return f"it needs credentials (status {seen.status}); name them in the descriptor by `auth` or `headers`"
    if seen.status != 200:
        why = MISSING.get(seen.status, "expected 200")
        kind = f", {seen.content_type}" if seen.content_type else ""
        return f"status {seen.status}{kind}: {why}"
    return ""


def unknown(bench: WorldBench, world: World) -> None:
    """WS-17: a world that never was is 404; WS-18: errors are problem details."""
    for answer in world.answers:
        seen = answer.seen
        if seen.status and world.world_id.endswith(NEVER) and not world.asks:
            bench.exercised("WS-17", world)
            if seen.status != 404:
                said = f"{seen.endpoint} of a world that never was is answered {seen.status}, expected 404"
                bench.convict("WS-17", world, said, about=[seen], tier="http")
        if seen.status >= 400 and not world.away(answer):
            bench.exercised("WS-18", world)
            kind = (seen.content_type or "").partition(";")[0].strip().lower()
            if kind != "application/problem+json":
                said = f"an error {seen.status} is {kind or 'of no type'}, expected application/problem+json"
                bench.convict("WS-18", world, said, about=[seen], tier="http")
            elif answer.problem:
                bench.convict("WS-18", world, f"an error {seen.status}: {answer.problem}", about=[seen], tier="http")


def entries(bench: WorldBench, world: World) -> None:
    """WS-19: asked for a strategy and a side, it answers with the envelope of that entry's last event."""
    for answer in world.answers:
        seen = answer.seen
        if seen.endpoint != "entry" or not world.at_rest(answer) or world.stops:
            continue
        key = (seen.strategy_id, seen.side)
        if seen.strategy_id == ENTRYLESS:
            bench.exercised("WS-19", world)
            if seen.status != 404:
                said = f"an entry that the world does not have is answered {seen.status}, expected 404"
                bench.convict("WS-19", world, said, about=[seen], tier="http")
            continue
        if world.ill_told:
            continue
        mine = [e for e in world.events if not e.problem and e.key == key]
        run = world.latest(seen.t_sent)
        if not mine or run is None or key in world.unsequenced:
            continue
        last = max((e for e in run.events.values() if e.key == key), key=lambda e: e.sequence, default=mine[-1])
        bench.exercised("WS-19", world)
        said = _no_answer(answer) or answer.problem or _other_event(answer, last)
        if said:
            bench.convict("WS-19", world, f"entry {key[0]}/{key[1]}: {said}", about=[last.seen, seen], tier="http")


def _other_event(answer: Answer, last: Event) -> str:
    data = answer.document.get("data")
    body = data if isinstance(data, dict) else {}
    told = (body.get("run_id"), whole(body.get("sequence")))
    if told != (last.run_id, last.sequence):
        return f"it is event {told[1]} of run {told[0]!r}, although {last.named} was the last"
    changed = [n for n, v in last.content.items() if n in body and body[n] != v]
    return f"{', '.join(changed)} differs from {last.named}" if changed else ""


def tags(bench: WorldBench, world: World) -> None:
    """WS-20: a version tag is one; WS-21: there is one, and 304 is the answer to it; WS-22: 304 is said of nothing else."""
    answers = sorted((a for a in world.answers if a.seen.endpoint != "entry"), key=lambda a: a.seen.t_sent)
    for answer in answers:
        seen = answer.seen
        if seen.status == 200:
            bench.exercised("WS-20", world)
            if seen.etag is not None and TAG.fullmatch(seen.etag) is None:
                said = f"ETag {seen.etag!r} of {seen.endpoint} is no entity tag: it stands in double quotes"
                bench.convict("WS-20", world, said, about=[seen], tier="http")
        if seen.if_none_match and seen.status in {200, 304} and world.at_rest(answer):
            _conditional(bench, world, answer, answers)


def _conditional(bench: WorldBench, world: World, answer: Answer, answers: list[Answer]) -> None:
    seen = answer.seen
    mine = [a for a in answers if a.seen.endpoint == seen.endpoint and a.seen.status == 200 and a.seen.t <= seen.t_sent]
    giver = next((a for a in reversed(mine) if _bare(a.seen.etag) == _bare(seen.if_none_match)), None)
    now = next((a for a in reversed(mine) if _same_rest(world, a, answer)), None)
    if giver is None or not _same_rest(world, giver, answer):
        bench.exercised("WS-22", world)
        whence = "never given out" if giver is None else f"that of {giver.seen.t / 1e9:.3f} s, before the state changed"
        changed = giver is None or _has_changed(world, giver, now, answer)
        if seen.status == 304 and changed:
            said = f"{seen.endpoint} answered 304 to If-None-Match {seen.if_none_match}, {whence}"
            bench.convict("WS-22", world, said, about=[*([giver.seen] if giver else []), seen], tier="http")
    if not seen.if_none_match.startswith('"ackgap-') and giver is not None and _same_rest(world, giver, answer):
        bench.exercised("WS-21", world)
        if seen.status != 304 or seen.body:
            said = f"{seen.endpoint} answered {seen.status} to the ETag of its own last answer, expected 304 without a body"
            bench.convict("WS-21", world, said, about=[giver.seen, seen], tier="http")
    elif seen.if_none_match.startswith('"ackgap-') and mine and all(a.seen.etag is None for a in mine):
        bench.convict("WS-21", world, f"{seen.endpoint} sends no ETag", about=[mine[-1].seen], tier="http")


def _has_changed(world: World, giver: Answer, now: Answer | None, answer: Answer) -> bool:
    """Whether the state is another than when a tag was given out: by a read of the same rest, else by events between."""
    if now is not None:
        return _told(giver) != _told(now)
    return any(giver.seen.t < e.t < answer.seen.t_sent for e in world.events)


def _told(answer: Answer) -> object:
    document = answer.document if isinstance(answer.document, dict) else {}
    return document.get("state_hash"), document.get("run_id"), document.get("sequence")


def _bare(tag: str | None) -> str | None:
    return tag.removeprefix("W/") if tag is not None else None


def _same_rest(world: World, one: Answer, other: Answer) -> bool:
    """Whether nothing happened between two answers."""
    return any(b <= one.seen.t_sent and other.seen.t <= e for b, e in world.rests())


def openapi(bench: WorldBench) -> None:
    """WS-37: answers are as the OpenAPI document says; WS-38: nothing that is asked leads to an error of the server."""
    if not bench.checked:
        return
    world = World(world_id="openapi", scenario="openapi", siblings=())
    bench.ledger.scenario_began(bench.instance, world.scenario)
    for checked in bench.checked:
        for requirement in ("WS-37", "WS-38"):
            for _ in range(checked.examples):
                bench.exercised(requirement, world)
    for found in bench.found:
        requirement = "WS-38" if found.status >= 500 else "WS-37"
        said = f"{found.operation}: {found.check}: {found.message}; again: {found.request}"
        bench.convict(requirement, world, said, about=[found], tier="http")


MONITORS: tuple[Callable[[WorldBench, World], None], ...] = (endpoints, unknown, entries, tags)
