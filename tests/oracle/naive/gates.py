"""The order gate."""

from tests.oracle.naive.rules import BAD, OK, rule


def asked(case):
    """(stream, place, GateSeen) of each answer of open or closed for a stream that is known by its deliveries."""
    for place, g in case.facts.gates:
        for s in case.streams:
            if (g.world_id, g.run_id) == (s.world, s.run) and g.state != "unknown":
                yield s, place, g


def known(s, place):
    """Standings that are still possible when all ACKs seen so far are heeded."""
    standings = s.standings(place)
    return [(p, e) for p, e, _ in standings if p >= s.acked_before(place)] or [(p, e) for p, e, _ in standings]


def held(entries):
    return any(h for _, (_, h) in entries)


def shut(entries):
    """Whether the gate must be closed over these entries: one is held, or there are none."""
    return held(entries) or not entries


def free(entries):
    return bool(entries) and all(active and not h for _, (active, h) in entries)


@rule("GAP-01")
def closed_in_a_gap(case):
    for s, place, g in asked(case):
        opening = s.gap_since(place)
        if opening and case.was_read(opening, place):
            yield BAD if g.state == "open" else OK


@rule("GATE-02")
def unknown_is_closed(case):
    known_streams = {(s.world, s.run): s for s in case.streams}
    for place, g in case.facts.gates:
        s = known_streams.get((g.world_id, g.run_id))
        if case.by_hand(g.world_id, place) or g.state == "unknown":
            continue
        if s is None or s.standings(place) == {(0, frozenset(), None)}:
            yield BAD if g.state == "open" else OK


@rule("GATE-03")
def closed_by_freeze(case):
    for s, place, g in asked(case):
        frozen = any(a.held and (ack := s.first_ack(n)) and ack.place < place for n, a in s.firsts.items())
        if not frozen or case.by_hand(s.world, place):
            continue
        if all(shut(e) for _, e in known(s, place)):
            yield BAD if g.state == "open" else OK


@rule("GATE-05")
def any_held_entry_closes(case):
    for s, place, g in asked(case):
        gap = s.gap_since(place)
        if case.by_hand(s.world, place) or (gap and case.was_read(gap, place)):
            continue
        possible = [e for _, e in known(s, place)]
        if all(shut(e) for e in possible) and any(
            any(h and active for _, (active, h) in e) or any(not h for _, (_, h) in e) for e in possible
        ):
            yield BAD if g.state == "open" else OK


@rule("GATE-04")
def opens_after_the_last_unfreeze(case):
    for s, place, g in asked(case):
        top = max(s.received(place), default=0)
        if not top or case.unsequenced(s.world, place) or any(q[0] < place and q[1] >= top for q in s.snapshots):
            continue
        below = max([q[1] for q in s.snapshots if q[0] < place], default=0)
        if not all(n in s.received(place) for n in range(below + 1, top + 1)):
            continue
        if s.most(place) != top or s.in_gap(place) or case.refused(s, top) or newer(case, s, place):
            continue
        if case.resyncing(s, place):
            continue
        come = [a for o in case.of(s.world) for a in o.arrivals if a.place < place]
        if not all(case.facts.settled(a, place) for a in come) or s.acked_before(place) < top:
            continue
        if all(free(e) for _, e in known(s, place)):
            yield from opened(case, s, place, g)


def opened(case, s, place, g):
    """OK for an open gate, BAD for one that is still closed long after the last event."""
    if g.state == "open":
        yield OK
    elif g.t_sent >= quiet_since(case, s, place) + SLOW:
        yield BAD


SLOW = 1_500_000_000  # a gate may stay closed longer than needed; this long (ns) after the last event it is for good


def quiet_since(case, s, place):
    """When something happened to a stream last before a place."""
    taken = {q[0] for q in s.snapshots if q[1] >= s.acked_before(q[0])}
    first = {f.sequence: f for f in reversed(s.frames)}  # what is said again changes nothing
    acks = [ack for n in s.firsts if (ack := s.first_ack(n))]
    things = [*acks, *first.values(), *s.arrivals, *(x for x in case.facts.answers if x.place in taken)]
    settles = [x.t for p, x in case.facts.settles if p < place and x.world_id == s.world]
    return max([x.t for x in things if x.place < place] + settles)


