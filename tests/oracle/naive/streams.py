"""What a stream may be at a place of the history: every state that the contract allows, worked out anew each time.

A *standing* is (position, entries, state hash): all up to `position` is applied or covered, `entries` says of each
(strategy, side) whether it is active and whether it is held (frozen or draining).
"""

import functools
from dataclasses import dataclass, field

from tests.oracle.naive.facts import Facts, validator, whole


def flags(body):
    """(whether it is active, whether it is held); what a freeze that freezes nothing means is open, so it is neither."""
    held = bool(body.get("freeze")) or bool(body.get("drain"))
    return bool(body.get("active")) and (held or body.get("phase") != "freeze"), held


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A gap: since which place and time it is open, and the first event that waits behind it."""

    place: int
    t_sent: int
    t: int
    behind: object


@dataclass(eq=False)
class Stream:
    facts: Facts
    world: str
    run: str
    _flaws: dict = field(default_factory=dict)

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
        """ACKs that name the stream and a sequence, in the order seen, whether or not they follow the schema."""
        return [a for a in self.facts.acks if (a.world, a.run) == (self.world, self.run) and a.sequence is not None]

    @functools.cached_property
    def frames(self):
        return [
            f
            for f in self.facts.frames
            if f.place > self.arrivals[0].place
            and (f.world, f.run) == (self.world, self.run)
            and f.sequence is not None
            and f.body.get("requires_ack") is not False
        ]

    def first_ack(self, sequence):
        """The first ACK of an event, not counting what was ACKed before it had come."""
        arrival = self.firsts.get(sequence)
        return next((a for a in self.acks if arrival and a.sequence == sequence and a.place > arrival.place), None)

    @functools.cache  # noqa: B019
    def received(self, place):
        return {n for n, a in self.firsts.items() if a.place < place}

    def is_duplicate_of_applied(self, arrival):
        """Whether, when it is read, the event of that sequence is applied already (or being applied)."""
        return arrival is not self.firsts[arrival.sequence] and arrival.sequence <= self.most(arrival.place)

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
        """Answers that may be accepted for this stream: (place from which on, sequence, entries, hash, firm).

        `firm` ones have all that the contract asks for at once: a Gateway in a timed-out gap must accept them.
        """
        found = []
        for a in self.facts.answers:
            if a.endpoint != "snapshot" or a.world != self.world or self.flaw(a) not in ("", "hash"):
                continue
            told = [place for place, h in self.probes if h == a.document["state_hash"]]
            if not told:
                continue
            before = [(place, h) for place, h in self.probes if place < a.place]
            firm = not a.failure and bool(before) and before[-1][1] == a.document["state_hash"]
            entries = frozenset(
                ((strategy, side), flags(entry))
                for strategy, sides in a.document["state"].items()
                for side, entry in sides.items()
            )
            place = max(a.place, min(told))
            if not self.received(place):
                continue  # nobody follows a stream of which nothing has come
            found.append((place, whole(a.document["sequence"]), entries, a.document["state_hash"], firm))
        return sorted(found, key=lambda q: q[0])

    @functools.cached_property
    def skips(self):
        """(place, sequence): equal hashes in a gap, and the last event of the hole that they allow to skip."""
        found = []
        for place, told in self.probes:
            low = self.acked_before(place)
            for standing in self.standings(place):
                if self.facts.started.resync_enforced and standing[2] == told and standing[0] >= low:
                    found += [(place, to[0]) for to in self._beyond(standing, self.received(place))]
        return found

    def _beyond(self, standing, received):
        """Where a Gateway may stand that goes on at an equal hash: what follows directly is applied, and the hole behind
        it skipped. Empty if there is no hole."""
        while standing[0] + 1 in received:
            standing = self._applied(standing)
        position, entries, local = standing
        ahead = [n for n in received if n > position]
        return [(min(ahead) - 1, entries, local)] if ahead else []

    def may_be_skipped(self, sequence, place=None, t=-1):
        """Whether an event may be covered by a snapshot or lie in a hole that an equal hash lets a Gateway skip, before
        a place or up to a time, or ever: then it need not be applied."""
        leaves = [(q[0], q[1]) for q in self.snapshots if q[1] >= self.acked_before(q[0])]
        leaves += [(when, last) for when, last in self.skips if sequence not in self.received(when)]
        times = {x.place: x.t for x in self.facts.answers}
        return any(last >= sequence and (place is None or when < place or times[when] <= t) for when, last in leaves)

    def covers(self, sequence):
        """Whether a snapshot that was not older than what was ACKed reaches an event."""
        return any(q[1] >= sequence and q[1] >= self.acked_before(q[0]) for q in self.snapshots)

    def flaw(self, answer):
        """Why a snapshot answer cannot be accepted for this stream, in a word; "" if it can."""
        if answer.place not in self._flaws:
            self._flaws[answer.place] = self._flaw(answer)
        return self._flaws[answer.place]

    def _flaw(self, answer):
        if not answer.good:
            return "failed"
        d = answer.document
        if not isinstance(d, dict) or not isinstance(d.get("state_hash"), str):
            return "malformed"
        if d.get("world_id") != self.world:
            return "world"
        if not isinstance(d.get("run_id"), str) or whole(d.get("sequence")) is None or whole(d["sequence"]) < 0:
            return "incomplete"
        if not validator("activation-snapshot").is_valid(d):
            return "malformed"
        if d["run_id"] != self.run:
            return "run"
        if all(h != d["state_hash"] or place > answer.place for place, h in self.probes):
            return "hash"
        return ""

    # --- standings -------------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019  (a stream lives as long as its history)
    def standings(self, place):
        """Every standing that the contract allows before that place, found by living through all that came before."""
        happenings = [(a.place, "event", n) for n, a in self.firsts.items()]
        happenings += [(q[0], "snapshot", q) for q in self.snapshots]
        happenings += [(p, "probe", h) for p, h in self.probes]
        enforced = self.facts.started.resync_enforced
        received: set = set()
        found = {(0, frozenset(), None)}
        for when, kind, what in sorted(happenings, key=lambda h: (h[0], h[1] == "snapshot")):
            if when >= place:
                break
            beyond = max(received, default=0)
            gapped = beyond > max(position for position, *_ in found)
            if kind == "event":
                received.add(what)
            elif gapped and not enforced:
                continue  # nothing is forced: only the missing event helps
            elif kind == "snapshot":
                _, sequence, entries, state_hash, _ = what
                low = self.acked_before(when)
                if any(low <= position <= sequence for position, *_ in found):
                    found.add((sequence, entries, state_hash))
            elif gapped:
                low = self.acked_before(when)
                equal = [standing for standing in found if standing[2] == what and standing[0] >= low]
                found.update(to for standing in equal for to in self._beyond(standing, received))
            self._spread(found, received)
        return frozenset(found)

    def _spread(self, found, received):
        """Apply in order whatever follows directly."""
        todo = list(found)
        while todo:
            standing = todo.pop()
            if standing[0] + 1 not in received:
                continue
            after = self._applied(standing)
            if after not in found:
                found.add(after)
                todo.append(after)

    def _applied(self, standing):
        """The standing after the next event."""
        position, entries, local = standing
        body = self.firsts[position + 1].body
        entry = (body.get("strategy_id"), body.get("side"))
        kept = frozenset(e for e in entries if e[0] != entry)
        return position + 1, kept | {(entry, flags(body))}, body.get("state_hash") or local

    def local_hashes(self, place):
        """What the local hash can be at a place, all ACKs heeded."""
        low = self.acked_before(place)
        return {local for position, _, local in self.standings(place) if position >= low}

    @functools.cache  # noqa: B019
    def most(self, place):
        """The highest sequence that may be applied or covered before that place."""
        return max(position for position, *_ in self.standings(place))

    def ready(self, sequence):
        """The first place at which an event that has come may be applied or covered; None if there is none."""
        later = (p for p in self.places if p > self.firsts[sequence].place)
        return next((p for p in later if self.most(p) >= sequence), None)

    def closer(self, sequence):
        """The arrival for which an event had to wait, itself if it had not; None if something else let it go on."""
        place = self.ready(sequence)
        return next((a for a in self.firsts.values() if place is not None and a.place + 1 == place), None)

    def in_gap(self, place):
        """Whether something has arrived that nothing allows to be applied: a gap is open for certain."""
        return max(self.received(place), default=0) > self.most(place)

    def may_wait(self, place):
        """Whether the Gateway may be in a gap: some standing cannot go on although something lies above it."""
        low, received = self.acked_before(place), self.received(place)
        return any(
            low <= position < max(received, default=0) and position + 1 not in received
            for position, *_ in self.standings(place)
        )

    @functools.cached_property
    def places(self):
        """Places at which what is allowed can change."""
        return sorted(
            {a.place + 1 for a in self.firsts.values()}
            | {p + 1 for p, *_ in self.snapshots}
            | {p + 1 for p, _ in self.probes}
        )

    def gap_since(self, place):
        """How the gap that is open at a place came about, or None."""
        if not self.in_gap(place):
            return None
        start = place
        for p in reversed([p for p in self.places if p <= place]):
            if not self.in_gap(p):
                break
            start = p
            if any(q[0] + 1 == p for q in self.snapshots) and self.most(p) > self.most(p - 1):
                break  # a further hole behind a snapshot is a gap of its own
        return self._opening(start)

    @functools.cache  # noqa: B019
    def _opening(self, start):
        waiting = [a for a in self.firsts.values() if self.most(start) < a.sequence and a.place < start]
        behind = min(waiting, key=lambda a: a.place)
        if behind.place + 1 == start:
            return Opening(place=behind.place, t_sent=behind.t_sent, t=behind.t, behind=behind)
        t = next((x.t for x in self.facts.answers if x.place + 1 == start), behind.t)
        return Opening(place=start - 1, t_sent=t, t=t, behind=behind)

    @functools.cached_property
    def gap_openings(self):
        """How each gap came about, in order."""
        found = {}
        for p in self.places:
            a = self.gap_since(p)
            if a is not None:
                found.setdefault(a.place, a)
        return [found[p] for p in sorted(found)]

    def gap_end(self, opening):
        """The first place after an opening at which its gap may be closed; the length of the history if none."""
        later = [p for p in self.places if p > opening.place + 1]
        return next((p for p in later if self.gap_since(p) is not opening), self.facts.length)

    # --- what must be ----------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019
    def acked_before(self, place):
        """The highest sequence whose ACK was seen before a place, of those that had arrived by then."""
        return max(
            (a.sequence for a in self.acks if a.place < place and a.sequence in self.received(a.place)), default=0
        )
