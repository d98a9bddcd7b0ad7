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


class Case:
    """One instance with its streams."""

    def __init__(self, facts):
        self.facts = facts
        keys = dict.fromkeys((a.world, a.run) for a in facts.arrivals if a.kind == "sequenced")
        self.streams = [Stream(facts, *key) for key in keys]
        self.timeout = facts.started.gap_timeout_ms * 1_000_000
        self.enforced = facts.started.resync_enforced

    def of(self, world):
        return [s for s in self.streams if s.world == world]

    def unsequenced(self, world, place):
        return [a for a in self.facts.arrivals if a.kind == "unsequenced" and a.world == world and a.place < place]

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
                    if opening and self.facts.settled(opening, place):
                        found.append((s, place, g.t_sent))
        return found

    def may_have_timed_out(self, opening, t):
        return t >= opening.t_sent + self.timeout - self.facts.margin

    def has_timed_out(self, opening, t):
        return t >= opening.t + self.timeout + self.facts.margin

    def refused(self, s, n):
        """Whether something at or below n may be refused for its version."""
        return any(k <= n and a.body.get("version", 1) != 1 and not s.first_ack(k) for k, a in s.firsts.items())

    def outcome(self, s, n):
        """OK if event n is ACKed, BAD if it is not although nothing stood in its way, None if nobody can tell."""
        if s.first_ack(n):
            return OK
        a = s.firsts[n]
        before = s.first_ack(n - 1)
        if self.refused(s, n) or (n > 1 and before is None):
            return None
        _, end = self.facts.end_of(a.home)
        ready = max(a.t, before.t if before else 0)
        if self.facts.settle_after(a) and end >= ready + self.facts.settle:
            return BAD
        return None

    @functools.cached_property
    def due(self):
        """(stream, sequence, way) of each event whose ACK is owed and not hindered by a resync; `way` says how it came:
        in order, as the missing one, or buffered behind it."""
        found = []
        for s in self.streams:
            for n, a in sorted(s.firsts.items()):
                if s.most(a.place) >= n or any(q[1] >= n for q in s.snapshots):
                    continue
                gap = s.gap_since(a.place)
                if s.most(a.place) == n - 1:
                    if gap is None:
                        found.append((s, n, "in order"))
                    elif not (self.enforced and self.may_have_timed_out(gap, a.t)):
                        found.append((s, n, "missing one"))
                    continue
                opening = s.gap_since(a.place + 1)
                if opening is None:
                    continue
                end = s.gap_end(opening)
                closer = next((x for x in s.firsts.values() if x.place + 1 == end), None)
                if closer and not (self.enforced and self.may_have_timed_out(opening, closer.t)):
                    found.append((s, n, "buffered"))
        return found


def verdicts(history, gathered):
    """Requirement -> `fail`, `exercised` or `not exercised`, over all instances of a history."""
    cases = [Case(facts) for facts in gathered]
    found = {}
    for identifier, function in RULES.items():
        said = {word for case in cases for word in function(case)}
        found[identifier] = BAD if BAD in said else OK if OK in said else "not exercised"
    return found
