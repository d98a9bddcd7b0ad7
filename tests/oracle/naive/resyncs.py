"""Resyncs: what is asked, in which order, and what may follow from an answer."""

from tests.oracle.naive.gaps import outlived
from tests.oracle.naive.rules import BAD, OK, rule


def probed_since(case, world, opening, end):
    """Whether a probe of the world was answered, well or not, between a gap and a place. A Gateway may read what opens
    the gap as soon as it is sent."""
    return any(
        a.endpoint == "state_hash" and a.world == world and a.place < end and (a.place > opening.place or a.t >= opening.t_sent)
        for a in case.facts.answers
    )  # fmt: skip


@rule("SYNC-01")
def probe_before_fetch(case):
    if not case.enforced:
        return
    for place, r in case.facts.requests:
        if r.endpoint != "snapshot":
            continue
        for s in case.of(r.world_id):
            openings = [o for o in s.gap_openings if o.place < place]
            if not openings or not s.may_wait(place):
                continue
            behind = {q[0] for q in s.snapshots}  # a snapshot that is not enough may be asked for again
            begun = next((o for o in reversed(openings) if o.place not in behind), openings[0])
            if probed_since(case, s.world, begun, place):
                yield OK
            elif s.in_gap(place) and not case.polls:
                yield BAD


@rule("SYNC-02")
def fetch_when_hashes_differ(case):
    for s, opening, _ in outlived(case):
        differing = False
        for place, answered in s.probes:
            t = case.answered_at(place)
            timed_out = t >= opening.t_sent + case.timeout
            if s.gap_since(place) is not opening or not timed_out or answered in s.local_hashes(place):
                continue
            if differing:
                break  # a snapshot was fetched on the first one, or that was told
            differing = True
            fetches = [
                r.t for p, r in case.facts.requests if p > place and r.endpoint == "snapshot" and r.world_id == s.world
            ]
            limit = t + case.facts.margin + 2_000_000_000
            end, ended = case.facts.end_of(s.world)
            if fetches and fetches[0] <= limit:
                yield OK
            elif not any(f <= ended for f in fetches) and s.gap_since(end) is opening and ended > limit:
                yield BAD


def on_the_strength_of(case, flaw):
    """OK for each answer with that flaw while a gap was open, BAD where something wrong followed it."""
    for s in case.streams:
        for a in case.facts.answers:
            opening = s.gap_since(a.place)
            if a.world != s.world or opening is None:
                continue
            if not flaw(s, a):
                continue
            yield OK
            wrong = [(o, p) for o, p, *_ in case.premature] + [(o, p) for o, p, _ in case.wrong_openings]
            if any(o is s and p > a.place and s.gap_since(p) is opening for o, p in wrong):
                yield BAD


def snapshot_flaw(word):
    return lambda s, a: a.endpoint == "snapshot" and s.flaw(a) == word


@rule("SYNC-07")
def names_this_world(case):
    yield from on_the_strength_of(case, snapshot_flaw("world"))


@rule("SYNC-08")
def has_run_and_sequence(case):
    yield from on_the_strength_of(case, snapshot_flaw("incomplete"))


@rule("SYNC-09")
def has_a_probed_hash(case):
    yield from on_the_strength_of(case, snapshot_flaw("hash"))


@rule("RUN-03")
def names_this_run(case):
    yield from on_the_strength_of(case, snapshot_flaw("run"))


@rule("SYNC-11")
def failure_changes_nothing(case):
    def failed(s, a):
        if a.failure or a.status != 200:
            return True
        if a.endpoint == "snapshot":
            return s.flaw(a) == "malformed"
        return a.endpoint == "state_hash" and a.place not in {p for p, _ in s.probes}

    yield from on_the_strength_of(case, failed)


@rule("SYNC-06")
def never_arrived_never_acked(case):
    for s in case.streams:
        for place, sequence, *_ in s.snapshots:
            absent = [n for n in range(max(1, sequence - 200), sequence + 1) if n not in s.firsts]
            if absent and case.enforced:
                yield OK
            for ack in s.acks:
                covered = place < ack.place and ack.sequence <= sequence
                if covered and ack.sequence not in s.received(ack.place):
                    yield BAD


@rule("SYNC-13")
def at_most_ten_a_second(case):
    second = 950_000_000  # ns; as seen from the WorldService a little less than a whole one
    for world in {s.world for s in case.streams}:
        asked = [(p, r.t) for p, r in case.facts.requests if r.world_id == world]
        for place, t in asked:
            streams = sum(1 for s in case.of(world) if any(o.place < place for o in s.gap_openings)) or 1
            if sum(1 for p, other in asked if p <= place and t - second < other) > 10 * streams:
                yield BAD
        answers = [a for a in case.facts.answers if a.world == world]
        if any(not a.good for a in answers) or len(asked) > 2:
            yield OK
