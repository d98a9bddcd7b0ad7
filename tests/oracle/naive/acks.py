"""Messages, ACKs and the relay."""

from tests.oracle.naive.facts import validator
from tests.oracle.naive.rules import BAD, OK, rule


@rule("MSG-01")
def follows_the_schema(case):
    for ack in case.facts.acks:
        yield OK if ack.valid else BAD


@rule("ACK-04")
def keyed_by_world(case):
    for ack in case.facts.acks:
        if "sequenced" in answering(case, ack):
            yield OK if ack.key == ack.world else BAD


def loosely(sequence):
    try:
        return int(sequence)
    except (TypeError, ValueError, OverflowError):
        return None


def answering(case, ack):
    """Kinds of the deliveries before an ACK that say the same world, run and sequence."""
    kinds = set()
    if ack.sequence is None:
        return kinds
    for a in case.facts.arrivals:
        number = loosely(a.body.get("sequence")) if a.kind == "invalid" else a.sequence
        if a.place < ack.place and (a.world, a.run, number) == (ack.world, ack.run, ack.sequence):
            kinds.add(a.kind)
    return kinds


@rule("ACK-02")
def answers_what_was_received(case):
    for ack in case.facts.acks:
        if None not in (ack.world, ack.run, ack.sequence):
            yield OK if answering(case, ack) else BAD


@rule("MSG-04")
def invalid_is_never_acked(case):
    for a in case.facts.arrivals:
        if a.kind == "invalid" and case.facts.settle_after(a):
            yield OK
    for ack in case.facts.acks:
        if answering(case, ack) == {"invalid"}:
            yield BAD


@rule("ACK-05")
def unsequenced_is_never_acked(case):
    for a in case.facts.arrivals:
        if a.kind == "unsequenced" and case.facts.settle_after(a):
            yield OK
    for ack in case.facts.acks:
        if ack.body is not None and ack.body.get("sequence") is None and case.unsequenced(ack.world, ack.place):
            yield BAD
        if "unsequenced" in answering(case, ack) and "sequenced" not in answering(case, ack):
            yield BAD


@rule("ACK-03")
def first_acks_in_order(case):
    for s in case.streams:
        seen = {}
        for ack in s.acks:
            if ack.sequence in seen or ack.sequence not in s.received(ack.place):
                continue
            above = [x for n, x in seen.items() if n > ack.sequence]
            # What was covered before the higher one was applied is not applied itself: its ACK may come when it likes.
            if any(not s.may_be_skipped(ack.sequence, x.place, x.t) for x in above):
                yield BAD
            elif seen and not s.may_be_skipped(ack.sequence, ack.place):
                yield OK
            seen[ack.sequence] = ack


@rule("ACK-06")
def repeats_what_the_event_says(case):
    for s in case.streams:
        for ack in s.acks:
            first = s.firsts.get(ack.sequence)
            if ack is not s.first_ack(ack.sequence):
                continue  # of a repeated ACK only the key is fixed
            key = f"activation_ack:{s.world}:{s.run}:{ack.sequence}:{first.body['phase']}:{ack.body.get('version')}"
            same = (ack.body.get("phase"), ack.body.get("etag")) == (first.body["phase"], first.body.get("etag"))
            yield OK if same and ack.body.get("idempotency_key") == key else BAD


@rule("ACK-07")
def repeated_with_the_same_key(case):
    for s in case.streams:
        for n in s.firsts:
            acks = [a for a in s.acks if a.sequence == n and a.place > s.firsts[n].place]
            if len({repr(a.body.get("idempotency_key")) for a in acks}) > 1:
                yield BAD
            if len(acks) > 1:
                yield OK
            again = [a for a in s.arrivals if a.sequence == n and acks and s.is_duplicate_of_applied(a)]
            if any(case.facts.settle_after(a) for a in again):
                yield OK


def had_time(case, s, t):
    """Whether what happened at a time must have come down the relay while the Gateway was watched (I-19 gives it until
    the end); in virtual time nothing else holds it up."""
    patience = 10_000_000 if case.facts.started.virtual else 1_000_000_000
    return case.facts.watched >= t + patience + 3 * case.facts.relay_late


@rule("ACK-09")
def acked_is_shown(case):
    if case.facts.relay:
        return  # left out: a client that comes and goes
    for s in case.streams:
        for n, first in s.firsts.items():
            ack = s.first_ack(n)
            if ack is None or first.place > ack.place or s.covers(n):
                continue
            if first.body.get("version", 1) != 1:
                continue  # MSG-08
            if any(last >= n and place < first.place for place, last in s.skips):
                continue  # it came when it had been skipped
            if any(f.sequence == n for f in s.frames):
                yield OK
            elif had_time(case, s, ack.t):
                yield BAD


@rule("ORD-03")
def shown_in_order(case):
    for s in case.streams:
        seen = []
        for f in s.frames:
            if f.sequence not in s.firsts:
                seen.append(f.sequence)
                continue
            ack = s.first_ack(f.sequence)
            covered = any(
                q[0] < f.place and q[1] >= f.sequence and (ack is None or ack.place > q[0]) for q in s.snapshots
            )
            if seen and f.sequence < max(seen) and not (f.sequence not in seen and covered):
                yield BAD
            elif seen and f.sequence not in seen:
                yield OK
            seen.append(f.sequence)


@rule("ORD-04")
def applied_after_the_acks_before_it(case):
    margin = 1_000_000 if case.facts.started.virtual else case.facts.margin
    for s in case.streams:
        shown = {}
        for f in s.frames:
            shown.setdefault(f.sequence, f)
        for n, f in shown.items():
            before = s.first_ack(n - 1)
            if before is None or n - 1 not in s.received(before.place) or s.may_be_skipped(0, before.place):
                continue
            if n - 1 not in shown:
                continue
            if f.t + margin >= before.t:
                yield OK
            elif shown[n - 1].place < before.place:
                yield BAD