def newer(case, s, place):
    """Whether a newer run of the world had begun: then this one may be retired."""
    began = s.arrivals[0].place
    return any(began < o.arrivals[0].place < place for o in case.of(s.world) if o is not s)


@rule("GATE-06")
def as_the_snapshot_says(case):
    for s, place, g in asked(case):
        received = s.received(place)
        served = [q for q in s.snapshots if q[0] < place and q[1] == s.most(place)]
        if not case.enforced or case.unsequenced(s.world, place) or not served or not received:
            continue
        if max(received) > served[-1][1] or newer(case, s, place):
            continue
        firm = [q for q in served if q[4] and s.gap_openings and case.facts.settles]
        had_to = any(
            x.t >= case.answered_at(q[0]) + case.facts.settle + 500_000_000
            for q in firm
            for p, x in case.facts.settles
            if p < place and x.world_id == s.world
        )
        if not had_to and s.acked_before(place) < served[-1][1]:
            continue
        possible = [e for p, e in known(s, place) if p == served[-1][1]]
        if all(shut(e) for e in possible):
            yield BAD if g.state == "open" else OK
        elif all(free(e) for e in possible) and all(
            case.facts.settled(a, place) for o in case.of(s.world) for a in o.arrivals if a.place < place
        ):
            yield from opened(case, s, place, g)


@rule("GATE-07")
def no_override_opens_in_a_gap(case):
    for s, place, g in asked(case):
        opening = s.gap_since(place)
        if opening is None or not case.was_read(opening, place):
            continue
        if any(
            a.place > opening.place and not a.held and case.facts.settled(a, place)
            for a in case.unsequenced(s.world, place)
        ):
            yield BAD if g.state == "open" else OK


def acked(s, a, place):
    ack = s.first_ack(a.sequence)
    return ack is not None and ack.place < place


@rule("RUN-02")
def older_runs_change_nothing(case):
    for s, place, g in asked(case):
        begun = min(a.place for a in s.arrivals)
        older = [
            a
            for o in case.of(s.world)
            if o is not s and min(b.place for b in o.arrivals) < begun
            for a in o.arrivals
            if begun < a.place < place and (case.facts.settled(a, place) or acked(o, a, place))
        ]
        gap = s.gap_since(place)
        if older and not case.by_hand(s.world, place) and not (gap and case.was_read(gap, place)):
            possible = [e for _, e in known(s, place)]
            if all(shut(e) for e in possible):
                yield BAD if g.state == "open" else OK
            elif all(free(e) for e in possible):
                yield OK


# --- duplicates ----------------------------------------------------------------------------------------------------


def effect(body):
    """What a message says of its entry; a copy that differs in nothing else is the same."""
    names = ("phase", "etag", "strategy_id", "side", "active", "weight", "freeze", "drain")
    return [body.get(name) for name in names]


def applied(s, n):
    return bool(s.first_ack(n)) or any(f.sequence == n for f in s.frames)


@rule("DUP-01")
def a_duplicate_changes_nothing(case):
    for s in case.streams:
        for a in s.arrivals:
            first = s.firsts[a.sequence]
            if not applied(s, a.sequence) or not s.is_duplicate_of_applied(a):
                continue
            yield OK
            for f in s.frames:
                if f.place < a.place or f.sequence != a.sequence:
                    continue
                again = any(o.place < f.place and o.sequence == f.sequence for o in s.frames)
                newer = again and any(o.place < f.place and o.sequence > f.sequence for o in s.frames)
                if newer or (effect(a.body) != effect(first.body) and effect(f.body) == effect(a.body)):
                    yield BAD

    for s, place, g in asked(case):
        again = [a for a in s.arrivals if a.place < place and s.is_duplicate_of_applied(a) and not a.held]
        told = any(applied(s, a.sequence) and effect(a.body) != effect(s.firsts[a.sequence].body) for a in again)
        if told and g.state == "open" and not case.by_hand(s.world, place) and all(shut(e) for _, e in known(s, place)):
            yield BAD


@rule("DUP-02")
def the_first_content_counts(case):
    for s in case.streams:
        for a in s.arrivals:
            first = s.firsts[a.sequence]
            if (
                a is first
                or effect(a.body) == effect(first.body)
                or a.sequence <= s.most(a.place)
                or not applied(s, a.sequence)
            ):
                continue
            shown = [f for f in s.frames if f.sequence == a.sequence]
            yield BAD if any(f.body == a.body for f in shown) else OK
