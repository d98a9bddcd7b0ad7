"""The four violations that the judge finds itself, and the order in which monitors are told of things."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from ackgap.history import AckSeen, BarrierMissed, FrameSeen, GateSeen, Observation, ScenarioEnded, Settled
from ackgap.oracle import reading
from ackgap.oracle.bench import Bench
from ackgap.oracle.facts import NS_PER_MS, Event, Instance, Stream, World, opened_by_hand
from ackgap.oracle.gate import gap_read
from ackgap.oracle.monitor import Monitor, Situation

# A gate may stay closed longer than needed; only one that is still closed this long after everything had settled is
# called closed for good (ms).
PATIENCE_MS = 1500.0
# An event that is due may take its time after it was read: this, and a round trip for each one before it (ms).
ACK_PATIENCE_MS = 1000.0
STRAYS = 4096
# What was held up by a fault of the whole target may take this much longer: pauses between attempts grow up to 30 s (ms).
FAULT_PATIENCE_MS = 32_000.0


class Checks:
    """Finds missing ACKs, premature applications, and gates that are open or closed against the rules."""

    def __init__(self, bench: Bench, monitors: Iterable[Monitor]) -> None:
        self.bench = bench
        self.monitors = tuple(monitors)
        self.hear_ack = self._hooks("on_ack")
        self.hear_stray_ack = self._hooks("on_stray_ack")
        self.hear_frame = self._hooks("on_frame")
        self.hear_gate = self._hooks("on_gate")
        self.hear_request = self._hooks("on_request")
        self.hear_settled = self._hooks("on_settled")

    def _hooks(self, name: str) -> tuple[Callable[..., None], ...]:
        """The hook of every monitor that has one of its own."""
        default = getattr(Monitor, name)
        return tuple(getattr(m, name) for m in self.monitors if getattr(type(m), name) is not default)

    # --- ACKs --------------------------------------------------------------------------------------------------

    def ack(self, o: AckSeen, instance: Instance) -> None:
        """One record of the ACK topic."""
        ack = reading.ack(o.value, o.encoding)
        world = instance.worlds.get(ack.world_id if ack.world_id is not None else o.world_id)
        if world is not None:
            world.log.append(o)
        stream = world.streams.get(ack.run_id or "") if world is not None else None
        sequence = ack.sequence
        event = stream.events.get(sequence) if stream is not None and sequence is not None else None
        first = stream is None or sequence is None or sequence not in stream.acked
        if stream is None or event is None or sequence is None or ack.problem:
            if world is not None and sequence is not None and len(world.stray_acks) < STRAYS:
                world.stray_acks.add((ack.run_id or "", sequence))
            if ack.problem:
                instance.garbled = o.t
            for hear_stray in self.hear_stray_ack:
                hear_stray(o, ack, world, instance)
        else:
            instance.note_read(event.partition, event.offset, o.t)
            if sequence > stream.frontier:
                self._premature(stream, sequence, o.t, tier="ack", what="ACKed")
        for hear in self.hear_ack:
            hear(o, ack, stream if event is not None else None, first=first)
        if stream is not None and event is not None and sequence is not None:
            stream.note_acked(sequence, o.t, first=first)
            stream.amnesic = stream.amnesic and not first  # it has gone on, so it knows where it stood
            stream.top_acked = max(stream.top_acked, sequence)
            body = event.message.body
            stream.freeze_acked = stream.freeze_acked or body.get("freeze") is True or body.get("drain") is True
            if first and stream.ack_partition < 0:
                stream.ack_partition = o.partition
            if sequence <= stream.frontier:
                stream.highest_acked = max(stream.highest_acked, sequence)

    # --- relay -------------------------------------------------------------------------------------------------

    def frame(self, o: FrameSeen, instance: Instance) -> None:
        """One frame of the relay; what is no sequenced event of a known stream is nobody's business here."""
        message = reading.frame(o.value, o.encoding)
        if message is None or message.sequence == 0:
            return
        world = instance.worlds.get(message.world_id)
        stream = world.streams.get(message.run_id) if world is not None else None
        if world is None or stream is None:
            return
        world.log.append(o)
        if message.sequence in stream.events and message.sequence > stream.frontier:
            self._premature(stream, message.sequence, o.t, tier="relay", what="shown on the relay")
        first = message.sequence not in stream.shown
        for hear in self.hear_frame:
            hear(o, message, stream, first=first)
        if first:
            stream.shown[message.sequence] = o.t
            stream.changed = max(stream.changed, o.t)
        stream.frames_tell = stream.frames_tell or message.tells_content
        stream.highest_shown = max(stream.highest_shown, message.sequence)

    def _premature(self, stream: Stream, sequence: int, t: int, *, tier: str, what: str) -> None:
        if stream.derailed:
            return
        stream.derailed = True
        situation = self.bench.situation(stream, t=t, sequence=sequence)
        event = stream.events[sequence]
        self.bench.blame(
            "premature",
            situation,
            f"event {sequence} ({event.message.phase}) of run {stream.run_id!r} was {what} at {self.bench.at(t)} although "
            f"event {stream.first_missing()} was missing: it had neither arrived nor been covered by a snapshot that may "
            f"be accepted{_told(situation)}",
            tier=tier,
        )

    # --- gate --------------------------------------------------------------------------------------------------

    def gate(self, o: GateSeen, world: World) -> None:
        """One answer of the order gate."""
        for hear in self.hear_gate:
            hear(o, world)
        stream = world.streams.get(o.run_id)
        if stream is None or o.state == "unknown" or stream.derailed:
            return
        low, high = stream.lowest(o.t_sent), stream.frontier
        read, accepted = gap_read(o, stream), self._accepted(stream, high)
        low = high if accepted else low
        situation = self.bench.situation(stream, t=o.t_sent, low=low, high=high, gap_read=read, accepted=accepted)
        if read or self._entries_close(stream, low, high):
            if o.state == "closed":
                self.bench.credit("gate_open", replace(situation, answers=self._all_answers(situation)))
                return
            self.bench.blame("gate_open", situation, self._open_message(o, stream, situation), tier="gate")
        elif self._must_be_open(o, stream, low, high):
            if o.state == "open":
                self.bench.credit("gate_closed", situation)
            elif o.t_sent >= self._due_open(stream) + int((PATIENCE_MS + world.instance.gate_ms) * NS_PER_MS):
                self.bench.blame("gate_closed", situation, self._closed_message(o, stream), tier="gate")

    @staticmethod
    def _entries_close(stream: Stream, low: int, high: int) -> bool:
        return not opened_by_hand(stream.world) and stream.gates_between(low, high) == {"closed"}

    def _must_be_open(self, o: GateSeen, stream: Stream, low: int, high: int) -> bool:
        world = stream.world
        return (
            stream.gap is None
            and not stream.missing_reported
            and high == stream.highest_covered_or_delivered()
            and (low == high or self._accepted(stream, high))
            and (not stream.suspended or self._snapshot_taken(stream, low))
            and not world.unsequenced
            and world.latest_run == stream.run_id
            and world.settled_upto >= max(s.last_arrival for s in world.streams.values())
            and world.settled <= o.t_sent
            and not stream.optional
            and stream.gates_between(high, high) == {"open"}
        )

    @staticmethod
    def _snapshot_taken(stream: Stream, low: int) -> bool:
        """Whether an ACK from behind a hole that was never filled shows that the Gateway has taken a snapshot."""
        mended = stream.mended
        return mended is not None and not mended.filled and low > mended.missing and not stream.amnesic

    @staticmethod
    def _due_open(stream: Stream) -> int:
        """Since when nothing has changed for the gate: the last settling, ACK, frame or snapshot."""
        undisturbed = stream.world.instance.undisturbed_from
        return max([stream.world.settled, undisturbed, stream.changed, *(c.t for c in stream.covers)])

    @staticmethod
    def _accepted(stream: Stream, sequence: int) -> bool:
        """Whether a snapshot that reaches just there had to be accepted before the last settling."""
        patience = int((stream.world.instance.settle_ms + ACK_PATIENCE_MS / 2) * NS_PER_MS)
        return any(c.firm and c.sequence == sequence and stream.world.settled >= c.t + patience for c in stream.covers)

    @staticmethod
    def _all_answers(s: Situation) -> frozenset[str]:
        return frozenset(s.gap.answers) if s.gap is not None and not s.gap.equal else frozenset()

    def _open_message(self, o: GateSeen, stream: Stream, situation: Situation) -> str:
        if situation.gap_read and stream.gap is not None:
            why = (
                f"event {stream.gap.missing} is missing and the Gateway has read the event behind it{_told(situation)}"
            )
        else:
            why = f"whatever of events {situation.low} to {situation.high} is applied, an entry is frozen or draining"
        return f"the gate of run {stream.run_id!r} answered open to a question asked at {self.bench.at(o.t_sent)}, but {why}"

    def _closed_message(self, o: GateSeen, stream: Stream) -> str:
        return (
            f"the gate of run {stream.run_id!r} still answered closed at {self.bench.at(o.t)}, although all events up to "
            f"{stream.frontier} are applied, no gap is open and every entry is active and neither frozen nor draining"
        )

    # --- settling ----------------------------------------------------------------------------------------------

    def settled(self, o: Settled, world: World) -> None:
        """Everything delivered up to `o.upto` has been read: due events must have their ACKs by now."""
        for stream in world.streams.values():
            self._due(stream, t=o.t, upto=o.upto, proof=o.proof)
            self._beyond_gap(stream, o.t)
        for hear in self.hear_settled:
            hear(o, world)

    def _due(self, stream: Stream, *, t: int, upto: int, proof: str) -> None:
        if stream.derailed or stream.missing_reported:
            return
        floor, whole = stream.due_upto, True
        for sequence in sorted(s for s in stream.events if s > floor):
            event = stream.events[sequence]
            acked = sequence in stream.acked
            if sequence > stream.frontier or (event.message.optional and not acked):
                return
            if sequence in stream.due:
                if whole:
                    stream.due_upto = sequence
                continue
            # Nothing may be known of what it had waited for.
            unread = event.ready > upto and sequence - 1 not in stream.acked
            if not event.via or event.t > upto or unread:
                whole = False
                continue
            situation = self.bench.situation(stream, t=t, sequence=sequence)
            if acked:
                stream.due.add(sequence)
                if whole:
                    stream.due_upto = sequence
                self.bench.credit("missing", situation)
            elif (stream.run_id, sequence) in stream.world.stray_acks:
                return  # it was ACKed, too early: that was judged, and what follows from it is not judged again
            elif self._overtaken(t, stream, sequence) or self._had_time(t, stream, event):
                stream.missing_reported = True
                self.bench.blame("missing", situation, self._missing_message(t, stream, event), proof=proof)
                return
            elif self._covered_meanwhile(t, stream, event):
                whole = (
                    False  # whether it has to be ACKed is not known; what comes above the snapshot is due all the same
                )
            else:
                return  # judged when it settles again, or at the end of the scenario

    @staticmethod
    def _overtaken(t: int, stream: Stream, sequence: int) -> bool:
        """Whether the ACK of a later event has been there for a settle time: this one's should have come before it,
        unless a snapshot may have covered it by then."""
        settled = t - int(stream.world.instance.settle_ms * NS_PER_MS)
        covered = min(
            (c.t for c in stream.covers if c.kind == "snapshot" and c.sequence >= sequence), default=settled + 1
        )
        return any(
            later > sequence and acked <= settled and acked < covered and later in stream.events
            for later, acked in stream.acked.items()
        )

    def _had_time(self, t: int, stream: Stream, event: Event) -> bool:
        """Whether the Gateway had time for an event, and has no snapshot for an excuse."""
        limit = self._limit(t, stream, event)
        return limit is not None and t >= limit and not self._covered_meanwhile(t, stream, event)

    def _limit(self, t: int, stream: Stream, event: Event) -> int | None:
        """By when (ns) the Gateway had time for the event and for what lay in front of it too; having read it is not
        enough. None while a fault of the whole target is there."""
        instance = stream.world.instance
        start, patience = event.t, ACK_PATIENCE_MS + instance.settle_ms
        if event.via == "snapshot":
            start = max((c.t for c in stream.covers if c.firm), default=event.t)
        elif event.via in {"fill", "late_fill"}:
            start = max(event.t, event.ready)
        if instance.disturbed:
            return None
        overtaken = (
            stream.top_acked > event.message.sequence and not stream.covers
        )  # ACKs come in order: never any more
        if event.t <= instance.undisturbed_from and not overtaken:
            start, patience = max(start, instance.undisturbed_from), patience + FAULT_PATIENCE_MS
        ahead = (s for s in stream.events if s <= event.message.sequence)
        backlog = sum(1 for s in ahead if stream.acked.get(s, t) >= start)  # what was ACKed meanwhile took its time too
        return start + int((patience + backlog * instance.round_trip_ms) * NS_PER_MS)

    def _covered_meanwhile(self, t: int, stream: Stream, event: Event) -> bool:
        """Whether a snapshot, fetched for a gap that was there, may have covered an event before a slow Gateway had
        applied it."""
        limit, sequence = self._limit(t, stream, event), event.message.sequence
        if limit is None:
            return False
        latest = min(limit, stream.shown.get(sequence, limit))
        return any(c.gapped and c.sequence >= sequence and c.t < latest for c in stream.covers)

    def _missing_message(self, t: int, stream: Stream, event: Event) -> str:
        how = {
            "order": "all before it were applied and ACKed",
            "fill": "the missing event had arrived",
            "late_fill": "the missing event had arrived, after the timeout and with resync not enforced",
            "snapshot": "a snapshot that had to be accepted covered all before it",
        }[event.via]
        return (
            f"event {event.message.sequence} ({event.message.phase}) of run {stream.run_id!r}, delivered at "
            f"{self.bench.at(event.t)}, has no ACK by {self.bench.at(t)} although {how} and the Gateway has read past it"
        )

    def _beyond_gap(self, stream: Stream, t: int) -> None:
        """Events wait behind a gap and nothing was applied: that is what many requirements demand."""
        instance = stream.world.instance
        if stream.derailed:
            return
        for kind, since in list(stream.pending_answers.items()):
            if t >= since + int(instance.settle_ms * NS_PER_MS):
                del stream.pending_answers[kind]
                stream.judged.add((f"answer {kind}", 0))
        gap = stream.gap
        if gap is None or gap.equal:
            return
        timed_out = t >= gap.opened_sent + instance.timeout_ns
        for sequence in stream.waiting():
            mark = (f"beyond, timed out {timed_out}, duplicates {gap.duplicates > 0}", sequence)
            if mark not in stream.judged:
                stream.judged.add(mark)
                situation = self.bench.situation(stream, t=t, sequence=sequence, every_answer=True)
                self.bench.credit("premature", situation)

    # --- the rest ----------------------------------------------------------------------------------------------

    def barrier_missed(self, o: BarrierMissed, world: World) -> None:
        """The target has not read past the world's deliveries: stuck for good, or only slow?"""
        if world.instance.spans:
            self.bench.doubt(
                "FLT-15",
                world,
                f"the marker was not ACKed within {o.waited_ms:.0f} ms after a fault of the whole target; it may only be slow to "
                "find its group and its brokers again: look at its session timeout and its pauses between attempts",
            )
            return
        marks = world.instance.read.get(o.partition, [])
        since = o.t - int(o.waited_ms * NS_PER_MS)
        stuck = world.instance.garbled < since and (not marks or marks[-1][1] < since)
        for monitor in self.monitors:
            monitor.on_barrier_missed(o, world, stuck=stuck)

    def ended(self, o: ScenarioEnded, world: World) -> None:
        """The scenario is over; what it leaves behind can be judged."""
        for stream in world.streams.values():
            self._due(stream, t=o.t, upto=world.settled_upto, proof="barrier")
            self._answers_withstood(o, stream)
        for monitor in self.monitors:
            monitor.on_ended(o, world)

    def _answers_withstood(self, o: Observation, stream: Stream) -> None:
        """Bad resync answers were served and nothing was applied on the strength of them."""
        if stream.derailed:
            return
        served = {kind for kind, _ in stream.judged if kind.startswith("answer ")}
        served |= {f"answer {kind}" for kind in stream.pending_answers}
        if not served:
            return
        gap = stream.gap or stream.mended
        situation = Situation(
            stream=stream,
            event=None,
            gap=gap,
            answers=frozenset(kind.removeprefix("answer ") for kind in served),
            timed_out=False,
            t=o.t,
        )
        for claim in self.bench.claims["premature"]:
            if claim.requirement in ANSWER_CLAIMS and claim.fits(situation):
                self.bench.exercised(claim.requirement, stream.world)


ANSWER_CLAIMS = frozenset({"SYNC-07", "SYNC-08", "SYNC-09", "SYNC-10", "SYNC-11", "SYNC-14", "RUN-03"})


def _told(situation: Situation) -> str:
    gap = situation.gap
    if gap is None or not gap.answers:
        return ""
    words = {
        "failed": "failed", "wrong_world": "a snapshot of another world", "incomplete": "a snapshot without run or sequence",
        "hash_mismatch": "a snapshot whose hash no probe had answered", "stale": "a snapshot older than what is applied",
        "wrong_run": "a snapshot of another run", "equal": "an equal state hash", "diverged": "a differing state hash",
        "good": "a good snapshot", "unforced": "a snapshot, although resync is not enforced",
    }  # fmt: skip
    return f" (resync answers so far: {', '.join(words[a] for a in gap.answers[-4:])})"
