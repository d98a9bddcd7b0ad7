"""The table of rules: requirement id -> a generator that yields OK where its antecedent happened, BAD where it broke."""

import functools

from tests.oracle.naive.streams import Stream

OK, BAD = "exercised", "fail"
RULES = {}


def rule(identifier):
    def keep(function):
        RULES[identifier] = function
        return function

    return keep


def key(thing):
    return thing.world, thing.run, thing.sequence


class Case:
    """One instance with its streams."""

    def __init__(self, facts):
        self.facts = facts
        keys = dict.fromkeys((a.world, a.run) for a in facts.arrivals if a.kind == "sequenced")
        self.streams = [Stream(facts, *key) for key in keys]
        self.timeout = facts.started.gap_timeout_ms * 1_000_000
        self.enforced = facts.started.resync_enforced
        self.patience = facts.settle + 1_000_000_000  # before an ACK is called missing, ns

    def of(self, world):
        return [s for s in self.streams if s.world == world]

    @property
    def polls(self):
        """Whether the Gateway fetches snapshots outside gaps too: then a fetch tells nothing."""
        return any(
            r.endpoint == "snapshot"
            and not any(s.gap_openings and s.gap_openings[0].place < p for s in self.of(r.world_id))
            for p, r in self.facts.requests
        )

    def unsequenced(self, world, place):
        return [a for a in self.facts.arrivals if a.kind == "unsequenced" and a.world == world and a.place < place]

    def by_hand(self, world, place):
        """Whether an unsequenced event may have opened a gate of the world before a place: not while a gap is open there
        that the Gateway had read when the event came."""
        return any(
            not any(
                (opening := s.gap_since(a.place))
                and self.facts.settled(opening.behind, a.place)
                and s.gap_since(place) is opening
                for s in self.of(world)
            )
            for a in self.unsequenced(world, place)
            if not a.held
        )

    @functools.cached_property
    def premature(self):
        """(stream, place, t, arrival) of each first ACK or frame of a received event beyond what may be applied."""
        found = []
        for s in self.streams:
            for thing in [*s.acks, *s.frames]:
                first = s.firsts.get(thing.sequence)
                if first and first.place < thing.place and thing.sequence > s.most(thing.place):
                    found.append((s, thing.place, thing.t, first))
        return found

    @functools.cached_property
    def wrong_openings(self):
        """(stream, place, t) of each open gate in a gap that the Gateway had read."""
        found = []
        for place, g in self.facts.gates:
            for s in self.streams:
                if (g.world_id, g.run_id) == (s.world, s.run) and g.state == "open":
                    opening = s.gap_since(place)
                    shut = all(not e or any(h for _, (_, h) in e) for _, e, _ in s.standings(place))
                    wrong = shut and not self.by_hand(s.world, place)
                    if opening and (wrong or self.was_read(opening, place)):
                        found.append((s, place, g.t_sent))
        return found

    def was_read(self, opening, place):
        """Whether the Gateway is known to be in a gap: to have read what opened it, and to know of the snapshot behind which
        it lies."""
        known = opening.place == opening.behind.place or any(
            p < place and x.upto >= opening.t and x.world_id == opening.behind.home for p, x in self.facts.settles
        )
        return known and self.facts.settled(opening.behind, place)

    def may_have_timed_out(self, opening, t):
        return t >= opening.t_sent + self.timeout - self.facts.margin

    @property
    def early(self):
        """How much earlier than a timeout a request may be seen, for coarse timers and clocks, ns."""
        return 20_000_000 + self.timeout // 100

    def has_timed_out(self, opening, t):
        return t >= opening.t + self.timeout + self.late

    @property
    def late(self):
        """How late a timer may be before that is the Gateway's own doing, ns."""
        return max(400_000_000, self.facts.margin)

    def refused(self, s, n, place=None):
        """Whether something at or below n may be refused for its version, by what was ACKed before a place."""
        acks = [s.first_ack(k) for k, a in s.firsts.items() if k <= n and a.body.get("version", 1) != 1]
        return any(x is None or (place is not None and x.place >= place) for x in acks)

    def outcome(self, s, n):
        """OK if event n is ACKed, BAD if it is not although nothing stood in its way, None if nobody can tell."""
        a, ack, before = s.firsts[n], s.first_ack(n), s.first_ack(n - 1)
        base = self.base(s, n, a)
        if base and all(k in s.firsts and s.firsts[k].place < base[0] for k in range(1, base[1] + 1)):
            base = None  # it does not rest on it: all below had come by itself
        skipped = n - 1 in s.firsts and any(p < s.firsts[n - 1].place and to >= n - 1 for p, to in s.skips)
        if self.refused(s, n) or (n > 1 and before is None and base is None and not skipped):
            return OK if ack else None
        needed = {k: x for k, x in s.firsts.items() if (base[1] if base else 0) < k <= n}
        come = max(x.t for x in needed.values())  # what it had to wait for
        unread = max((x.t for k, x in needed.items() if s.first_ack(k) is None), default=0)
        ready = max(come, self.answered_at(base[0]) if base else 0)
        ahead = [s.first_ack(k) for k in s.firsts if k <= n]
        limit = ready + self.patience + sum(1 for x in ahead if x is None or x.t >= ready) * self.facts.trip
        times = [(p, x.t) for p, x in self.facts.settles if x.world_id == a.home and x.upto >= unread and p > a.place]
        if times:
            times.append(self.facts.end_of(a.home))
        late = [
            p for p, t in times if t >= limit and (ack is None or p < ack.place) and not self.refused(s, n - 1, p)
            and not (a.body.get("version", 1) != 1 and self.refused(s, n, p))
        ]  # fmt: skip
        return BAD if late or (times and self.overtaken(s, n)) else OK if ack else None

    def overtaken(self, s, n):
        """Whether an event has no ACK though a later one, owed as well, had one in time: it will not come any more."""
        until = self.facts.end_of(s.firsts[n].home)[1] - self.facts.settle
        return s.first_ack(n) is None and any(
            k > n
            and (x := s.first_ack(k))
            and x.t <= until
            and not any(q[0] < x.place and q[1] >= n for q in s.snapshots)
            for k in s.firsts
        )

    @functools.cached_property
    def due(self):
        """(stream, sequence, way) of each event whose ACK is owed whatever a resync does; `way` says how it came: in
        order, as the missing one, buffered behind it, or above a snapshot that had to be accepted."""
        found = []
        for s in self.streams:
            for n, a in sorted(s.firsts.items()):
                way = self._way(s, n, a)
                if way:
                    found.append((s, n, way))
        return found

    def _way(self, s, n, a):
        ready = s.ready(n)
        if ready is None or any(place < a.place and to >= n for place, to in s.skips):
            return ""  # it came when it could have been skipped already
        ack = s.first_ack(n)
        in_time = max(a.t, (s.closer(n) or a).t) + self.patience
        until = min([x.place for k in s.firsts if k > n and (x := s.first_ack(k))], default=self.facts.length)
        until = min([until, *(f.place for f in s.frames if f.sequence == n)])  # it was applied, so it was not covered
        if any(
            q[1] >= n
            and self.answered_at(q[0]) < in_time
            and q[0] < until
            and (ack is None or q[0] < ack.place)
            and s.may_wait(q[0])
            for q in s.snapshots
        ):
            return ""
        since = 0
        if any(q[1] < n and q[0] < ready and s.acked_before(a.place) < q[1] for q in s.snapshots):
            base = self.base(s, n, a)
            if base is None or not all(k in s.firsts for k in range(base[1] + 1, n)):
                return ""
            since = base[0]
            if all(s.firsts[k].place < since for k in range(base[1] + 1, n + 1)):
                return "above a snapshot"
        gap = s.gap_since(a.place)
        if s.most(a.place) == n - 1:
            if gap is None:
                return "" if self.forced(s, a.place, since) else "in order"
            return "" if self.enforced and self.may_have_timed_out(gap, a.t) else "missing one"
        closer = s.closer(n)
        if closer is None:
            return "waited on" if self.waited_on(s, n) else ""
        opening = s.gap_since(closer.place)
        if opening is None or (self.enforced and self.may_have_timed_out(opening, closer.t)):
            return ""
        return "buffered"

    def base(self, s, n, a):
        """The first snapshot below an event that had to be taken, if the event rests on one: served after the timeout,
        with all that the contract asks for, and not perhaps for another run."""
        for q in s.snapshots:
            place, sequence, *_, firm = q
            opening = max((o for o in s.gap_openings if o.place < place), key=lambda o: o.place, default=None)
            due = firm and opening and self.may_have_timed_out(opening, self.answered_at(place)) and s.may_wait(place)
            if due and s.acked_before(place) <= sequence < n and not self.others_ask(s, place):
                return q
        return None

    def waited_on(self, s, n):
        """Whether an event lay behind a hole that an equal hash had let the Gateway skip, and the whole hole came, in time
        for a timer begun at that answer: whether it went on or waited, the event is applied by then."""
        if not all(k in s.firsts for k in range(1, n)):
            return False
        last = max((s.firsts[k] for k in range(1, n)), key=lambda x: x.place)
        skip = [(place, to) for place, to in s.skips if place < last.place and last.sequence <= to < n]
        opening = max((o for o in s.gap_openings if skip and o.place < skip[0][0]), key=lambda o: o.place, default=None)
        slack = 2 * self.facts.settle + 50_000_000 + self.timeout // 50
        if opening and not any(q[1] >= n for q in s.snapshots) and last.t + slack < opening.t_sent + self.timeout:
            return True
        answers = [x for x in self.facts.answers if x.world == s.world and x.place < last.place]
        asked = {p for p, r in self.facts.requests if r.world_id == s.world and p < last.place}
        if not skip or any(q[1] >= n for q in s.snapshots) or asked - {x.asked_place for x in answers}:
            return False
        end = answers[-1]
        equal = end.place in {place for place, _ in s.skips}
        taken = any(q[0] == end.place and q[1] >= s.acked_before(end.place) for q in s.snapshots)
        quiet = self.facts.settle + 3 * self.facts.trip
        return (equal or taken) and last.t_sent > end.t + quiet and last.t + slack < end.t + self.timeout

    def others_ask(self, s, place):
        """Whether another run of the world may be resyncing as well: whose question was answered cannot be told then."""
        return any(o is not s and (o.may_wait(place) or self.resyncing(o, place)) for o in self.of(s.world))

    def answered_at(self, place):
        return next((x.t for x in self.facts.answers if x.place == place), 0)

    def resyncing(self, s, place):
        """Whether a resync may be going on that no event had to end: nothing new has come in order since."""
        for o in s.gap_openings:
            closer = next((x for x in s.firsts.values() if x.place + 1 == s.gap_end(o)), None) or self.last_of_hole(
                s, o
            )
            if not self.enforced or closer is None or closer.place >= place:
                continue
            after = [x for x in s.firsts.values() if closer.place < x.place < place]
            followed = any(s.acked_before(x.place) >= x.sequence - 1 for x in after)
            if self.may_have_timed_out(o, closer.t) and not followed:
                return True
        return False

    def last_of_hole(self, s, opening):
        """The last event of a hole that came when an equal hash had let the Gateway skip it, and a resync may go on."""
        skips = [(place, to) for place, to in s.skips if place + 1 == s.gap_end(opening)]
        skips = [(place, to) for place, to in skips if not self.waited_on(s, to + 1)]
        late = [x for place, to in skips for x in s.firsts.values() if x.place > place and x.sequence <= to]
        return max(late, key=lambda x: x.place, default=None)

    def read(self, arrival):
        """When the target was seen to have read an arrival: by the ACK of something behind it; None if never."""
        firsts = [
            a
            for s in self.streams
            for a in s.firsts.values()
            if a.partition == arrival.partition and a.offset >= arrival.offset
        ]
        acks = [x.t for a in firsts for x in self.facts.acks if x.place > a.place and key(x) == key(a)]
        return min(acks, default=None)

    def forced(self, s, place, since=0):
        """Whether a forced resync may still be under way: a gap (since a place) that may have timed out was closed by its
        own event, and not all that had come by then was ACKed before this place."""
        if not self.enforced:
            return False
        return any(
            since <= o.place < place
            and not any(p + 1 == s.gap_end(o) and self.waited_on(s, to + 1) for p, to in s.skips)
            and self.may_have_timed_out(
                o, next((x.t for x in s.firsts.values() if x.place + 1 == s.gap_end(o)), 1 << 62)
            )
            and s.acked_before(place) < s.most(min(place, s.gap_end(o)))
            for o in s.gap_openings
        )


def verdicts(history, gathered):
    """Requirement -> `fail`, `exercised` or `not exercised`, over all instances of a history."""
    cases = [Case(facts) for facts in gathered]
    found = {}
    for identifier, function in RULES.items():
        said = {word for case in cases for word in function(case)}
        found[identifier] = BAD if BAD in said else OK if OK in said else "not exercised"
    return found
