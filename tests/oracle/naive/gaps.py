"""Order, gaps, duplicates in gaps, flags and timers."""

from tests.oracle.naive.rules import BAD, OK, rule


@rule("ORD-01")
def nothing_past_a_gap(case):
    for s in case.streams:
        for a in s.firsts.values():
            if a.sequence > s.most(a.place + 1):
                yield OK
    if case.premature:
        yield BAD


@rule("ORD-02")
def no_baseline(case):
    for s in case.streams:
        if next(iter(s.firsts)) > 1:
            yield OK
    for s, place, _, _ in case.premature:
        if next(iter(s.firsts)) > 1 and s.most(place) < next(iter(s.firsts)) - 1:
            yield BAD


@rule("GATE-01")
def no_unfreeze_past_a_gap(case):
    for s in case.streams:
        for a in s.firsts.values():
            if a.body["phase"] == "unfreeze" and a.sequence > s.most(a.place + 1):
                yield OK
    for _, _, _, first in case.premature:
        if first.body["phase"] == "unfreeze":
            yield BAD


@rule("DUP-03")
def a_duplicate_fills_nothing(case):
    for s in case.streams:
        again = [a for a in s.arrivals if a is not s.firsts[a.sequence] and s.in_gap(a.place)]
        if again:
            yield OK
        for other, place, _, _ in case.premature:
            if other is s and any(a.place < place and s.gap_since(a.place) is s.gap_since(place) for a in again):
                yield BAD


@rule("GAP-07")
def further_gaps(case):
    for s in case.streams:
        further = s.gap_openings[1:]
        if further:
            yield OK
        for other, place, _, _ in case.premature:
            if other is s and s.gap_since(place) in further:
                yield BAD
        for other, place, _ in case.wrong_openings:
            if other is s and s.gap_since(place) in further:
                yield BAD
        for other, n, way in case.due:
            if other is s and way != "in order":
                a = s.firsts[n]
                if (s.gap_since(a.place) or s.gap_since(a.place + 1)) in further and case.outcome(s, n) == BAD:
                    yield BAD


@rule("CFG-01")
def nothing_forced(case):
    if case.enforced:
        return
    for s in case.streams:
        for opening in s.gap_openings:
            end = s.gap_end(opening)
            if time_at(case, s, end) >= opening.t_sent + case.timeout:
                yield OK
    for s, place, t, _ in case.premature:
        if case.may_have_timed_out(s.gap_since(place), t):
            yield BAD
    for s, place, t in case.wrong_openings:
        if case.may_have_timed_out(s.gap_since(place), t):
            yield BAD


def time_at(case, s, place):
    """When something came to a place: the earliest time at which what stands before it can be known to the Gateway."""
    a = next((x for x in case.facts.arrivals if x.place + 1 == place), None)
    if a:
        return a.t_sent
    answer = next((x for x in case.facts.answers if x.place + 1 == place), None)
    if answer:
        return answer.t
    return case.facts.end_of(s.world)[1]


# --- timers --------------------------------------------------------------------------------------------------------


def outlived(case):
    """(stream, opening, end time) of each gap that outlived its timeout, with the flag on.

    Known for certain when nothing had closed it by timeout and margin, or when it was still open at a timely probe.
    """
    for s in case.streams:
        for opening in s.gap_openings:
            end = s.gap_end(opening)
            t = time_at(case, s, end)
            timely = any(
                opening.place < p < end and r.t >= opening.t_sent + case.timeout - case.early
                for p, r in case.facts.requests
                if r.world_id == s.world
            )
            if case.enforced and (timely or case.has_timed_out(opening, t)):
                yield s, opening, t


def asked(case, s, opening):
    """Requests of the world since a gap opened, with the times between which a timely one lies (ns).

    Probes are free at any time, and who has asked early need not ask anew when the timeout has run out.
    """
    times = [r.t for p, r in case.facts.requests if r.world_id == s.world and p > opening.place]
    begun = max(opening.t, case.read(opening.behind) or opening.t)
    for a in sorted(s.firsts.values(), key=lambda a: a.place):
        waiting = [n for n in s.received(a.place) if n > s.most(a.place)]
        part = opening.place < a.place < s.gap_end(opening) and a.sequence < min(waiting, default=0)
        if part and a.t <= begun + case.timeout + case.late:
            begun = max(begun, a.t)  # when part of the hole is filled the timer may begin anew, if it has not run out
    return times, opening.t_sent + case.timeout - case.early, begun + case.timeout + case.late


def punctual(case, s, opening):
    """OK if somebody asked when a timeout had run out, BAD if nobody did by then, None if only earlier."""
    times, earliest, latest = asked(case, s, opening)
    if any(earliest <= t <= latest for t in times):
        return OK
    if any(t < earliest for t in times):
        return None
    # One that never came at all is missed after twice the margin.
    until = time_at(case, s, s.gap_end(opening))
    if case.read(opening.behind) is None and opening.place == opening.behind.place:
        return None  # nobody knows whether it has read what opened the gap
    return BAD if any(t <= until for t in times) or until >= latest + case.late else None


def judged(case, wanted=lambda s, opening: True):
    for s, opening, _ in outlived(case):
        word = punctual(case, s, opening) if wanted(s, opening) else None
        retired = any(o.arrivals[0].place > s.arrivals[0].place for o in case.of(s.world) if o is not s)
        if word and not (word == BAD and retired):
            yield word


@rule("GAP-04")
def probed_after_the_timeout(case):
    yield from judged(case)


@rule("GAP-06")
def timer_is_not_restarted(case):
    def kept_coming(s, opening):
        limit = opening.t + case.timeout
        return any(opening.place < a.place and a.t < limit and s.in_gap(a.place) for a in s.arrivals)

    yield from judged(case, kept_coming)


@rule("CFG-03")
def configured_timeout(case):
    if case.facts.started.gap_timeout_ms != 3000:
        yield from judged(case)
        yield from fetched_in_time(case)


@rule("GAP-05")
def not_before_the_timeout(case):
    for _ in outlived(case):
        yield OK
    yield from fetched_in_time(case)


def fetched_in_time(case):
    """OK or BAD for each fetch for a stream in a gap, with the flag on."""
    fetches = [(p, r) for p, r in case.facts.requests if r.endpoint == "snapshot" and case.enforced]
    for place, r in fetches:
        openings = [s.gap_since(place) for s in case.of(r.world_id) if s.in_gap(place)]
        if openings:
            early = all(r.t < o.t_sent + case.timeout - case.early for o in openings)
            under_way = any(case.resyncing(s, place) for s in case.of(r.world_id))  # of a gap before, or another run
            under_way = under_way or any(o.place != o.behind.place for o in openings)  # or it goes on behind a snapshot
            yield BAD if early and not case.polls and not under_way else OK
