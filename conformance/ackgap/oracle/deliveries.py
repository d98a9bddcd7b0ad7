"""Brings the facts up to date with what was delivered: sequence, gaps, duplicates, claims of invalid input."""

from dataclasses import replace

from ackgap.history import Delivered
from ackgap.oracle import reading
from ackgap.oracle.facts import NS_PER_MS, Event, Gap, Path, Stream, World, extend_frontier, extend_paths, forget
from ackgap.oracle.reading import Activation, Invalid

COPIES = 8
CLAIMS = 2048


def delivered(world: World, o: Delivered, message: Activation | Invalid) -> None:
    """Take one record of the activation topic into the facts of its world."""
    world.last_delivery = max(world.last_delivery, o.t)
    if isinstance(message, Invalid):
        _invalid(world, o, message)
    elif message.sequence == 0:
        _unsequenced(world, o, message)
    else:
        _sequenced(_home(world, message.world_id), o, message)


def stream_of(world: World, run_id: str, t: int) -> Stream:
    """The stream of that run, made known if it is new."""
    stream = world.streams.get(run_id)
    if stream is None:
        stream = Stream(world=world, run_id=run_id, number=len(world.streams), began=t)
        stream.paths.append(Path(base=0, upto=0, entries={}, gates={}))
        world.streams[run_id] = stream
        world.latest_run = run_id
    return stream


def open_gap(stream: Stream, *, sent: int, t: int, partition: int, offset: int, behind_cover: bool = False) -> None:
    """The stream waits for the event behind its frontier while later ones are there."""
    stream.gaps += 1
    stream.gap = Gap(
        index=stream.gaps,
        missing=stream.frontier + 1,
        opened_sent=sent,
        opened=t,
        partition=partition,
        offset=offset,
        behind_cover=behind_cover,
    )
    for sequence in stream.waiting():
        event = stream.events[sequence]
        event.gap = event.gap or stream.gap


def surely_in_time(stream: Stream, gap: Gap, t: int, *, since: int | None = None) -> bool:
    """Whether an event confirmed at `t` was read before any timer of this gap can have run out, or one begun at `since`."""
    instance = stream.world.instance
    if instance.disturbed_since(gap.opened_sent):
        return False  # its timer may have stood still, run on or begun anew
    slack = (2 * instance.settle_ms + 50) * NS_PER_MS + instance.timeout_ns // 50
    return t + slack < (gap.opened_sent if since is None else since) + instance.timeout_ns


def _home(world: World, world_id: str) -> World:
    if world_id == world.world_id:
        return world
    instance = world.instance
    home = instance.worlds.get(world_id)
    if home is None:
        home = World(instance=instance, world_id=world_id, scenario=world.scenario, siblings=(world_id,))
        instance.worlds[world_id] = home
        instance.playing.setdefault(world.scenario, []).append(home)
    return home


def _invalid(world: World, o: Delivered, message: Invalid) -> None:
    world.invalid_deliveries += 1
    world.invalid_seen = o.t_sent
    if message.claims_sequence is not None and len(world.claims) < CLAIMS:
        world.claims[message.claims_run or "", message.claims_sequence] = message


def _unsequenced(world: World, o: Delivered, message: Activation) -> None:
    world.unsequenced += 1
    world.unsequenced_seen = o.t
    claimed = reading.whole(message.body.get("sequence"))
    if claimed is not None and len(world.unsequenced_claims) < CLAIMS:
        world.unsequenced_claims.add((message.run_id, claimed))
    opens = not (message.body.get("freeze") is True or message.body.get("drain") is True)
    if not opens:
        return
    world.overrides += 1
    known = any(s.gap is not None and not s.gap.equal and world.settled_upto >= s.gap.opened for s in world.gapped())
    world.opened_by_hand = world.opened_by_hand or not known
    for stream in world.gapped():
        if stream.gap is not None:
            stream.gap.unsequenced += 1


def _sequenced(world: World, o: Delivered, message: Activation) -> None:
    stream = stream_of(world, message.run_id, o.t)
    stream.last_arrival = max(stream.last_arrival, o.t)
    known = stream.events.get(message.sequence)
    if known is not None:
        _duplicate(stream, known, o, message)
        return
    if message.sequence <= stream.contiguous:
        return  # an old event that was forgotten: a duplicate of long ago
    event = _event(stream, o, message)
    follows_again = stream.suspended and not stream.amnesic and _all_acked(stream)
    stream.first_form = stream.first_form or message.form
    stream.events[message.sequence] = event
    stream.optional += bool(message.optional)
    stream.highest = max(stream.highest, message.sequence)
    if isinstance(message.etag, str):
        world.etags.add(message.etag)
    before, gap = stream.frontier, stream.gap
    if gap is not None:
        gap.arrivals.append(o.t)
    if gap is not None and message.sequence == gap.missing:
        _fill(stream, gap, o, message.sequence)
    elif gap is not None:
        event.gap = gap
        waiting = stream.waiting()
        in_hole = message.sequence < min((s for s in waiting if s != message.sequence), default=0)
        if in_hole:
            gap.progress.append(o.t)
        else:
            gap.later_arrivals = o.t
        gap.buffered = max(gap.buffered, len(waiting))
        extend_frontier(stream)
    else:
        _fill_late(stream, o, message.sequence)
        if follows_again:
            stream.suspended = False  # it has mended the gap by itself and follows again
        extend_frontier(stream)
        if stream.frontier > before:
            _in_order(stream, event)
    if stream.gap is None and stream.waiting():
        open_gap(stream, sent=o.t_sent, t=o.t, partition=o.partition, offset=o.offset)
    extend_paths(stream)
    forget(stream)