@rule("MSG-08")
def refused_or_taken_altogether(case):
    for s in case.streams:
        for n, a in s.firsts.items():
            if a.body.get("version", 1) == 1 or not all(k in s.firsts for k in range(1, n)):
                continue
            if s.may_be_skipped(n) or any(x.sequence == n and x.place < a.place for x in s.acks):
                continue
            if had_time(case, s, a.t):
                shown = any(f.sequence == n for f in s.frames)
                yield OK if bool(s.first_ack(n)) == shown else BAD


# --- what is owed --------------------------------------------------------------------------------------------------


def owed(case, wanted):
    """OK or BAD for each event owed for which `wanted(stream, arrival, way)` holds."""
    for s, n, way in case.due:
        a = s.firsts[n]
        if wanted(s, a, way):
            word = case.outcome(s, n)
            if word:
                yield word


@rule("ACK-01")
def in_order_is_acked(case):
    yield from owed(case, lambda s, a, way: way in ("in order", "missing one"))


@rule("MSG-02")
def either_form(case):
    def wanted(s, a, way):
        others = {b.form for b in s.firsts.values() if b.place < a.place}
        return a.form == "flat" or bool(others - {a.form})

    yield from owed(case, wanted)


KNOWN = {
    name for schema in ("activation-updated", "activation-entry") for name in validator(schema).schema["properties"]
}


@rule("MSG-03")
def unknown_fields(case):
    yield from owed(case, lambda s, a, way: bool(set(a.body) - KNOWN))


@rule("MSG-05")
def invalid_stops_nothing(case):
    def garbage(home, place):
        return any(b.kind == "invalid" and b.home == home and b.place < place for b in case.facts.arrivals)

    yield from owed(case, lambda s, a, way: garbage(a.home, a.place))
    for a in case.facts.arrivals:
        if a.kind == "invalid" and case.facts.settle_after(a):
            yield OK
    for place, missed in case.facts.missed:
        since = missed.t - int(missed.waited_ms * 1_000_000)
        alive = any(x.place < place and x.t >= since for x in case.facts.acks)  # it reads on; its ACKs are unreadable
        if garbage(missed.world_id, place) and not alive:
            yield BAD


def plain(text):
    return all(c.isascii() and (c.isalnum() or c in "-_.") for c in text)


@rule("MSG-07")
def wide_sequences(case):
    yield from owed(case, lambda s, a, way: a.sequence >= 2**31)


@rule("DUP-04")
def equal_etags(case):
    def wanted(s, a, way):
        etag = a.body.get("etag")
        return etag is not None and any(
            b.place < a.place
            and b.kind != "invalid"
            and b.world == a.world
            and b.body.get("etag") == etag
            and (b.run, b.sequence) != (a.run, a.sequence)
            for b in case.facts.arrivals
        )

    yield from owed(case, wanted)


@rule("GAP-02")
def mended_in_time(case):
    yield from owed(
        case,
        lambda s, a, way: way == "waited on" or (way in ("missing one", "buffered") and not late(case, s, a)),
    )


@rule("CFG-02")
def mended_late_with_the_flag_off(case):
    if not case.enforced:
        yield from owed(case, lambda s, a, way: way in ("missing one", "buffered") and late(case, s, a))


def late(case, s, a):
    """Whether the event that an arrival waited for, or that it was itself, came after the timeout of the gap."""
    opening = s.gap_since(a.place) or s.gap_since(a.place + 1)
    return case.may_have_timed_out(opening, (s.closer(a.sequence) or a).t)


@rule("GAP-03")
def others_go_on(case):
    def wanted(s, a, way):
        here = case.facts.worlds.get(a.home)
        return way == "in order" and any(
            o is not s and case.facts.worlds.get(o.world) == here and o.in_gap(a.place) for o in case.streams
        )

    yield from owed(case, wanted)
    for place, missed in case.facts.missed:
        since = missed.t - int(missed.waited_ms * 1_000_000)
        alive = any(x.place < place and x.partition == missed.partition and x.t >= since for x in case.facts.acks)
        if not alive and any(s.in_gap(place) for s in case.of(missed.world_id)):
            yield BAD


@rule("SYNC-03")
def applied_above_a_snapshot(case):
    yield from owed(case, lambda s, a, way: way == "above a snapshot")


@rule("GAP-08")
def long_buffers(case):
    def wanted(s, a, way):
        if way != "buffered":
            return False
        opening = s.gap_since(a.place + 1)
        end = s.gap_end(opening)
        waiting = [n for n in s.received(end) if n > s.most(end - 1)]
        return len(waiting) > 65 and not late(case, s, a)

    yield from owed(case, wanted)


@rule("RUN-01")
def runs_count_for_themselves(case):
    def shared(s, place):
        return any(
            o is not s
            and (o.world == s.world or (o.run == s.run and case.facts.worlds.get(o.world) == case.facts.worlds.get(s.world)))
            and o.received(place)
            for o in case.streams
        )  # fmt: skip

    yield from owed(case, lambda s, a, way: way == "in order" and shared(s, case.facts.length))
    for s, place, *_ in case.premature:
        if elsewhere(case, s, place):
            yield BAD
    for s in case.streams:
        for a in s.firsts.values():
            if a.sequence > s.most(a.place + 1) and elsewhere(case, s, case.facts.length):
                yield OK


def elsewhere(case, s, place):
    """Whether another stream of the world or of the same run id has received what this one misses."""
    hole = s.most(place) + 1
    return any(
        o is not s and (o.world == s.world or o.run == s.run) and hole in o.received(place) for o in case.streams
    )
