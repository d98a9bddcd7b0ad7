"""What a stream may be at a place of the history: every state that the contract allows, worked out anew each time.

A *standing* is (position, entries): all up to `position` is applied or covered, `entries` says of each (strategy, side)
whether it is active and whether it is held (frozen or draining).
"""

import functools
from dataclasses import dataclass

from tests.oracle.naive.facts import Facts, validator, whole

Standing = tuple[int, frozenset]


def flags(body):
    return bool(body.get("active")), bool(body.get("freeze")) or bool(body.get("drain"))


@dataclass(eq=False)
class Stream:
    facts: Facts
    world: str
    run: str

    @functools.cached_property
    def arrivals(self):
        """Every valid sequenced delivery of the stream."""
        return [a for a in self.facts.arrivals if a.kind == "sequenced" and (a.world, a.run) == (self.world, self.run)]

    @functools.cached_property
    def firsts(self):
        """sequence -> its first arrival: the content that counts."""
        found = {}
        for a in self.arrivals:
            found.setdefault(a.sequence, a)
        return found

    @functools.cached_property
    def acks(self):
        """Valid ACKs of the stream, in the order seen."""
        return [
            a
            for a in self.facts.acks
            if (a.world, a.run) == (self.world, self.run) and a.sequence is not None and a.valid
        ]

    @functools.cached_property
    def frames(self):
        return [
            f
            for f in self.facts.frames
            if (f.world, f.run) == (self.world, self.run)
            and f.sequence is not None
            and f.body.get("requires_ack") is True
        ]

    def first_ack(self, sequence):
        return next((a for a in self.acks if a.sequence == sequence), None)

    def received(self, place):
        return {n for n, a in self.firsts.items() if a.place < place}

    # --- answers ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def probes(self):
        """(place, hash) of every probe of the world that was answered with a hash."""
        return [
            (a.place, a.document["state_hash"])
            for a in self.facts.answers
            if a.world == self.world
            and a.endpoint == "state_hash"
            and a.good
            and validator("state-hash").is_valid(a.document)
        ]

    @functools.cached_property
    def snapshots(self):
        """Answers that may be accepted for this stream, whatever is applied: (place, sequence, entries, hash)."""
        found = []
        for a in self.facts.answers:
            if a.endpoint == "snapshot" and a.world == self.world and not self.flaw(a):
                entries = frozenset(
                    ((strategy, side), flags(entry))
                    for strategy, sides in a.document["state"].items()
                    for side, entry in sides.items()
                )
                found.append((a.place, whole(a.document["sequence"]), entries, a.document["state_hash"]))
        return found

    def flaw(self, answer):
        """Why a snapshot answer cannot be accepted for this stream, in a word; "" if it can."""
        if not answer.good:
            return "failed"
        d = answer.document
        if not validator("activation-snapshot").is_valid(d):
            return "malformed"
        if d["world_id"] != self.world:
            return "world"
        if d.get("run_id") is None or d.get("sequence") is None:
            return "incomplete"
        if d["run_id"] != self.run:
            return "run"
        if all(h != d["state_hash"] or place > answer.place for place, h in self.probes):
            return "hash"
        return ""

    # --- standings -------------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019  (a stream lives as long as its history)
    def standings(self, place):
        """Every standing that the contract allows before that place."""
        received = self.received(place)
        enforced = self.facts.started.resync_enforced
        snapshots = [s for s in self.snapshots if s[0] < place] if enforced else []
        hashes = {h for p, h in self.probes if p < place} if enforced else set()
        todo, found = [(0, frozenset())], set()
        while todo:
            standing = todo.pop()
            if standing in found:
                continue
            found.add(standing)
            position, entries = standing
            if position + 1 in received:
                body = self.firsts[position + 1].body
                entry = (body.get("strategy_id"), body.get("side"))
                kept = frozenset(e for e in entries if e[0] != entry)
                todo.append((position + 1, kept | {(entry, flags(body))}))
            todo += [(sequence, theirs) for _, sequence, theirs, _ in snapshots if sequence >= position]
            beyond = [n for n in received if n > position]
            if beyond and min(beyond) > position + 1 and hashes & self.hashes(position):
                todo.append((min(beyond) - 1, entries))
        return found

    def hashes(self, position):
        """What the local hash can be at a position."""
        carried = [
            (n, a.body["state_hash"]) for n, a in self.firsts.items() if n <= position and a.body.get("state_hash")
        ]
        local = {max(carried)[1]} if carried else set()
        return local | {h for _, sequence, _, h in self.snapshots if sequence <= position}

    @functools.cache  # noqa: B019
    def most(self, place):
        """The highest sequence that may be applied or covered before that place."""
        return max(position for position, _ in self.standings(place))

    def in_gap(self, place):
        """Whether something has arrived that nothing allows to be applied: a gap is open for certain."""
        return max(self.received(place), default=0) > self.most(place)

    @functools.cached_property
    def places(self):
        """Places at which what is allowed can change."""
        return sorted(
            {a.place + 1 for a in self.firsts.values()}
            | {p + 1 for p, *_ in self.snapshots}
            | {p + 1 for p, _ in self.probes}
        )

    def gap_since(self, place):
        """The arrival that opened the gap which is open at a place, or None."""
        if not self.in_gap(place):
            return None
        start = place
        for p in reversed([p for p in self.places if p <= place]):
            if not self.in_gap(p):
                break
            start = p
        return next((a for a in self.firsts.values() if a.place + 1 == start), None) or min(
            (a for a in self.firsts.values() if a.sequence > self.most(start)), key=lambda a: a.place
        )

    @functools.cached_property
    def gap_openings(self):
        """The arrivals that opened gaps, in order."""
        found = {}
        for p in self.places:
            a = self.gap_since(p)
            if a is not None:
                found.setdefault(a.place, a)
        return [found[p] for p in sorted(found)]

    def gap_end(self, opening):
        """The first place after an opening at which its gap may be closed; the length of the history if none."""
        return next((p for p in self.places if p > opening.place + 1 and not self.in_gap(p)), self.facts.length)

    # --- what must be ----------------------------------------------------------------------------------------------

    def acked_before(self, place):
        return max((a.sequence for a in self.acks if a.place < place), default=0)