def _in_order(stream: Stream, event: Event) -> None:
    """An event came in order. One that follows a snapshot fetched for another run is due for nobody: that need not have
    been taken."""
    if not _surely_in_order(stream, event.message.sequence):
        stream.suspended = True
    if not stream.suspended:
        event.via = event.via or "order"


def _surely_in_order(stream: Stream, sequence: int) -> bool:
    """Whether everything below an event has come, or was skipped for certain: by a snapshot that had to be taken, or as ACKs show."""
    if sequence <= stream.contiguous:
        return True
    base = max([stream.contiguous, stream.highest_acked, *(c.sequence for c in stream.covers if c.firm)])
    while base < sequence and base + 1 in stream.events:
        base += 1
    return sequence <= base


def _event(stream: Stream, o: Delivered, message: Activation) -> Event:
    world = stream.world
    others = any(
        s is not stream and s.gap is not None and not s.gap.equal
        for relative in world.family()
        for s in relative.streams.values()
    )
    return Event(
        message=message,
        t_sent=o.t_sent,
        t=o.t,
        partition=o.partition,
        offset=o.offset,
        first_form=message.form != "flat" and stream.first_form in {"", message.form},
        etag_seen=isinstance(message.etag, str) and message.etag in world.etags,
        behind_gap=message.sequence > stream.frontier + 1,
        other_gap=others,
        after_invalid=world.invalid_deliveries > 0,
        relay_stalled=any(relative.relay_stalled for relative in world.family()),
    )


def _duplicate(stream: Stream, known: Event, o: Delivered, message: Activation) -> None:
    buffered = message.sequence > stream.frontier
    if stream.gap is not None:
        stream.gap.duplicates += 1
        stream.gap.arrivals.append(o.t)
    if not buffered:
        stream.duplicates += 1
    if len(known.copies) < COPIES:
        known.copies.append((o.t, message, buffered))


def _all_acked(stream: Stream) -> bool:
    """Whether everything that may have been applied so far is ACKed, or covered by what was taken for certain."""
    taken = (c.sequence for c in stream.covers if c.firm or stream.highest_acked > c.sequence)
    covered = max(taken, default=0)
    return all(s in stream.acked or s <= covered for s in stream.events if s <= stream.frontier)


def _fill_late(stream: Stream, o: Delivered, sequence: int) -> None:
    """The missing event of a gap over which a snapshot may have helped already, and need not have."""
    mended = stream.mended
    if stream.suspended and mended is not None and not mended.filled and sequence == mended.missing:
        mended.filled, mended.filled_in_flight = o.t, bool(stream.world.open_requests)


def _still_missing(stream: Stream, sequence: int) -> int:
    """The next event that a hole lacks behind one that has come, for whoever did not go on at an equal hash; 0: none."""
    end = max((c.sequence for c in stream.covers if c.kind == "equal"), default=0)
    while sequence + 1 in stream.events:
        sequence += 1
    return sequence + 1 if sequence < end else 0


def _waits(stream: Stream, gap: Gap, o: Delivered) -> bool:
    """Whether a Gateway that did not go on at an equal hash waits for the missing event: its resync was over before the
    event was sent, and a timer that begins anew then has not run out."""
    world, instance = stream.world, stream.world.instance
    if surely_in_time(stream, gap, o.t):
        return True
    quiet = int((instance.settle_ms + 3 * instance.round_trip_ms) * NS_PER_MS)  # by then whoever fetches has begun to
    over = gap.answers[-1:] in (["equal"], ["good"]) and not world.open_requests and gap.waits_on > 0
    return over and o.t_sent > gap.waits_on + quiet and surely_in_time(stream, gap, o.t, since=gap.waits_on)


def _fill(stream: Stream, gap: Gap, o: Delivered, sequence: int) -> None:
    world = stream.world
    instance = world.instance
    gap.filled = o.t
    gap.filled_in_flight = bool(world.open_requests)
    before = stream.frontier
    if gap.equal and (missing := _still_missing(stream, sequence)):
        gap.missing, gap.filled = missing, 0
        gap.progress.append(o.t)
        extend_frontier(stream)
        return
    if gap.equal:
        # Going on without the event was allowed, so nobody has to apply it now; those behind it are due either way.
        via, before = "fill" if _waits(stream, gap, o) else "", max(before, sequence)
        stream.suspended = stream.suspended or not via
    elif not instance.resync_enforced:
        via = "late_fill" if o.t_sent > gap.opened + instance.timeout_ns else "fill"
    else:
        via = "fill" if surely_in_time(stream, gap, o.t) else ""
        stream.suspended = stream.suspended or not via
    stream.gap, stream.mended = None, gap
    if not gap.first_probe and not gap.early_probe and len(stream.unprobed) < COPIES:
        stream.unprobed.append(replace(gap, progress=gap.progress.copy()))
    extend_frontier(stream)
    floor = sequence if gap.equal else before
    for reached in [s for s in stream.events if floor < s <= stream.frontier]:
        event = stream.events[reached]
        event.gap, event.ready = gap, o.t
        if via and not stream.suspended:
            event.via = event.via or via
    if stream.waiting():
        # Part of the hole was filled: it is the same gap, whose timer may run on or start anew.
        gap.missing, gap.filled = stream.frontier + 1, 0
        gap.progress.append(o.t)
        stream.gap, stream.mended = gap, None
