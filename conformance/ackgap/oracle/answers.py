"""Brings the facts up to date with what the WorldService answered: which resync may, must or cannot succeed."""

from typing import Any

from ackgap.history import AnswerSent
from ackgap.oracle import reading
from ackgap.oracle.bench import Bench
from ackgap.oracle.deliveries import open_gap
from ackgap.oracle.facts import Cover, Path, Stream, World, extend_frontier, extend_paths

KEPT_COVERS = 16
BOUND_BYTES = 1 << 20  # a larger answer may be taken or refused: bodies are bounded


def answered(bench: Bench, world: World, o: AnswerSent) -> None:
    """Take one answer into the facts of its world."""
    if o.endpoint == "state_hash":
        world.probed = o.t
        _probe(bench, world, o)
    elif o.endpoint == "snapshot":
        _snapshot(bench, world, o)


def local_hashes(stream: Stream) -> set[str]:
    """Every state hash that a conformant Gateway may hold for the stream at this moment."""
    low = stream.highest_acked if stream.highest_acked in stream.events else 0
    hashes = {
        event.message.state_hash
        for sequence, event in stream.events.items()
        if low <= sequence <= stream.frontier and isinstance(event.message.state_hash, str)
    }
    return hashes | {cover.state_hash for cover in stream.covers if cover.kind == "snapshot"}


def _failed(world: World, o: AnswerSent) -> None:
    for stream in world.streams.values():
        _note(stream, "failed", o.t)


def _note(stream: Stream, kind: str, t: int) -> None:
    if stream.gap is not None:
        if len(stream.gap.answers) < 64:
            stream.gap.answers.append(kind)
        if not stream.gap.equal:  # otherwise it may go on, whatever it makes of the answer
            stream.pending_answers[kind] = t


def _document(o: AnswerSent) -> Any:
    read_in_part = o.failure == "gone" and o.size > 0  # the target hung up, perhaps because it had all it needed
    if (o.failure and not read_in_part) or o.status != 200:
        return None
    document = reading.decode(o.body, "utf-8")
    return None if isinstance(document, ValueError) else document


def _probe(bench: Bench, world: World, o: AnswerSent) -> None:
    document = _document(o)
    if document is None or not bench.valid_state_hash(document):
        _failed(world, o)
        return
    answer = document["state_hash"]
    world.probe_hashes.append((o.t, answer))
    for stream in world.streams.values():
        gap = stream.gap
        equal = answer in local_hashes(stream)
        _note(stream, "equal" if equal else "diverged", o.t)
        if gap is None:
            continue
        if equal:
            _equal(stream, answer, o.t)
        elif not gap.diverged and not gap.equal and o.t >= gap.opened_sent + world.instance.timeout_ns:
            gap.diverged = o.t
    for known, snapshot in [pair for pair in world.unmatched if pair[0] == answer]:
        world.unmatched.remove((known, snapshot))
        for stream in world.streams.values():
            _offer(stream, snapshot, t=o.t, firm=False)


def _equal(stream: Stream, told: str, t: int) -> None:
    """The hole may be skipped: what is buffered directly behind it may go on in order."""
    waiting = stream.waiting()
    if stream.gap is not None and stream.gap.equal:
        stream.gap.waits_on = t if told == stream.gap.told else 0  # who has not gone on finds another hash than its own
    if not stream.world.instance.resync_enforced:
        return
    if stream.gap is None or not waiting or waiting[0] <= stream.gap.missing:
        return
    stream.gap.equal, stream.gap.waits_on, stream.gap.told = True, t, told
    _cover(stream, Cover(t=t, sequence=waiting[0] - 1, kind="equal", state_hash="", entries={}, firm=False))
    base = stream.paths[0]
    entries = dict(base.entries)
    skipped = waiting[0] - 1
    stream.paths.append(Path(base=skipped, upto=skipped, entries=entries, gates={skipped: reading.gate_of(entries)}))
    del stream.paths[1:-4]
    extend_paths(stream)


