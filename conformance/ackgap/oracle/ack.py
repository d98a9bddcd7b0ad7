"""ACK: one stage, after application, in order, for what was received and nothing else."""

from ackgap.history import AckSeen, BarrierMissed, Observation
from ackgap.oracle.facts import Instance, Stream, World
from ackgap.oracle.monitor import Claim, Monitor
from ackgap.oracle.msg import all_plain, rounded, same_but_mangled
from ackgap.oracle.reading import Ack


class AckMonitor(Monitor):
    """Tolerates: repeated ACKs with the same key, ACKs of covered events that were received, in any order."""

    group = "ACK"
    missing = (
        Claim(15, "ACK-08", lambda s: s.event is not None and s.event.relay_stalled),
        Claim(90, "ACK-01", lambda s: s.event is not None and s.event.via == "order"),
    )

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """ACK-02 to ACK-04, ACK-06, ACK-07 on an ACK of a delivered event."""
        if stream is None or ack.sequence is None:
            return
        world = stream.world
        self.bench.exercised("ACK-02", world)
        self._key(o, world)
        self._repeats(ack, stream, first=first)
        if first:
            self._order(o, stream, ack.sequence)
            self._fields(ack, stream)

    def on_stray_ack(self, o: AckSeen, ack: Ack, world: World | None, instance: Instance) -> None:
        """ACK-02, ACK-05: ACKs for what was never validly delivered as a sequenced event."""
        if world is None:
            self._unknown_world(o, ack, instance)
            return
        where = ((ack.run_id or ""), ack.sequence or 0)
        if (ack.sequence is not None and where in world.unsequenced_claims) or (
            _names_no_sequence(ack) and world.unsequenced
        ):
            self.bench.convict(
                "ACK-05", world, f"an unsequenced event was ACKed (run {ack.run_id!r}, sequence {ack.sequence})"
            )
            return
        stream = world.streams.get(ack.run_id or "")
        if where in world.claims or ack.problem or _claimed_hole(stream, where[1]):
            return
        if stream is None and any(same_but_mangled(ack.run_id or "", run) for run in world.streams):
            return
        if stream is not None and rounded(stream, where[1]):
            return
        self.bench.convict(
            "ACK-02",
            world,
            f"run {ack.run_id!r}, sequence {ack.sequence} was ACKed, but no such event was ever delivered",
        )

    def on_settled(self, o: Observation, world: World) -> None:
        """ACK-05, ACK-07, ACK-09: what should not have come did not, and what is ACKed shows."""
        if world.unsequenced:
            self.bench.exercised("ACK-05", world)
        for stream in world.streams.values():
            if not stream.duplicates or ("reack", 0) in stream.judged:
                continue
            applied = (event for sequence, event in stream.events.items() if sequence in stream.acked)
            if any(not buffered for event in applied for _, _, buffered in event.copies):
                stream.judged.add(("reack", 0))
                self.bench.exercised("ACK-07", world)

    def at_finish(self) -> None:
        """ACK-09: by now even a slow relay has shown what is ACKed."""
        for stream in self.bench.streams():
            self._shown(stream, stream.world)

    def on_barrier_missed(self, o: Observation, world: World, *, stuck: bool) -> None:
        """ACK-08 when a relay client stands still; otherwise a doubt, unless another group claims it."""
        if not isinstance(o, BarrierMissed):
            return
        if world.relay_stalled and stuck:
            self.bench.convict(
                "ACK-08",
                world,
                f"no ACK on partition {o.partition} for {o.waited_ms:.0f} ms while a relay client stood still",
            )
        elif not (stuck and (world.invalid_deliveries or world.gapped())):
            self.bench.doubt(
                "ACK-01",
                world,
                f"the marker behind this world's events was not ACKed within {o.waited_ms:.0f} ms; the target may be "
                "overloaded: try fewer scenarios at once (--jobs)",
            )

    def _key(self, o: AckSeen, world: World) -> None:
        if o.key == world.world_id:
            self.bench.exercised("ACK-04", world)
        else:
            self.bench.convict("ACK-04", world, f"the ACK at offset {o.offset} has the key {o.key!r}, not the world id")

    def _repeats(self, ack: Ack, stream: Stream, *, first: bool) -> None:
        key = ack.body.get("idempotency_key") if isinstance(ack.body, dict) else None
        sequence = ack.sequence or 0
        if first:
            stream.ack_keys[sequence] = key
        elif stream.ack_keys.get(sequence) == key:
            self.bench.exercised("ACK-07", stream.world)
        else:
            self.bench.convict(
                "ACK-07",
                stream.world,
                f"sequence {sequence} was ACKed with {stream.ack_keys.get(sequence)!r}, then with {key!r}",
            )

    def _order(self, o: AckSeen, stream: Stream, sequence: int) -> None:
        if not stream.acked or stream.ack_partition != o.partition or stream.derailed:
            return
        highest = stream.top_acked
        # Only what was covered before a later one was ACKed may be ACKed after it.
        overtaken = min((t for s, t in stream.acked.items() if s > sequence), default=o.t)
        came = stream.events[sequence].t  # an equal hash lets nobody skip what was there
        if any(
            c.sequence >= sequence and c.t <= overtaken and (c.kind == "snapshot" or came > c.t) for c in stream.covers
        ):
            return
        if sequence > highest:
            self.bench.exercised("ACK-03", stream.world)
        else:
            self.bench.convict(
                "ACK-03", stream.world, f"the first ACK of sequence {sequence} lies behind that of sequence {highest}"
            )

    def _fields(self, ack: Ack, stream: Stream) -> None:
        event = stream.events[ack.sequence or 0].message
        expected = self.bench.contract.constants.idempotency_key.format(
            world_id=event.world_id, run_id=event.run_id, sequence=event.sequence, phase=event.phase,
            version=ack.body.get("version"),
        )  # fmt: skip
        wrong = [
            f"{name} is {ack.body.get(name)!r}, not {value!r}"
            for name, value in (("phase", event.phase), ("etag", event.etag), ("idempotency_key", expected))
            if ack.body.get(name) != value
        ]
        if wrong:
            self.bench.convict("ACK-06", stream.world, f"the ACK of sequence {event.sequence}: {'; '.join(wrong)}")
        else:
            self.bench.exercised("ACK-06", stream.world)

    def _shown(self, stream: Stream, world: World) -> None:
        instance = world.instance
        if "relay" not in instance.tiers or instance.relay_gone or stream.derailed:
            return
        for sequence, t in sorted(stream.acked.items()):
            if _need_not_be_shown(stream, sequence):
                continue
            if sequence in stream.shown:
                self.bench.exercised("ACK-09", world)
            elif self.bench.relay_had_time(instance, t) and not stream.events[sequence].message.optional:
                self.bench.convict(
                    "ACK-09", world, f"sequence {sequence} was ACKed but the relay never showed it", tier="relay"
                )

    def _unknown_world(self, o: AckSeen, ack: Ack, instance: Instance) -> None:
        named = ack.world_id or o.world_id
        worlds = list(instance.worlds.values())
        if not named or any(not all_plain(w) and same_but_mangled(named, w.world_id) for w in worlds):
            return
        if worlds:
            where = (ack.run_id or "", ack.sequence or 0)
            near = [w for w in worlds if where[0] in w.streams and where[1] in w.streams[where[0]].events]
            meant = max(near or worlds, key=lambda w: w.last_delivery)
            self.bench.convict("ACK-02", meant, f"an ACK names world {named!r}, of which nothing was ever delivered")


def _names_no_sequence(ack: Ack) -> bool:
    return isinstance(ack.body, dict) and ack.body.get("sequence") is None


def _need_not_be_shown(stream: Stream, sequence: int) -> bool:
    """Whether an ACKed event may have been covered instead of applied. An equal hash covers only what came behind it."""
    came = stream.events[sequence].t
    return any(c.sequence >= sequence and (c.kind == "snapshot" or came > c.t) for c in stream.covers)


def _claimed_hole(stream: Stream | None, sequence: int) -> bool:
    """Whether the sequence is a hole that a resync has covered: ACKing that is the SYNC group's business."""
    return stream is not None and any(sequence <= cover.sequence for cover in stream.covers) and sequence > 0