def _snapshot(bench: Bench, world: World, o: AnswerSent) -> None:
    document = _document(o)
    if not isinstance(document, dict) or not isinstance(document.get("state_hash"), str):
        _failed(world, o)
        return
    problem = _problem(bench, world, document)
    if problem:
        for stream in world.streams.values():
            other = problem == "hash_mismatch" and document["run_id"] != stream.run_id
            _note(stream, "wrong_run" if other else problem, o.t)
        if problem == "hash_mismatch":
            world.unmatched.append((document["state_hash"], document))
        return
    firm = (
        not o.failure
        and o.size <= BOUND_BYTES
        and bool(world.probe_hashes)
        and world.probe_hashes[-1][1] == document["state_hash"]
    )
    for stream in world.streams.values():
        _offer(stream, document, t=o.t, firm=firm)


def _problem(bench: Bench, world: World, document: dict[str, Any]) -> str:
    """Why no stream of the world may accept the snapshot, or ""."""
    if document.get("world_id") != world.world_id:
        return "wrong_world"
    sequence = reading.whole(document.get("sequence"))
    if not isinstance(document.get("run_id"), str) or sequence is None or sequence < 0:
        return "incomplete"
    if not bench.valid_snapshot(document) or reading.entries_of(document.get("state")) is None:
        return "failed"
    if document["state_hash"] not in {answer for _, answer in world.probe_hashes}:
        return "hash_mismatch"
    return ""


def _offer(stream: Stream, document: dict[str, Any], *, t: int, firm: bool) -> None:
    """A snapshot that is right in itself: may or must this stream take it?"""
    instance = stream.world.instance
    if document["run_id"] != stream.run_id:
        _note(stream, "wrong_run", t)
        return
    sequence = reading.whole(document["sequence"]) or 0
    if sequence < stream.highest_acked:
        _note(stream, "stale", t)
        return
    entries = reading.entries_of(document.get("state")) or {}
    gap = stream.gap
    if gap is not None and not instance.resync_enforced:
        _note(stream, "unforced", t)
        return  # with the flag off nothing but the missing event helps a stream over its gap
    due = gap is not None and t >= gap.opened_sent + instance.timeout_ns
    free = gap is not None and gap.equal  # at an equal hash it may go on waiting, whatever it has fetched besides
    must = firm and (due or stream.suspended) and not free and not _others_ask(stream)
    _note(stream, "good", t)
    if gap is not None and gap.equal:
        gap.waits_on = t
    cover = Cover(
        t=t, sequence=sequence, kind="snapshot", state_hash=document["state_hash"], entries=entries, firm=must,
        gapped=gap is not None,
    )  # fmt: skip
    _cover(stream, cover)
    told = document["state_hash"]
    gates = {sequence: reading.gate_of(entries)}
    if not any(
        (path.base, path.told, path.gates.get(sequence)) == (sequence, told, gates[sequence]) for path in stream.paths
    ):
        stream.paths.append(Path(base=sequence, upto=sequence, entries=dict(entries), gates=gates, told=told))
        del stream.paths[1:-4]
    extend_paths(stream)
    if must:
        _make_due(stream, cover)


def _others_ask(stream: Stream) -> bool:
    """Whether the request may have been sent for another run of the world: whose answer it is cannot be told then."""
    return any(other is not stream and (other.gap or other.suspended) for other in stream.world.streams.values())


def _make_due(stream: Stream, cover: Cover) -> None:
    """A firm snapshot makes the events above it due, also after an earlier resync had failed."""
    stream.suspended = stream.amnesic = False
    sequence = cover.sequence + 1
    while (event := stream.events.get(sequence)) is not None:  # up to the next hole
        if not event.via:
            event.via = "snapshot"
            event.gap = event.gap or stream.mended
        sequence += 1


def _cover(stream: Stream, cover: Cover) -> None:
    stream.covers.append(cover)
    if len(stream.covers) > KEPT_COVERS:
        del stream.covers[0]
    extend_frontier(stream)
    gap = stream.gap
    if gap is None or cover.kind == "equal" or cover.sequence < gap.missing:
        return  # an equal hash may have moved the frontier past the hole; only what covers the hole closes the gap
    stream.gap, stream.mended = None, gap
    if not cover.firm:
        stream.suspended = True  # it may have been taken or not: nothing is due before a firm one
    if stream.waiting():
        last = stream.events[stream.waiting()[-1]]
        open_gap(stream, sent=cover.t, t=cover.t, partition=last.partition, offset=last.offset, behind_cover=True)
