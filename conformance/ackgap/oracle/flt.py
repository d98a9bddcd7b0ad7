"""FLT: restarts, outages and faults of the bus. What holds without faults holds with them; what is due may take longer."""

from ackgap.history import AckSeen, BarrierMissed, FrameSeen, GateSeen, Observation, RequestSeen
from ackgap.oracle.facts import NS_PER_MS, Instance, Span, Stream, World
from ackgap.oracle.monitor import Claim, Monitor, Situation
from ackgap.oracle.reading import Ack, Activation

KILLED = frozenset({"gateway_killed"})
TERMINATED = frozenset({"gateway_terminated"})
DOWN = KILLED | TERMINATED
STOPPED = frozenset({"gateway_stopped"})
REBALANCED = frozenset({"group_rebalanced"})
REFUSED = frozenset({"acks_rejected", "acks_unconfirmed"})
DELAYED = frozenset({"acks_late", "acks_lost", "acks_cut", "acks_held"})
UNPUBLISHED = frozenset(
    {"acks_rejected", "acks_lost", "acks_held"}
)  # while one of these lasts no ACK reaches the broker
BROKER = frozenset({"broker_down", "broker_hung", "broker_slow", "broker_paused", "broker_killed"})
OUTAGE = frozenset({"worldservice_down", "worldservice_hung", "worldservice_slow", "worldservice_errors"})
DECEPTION = frozenset({"worldservice_wrong", "worldservice_cut", "worldservice_flapping"})
RELAY = frozenset({"relay_client_flapping"})

# After an outage a Gateway may pause up to 30 s before it tries again; this long (ms), and it never will.
RETRY_PATIENCE_MS = 33_000.0
SECOND_NS = 1_000_000_000


def _waited(s: Situation) -> tuple[int, int]:
    """From the sending of the event to its ACK, or to now."""
    if s.event is None:
        return s.t, s.t
    return s.event.t_sent, max(s.event.t, s.stream.acked.get(s.event.message.sequence, s.t))


def _held_up(s: Situation, faults: frozenset[str]) -> list[Span]:
    """Faults of the whole target that the event has lived through before its ACK."""
    if s.event is None:
        return []
    begin, end = _waited(s)
    return [span for span in s.instance.spans if span.fault in faults and span.touches(begin, end)]


def _received_before(s: Situation, faults: frozenset[str]) -> bool:
    return any(s.event is not None and s.event.t < span.begin for span in _held_up(s, faults))


def _sent_during(s: Situation, faults: frozenset[str]) -> bool:
    return any(s.event is not None and s.event.t_sent >= span.begin for span in _held_up(s, faults))


def _moved(s: Situation) -> bool:
    """The event lived through a rebalance in a partition that changed hands."""
    return any(s.event is not None and s.event.partition in span.places for span in _held_up(s, REBALANCED))


def _poisoned(s: Situation) -> bool:
    """Invalid input came before a restart and the event is due after it."""
    restarted = s.instance.restarted
    return (
        s.event is not None
        and s.event.after_invalid
        and 0 < s.world.invalid_seen <= restarted
        and _waited(s)[1] > restarted
    )


def _begun(stream: Stream) -> int:
    """When the first event of the stream was sent."""
    first = next(iter(stream.events.values()), None)
    return first.t_sent if first is not None else stream.began


def _restarted(s: Situation) -> bool:
    return s.instance.restarted > s.stream.began


def _own(s: Situation, faults: frozenset[str]) -> bool:
    """The gap of the stream has lived through a fault of its world's WorldService."""
    gap = s.gap or s.stream.mended
    if gap is None:
        return False
    return any(span.fault in faults and span.touches(gap.opened_sent, s.t) for span in s.world.spans)


def _neighbour_hurt(s: Situation) -> bool:
    """Another world of the scenario has a fault of its own while the event was due."""
    if s.event is None or s.event.via != "order":
        return False
    begin, end = _waited(s)
    return any(
        span.fault in OUTAGE | DECEPTION and span.touches(begin, end)
        for relative in s.world.family()
        if relative is not s.world
        for span in relative.spans
    )


def _relay_flapping(s: Situation) -> bool:
    begin, _ = _waited(s)
    return s.event is not None and any(span.fault in RELAY and span.touches(begin, begin) for span in s.world.spans)


def _disturbed(s: Situation) -> bool:
    """A fault of the whole target, or of the world, has come and gone since the stream began."""
    spans = [*s.instance.spans, *s.world.spans]
    return any(span.end is not None and span.end >= _begun(s.stream) for span in spans)


def _during(s: Situation, faults: frozenset[str]) -> bool:
    """A fault of the whole target has touched the stream since it began."""
    return any(span.fault in faults and span.touches(_begun(s.stream), s.t) for span in s.instance.spans)


class FltMonitor(Monitor):
    """Tolerates: slow restarts, pauses of up to 30 s between attempts, prefixes that are applied and ACKed again, and a
    Gateway that has forgotten a stream and stays closed until it is told the truth."""

    group = "FLT"
    missing = (
        Claim(1, "FLT-14", _poisoned),
        Claim(2, "FLT-06", lambda s: _received_before(s, TERMINATED)),
        Claim(3, "FLT-01", lambda s: _received_before(s, KILLED)),
        Claim(4, "FLT-05", lambda s: _sent_during(s, DOWN)),
        Claim(5, "FLT-17", lambda s: bool(_held_up(s, STOPPED))),
        Claim(6, "FLT-12", _moved),
        Claim(7, "FLT-03", lambda s: bool(_held_up(s, REFUSED))),
        Claim(8, "FLT-08", lambda s: bool(_held_up(s, DELAYED))),
        Claim(8, "FLT-16", lambda s: bool(_held_up(s, BROKER))),
        Claim(9, "FLT-04", lambda s: s.event is not None and s.event.via == "snapshot" and _own(s, OUTAGE)),
        Claim(9, "FLT-11", _neighbour_hurt),
        Claim(9, "FLT-19", _relay_flapping),
    )
    premature = (
        Claim(2, "FLT-07", _restarted),
        Claim(4, "FLT-13", lambda s: _during(s, REBALANCED)),
        Claim(5, "FLT-17", lambda s: _during(s, STOPPED)),
        Claim(6, "FLT-16", lambda s: _during(s, BROKER)),
        Claim(7, "FLT-08", lambda s: _during(s, DELAYED | REFUSED)),
        Claim(8, "FLT-10", lambda s: _own(s, DECEPTION)),
        Claim(9, "FLT-04", lambda s: _own(s, OUTAGE)),
    )
    gate_open = (
        Claim(2, "FLT-02", _restarted),
        Claim(5, "FLT-17", lambda s: _during(s, STOPPED)),
        Claim(6, "FLT-16", lambda s: _during(s, BROKER)),
        Claim(8, "FLT-10", lambda s: _own(s, DECEPTION)),
        Claim(9, "FLT-04", lambda s: _own(s, OUTAGE)),
    )
    gate_closed = (
        Claim(8, "FLT-04", lambda s: bool(s.stream.covers) and _own(s, OUTAGE)),
        Claim(9, "FLT-15", _disturbed),
    )

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """FLT-13 and FLT-18: order across a rebalance, and the key of what is ACKed again."""
        if stream is None or ack.sequence is None:
            return
        if first:
            self._in_order(stream, ack.sequence)
        else:
            self._again(o, ack, stream, ack.sequence)

    def on_frame(self, o: FrameSeen, message: Activation, stream: Stream, *, first: bool) -> None:
        """FLT-03 and FLT-08: what follows an event waits while no ACK can be published."""
        before = stream.events.get(message.sequence - 1)
        if not first or before is None or stream.derailed or message.sequence - 1 in stream.acked:
            return
        if message.sequence not in stream.events or stream.covers:
            return
        for span in stream.world.instance.spans:
            if span.fault in UNPUBLISHED and span.end is None and before.t_sent >= span.begin:
                self.bench.convict(
                    "FLT-03" if span.fault in REFUSED else "FLT-08",
                    stream.world,
                    f"the relay showed event {message.sequence} although the ACK of event {message.sequence - 1} could not have "
                    f"been published: {span.fault} since {self.bench.at(span.begin)}",
                    tier="relay",
                )
                return

    def on_gate(self, o: GateSeen, world: World) -> None:
        """FLT-03 and FLT-08: nor does the gate follow what lies behind an event whose ACK cannot be published."""
        stream = world.streams.get(o.run_id)
        if o.state != "open" or stream is None or stream.derailed or stream.covers or world.unsequenced:
            return
        held = stream.lowest(o.t_sent) + 1
        event = stream.events.get(held)
        if event is None or held in stream.acked or stream.gates_between(held - 1, held) != {"closed"}:
            return
        for span in world.instance.spans:
            if span.fault in UNPUBLISHED and span.end is None and event.t_sent >= span.begin:
                self.bench.convict(
                    "FLT-03" if span.fault in REFUSED else "FLT-08",
                    world,
                    f"the gate answered open at {self.bench.at(o.t)} although nothing behind event {held} may be applied: its ACK "
                    f"could not have been published, {span.fault} since {self.bench.at(span.begin)}",
                    tier="gate",
                )
                return

    def on_request(self, o: RequestSeen, world: World | None, instance: Instance) -> None:
        """FLT-09: the pace of requests in an outage. FLT-20: a resync that is begun anew."""
        if world is None or o.endpoint not in {"state_hash", "snapshot"}:
            return
        if any(span.end is None and span.fault in OUTAGE | DECEPTION for span in world.spans):
            self._pace(o, world)
        for stream in world.streams.values():
            gap = stream.gap
            if gap is not None and gap.first_probe and gap.first_probe <= instance.restarted < o.t:
                self.bench.exercised("FLT-20", world)

    def on_barrier_missed(self, o: Observation, world: World, *, stuck: bool) -> None:
        """FLT-11: the outage of one world stops the others."""
        others = [relative for relative in world.family() if relative is not world]
        hurt = [s for relative in others for s in relative.spans if s.end is None and s.fault in OUTAGE | DECEPTION]
        if stuck and hurt and not world.gapped() and isinstance(o, BarrierMissed):
            self.bench.convict(
                "FLT-11",
                world,
                f"nothing on partition {o.partition} was ACKed for {o.waited_ms:.0f} ms while {hurt[0].fault} concerned "
                "another world only",
            )

    def on_ended(self, o: Observation, world: World) -> None:
        """FLT-04 and FLT-20: what was never tried again. FLT-15: what could not be judged yet."""
        instance = world.instance
        if not instance.resync_enforced:
            return
        last = world.request_times[-1] if world.request_times else 0
        for stream in world.streams.values():
            gap = stream.gap
            if gap is None or stream.derailed or world.latest_run != stream.run_id:
                continue
            outages = [s.end for s in world.spans if s.fault in OUTAGE | DECEPTION and s.end is not None]
            healed = max(outages, default=0)
            if healed > gap.opened and last <= healed:
                self._never_again(o, world, "FLT-04", since=healed, what="the WorldService was back")
            begun = gap.first_probe or gap.early_probe
            if begun and begun <= instance.restarted and last <= instance.restarted:
                since = instance.restarted + instance.timeout_ns
                self._never_again(o, world, "FLT-20", since=since, what="a restart had cut off the resync")

    # --- inside ------------------------------------------------------------------------------------------------

    def _in_order(self, stream: Stream, sequence: int) -> None:
        event = stream.events[sequence]
        moved = [
            span for span in stream.world.instance.spans
            if span.fault in REBALANCED and span.end is not None and span.end >= event.t_sent and event.partition in span.places
        ]  # fmt: skip
        if not moved or stream.derailed or any(cover.sequence >= sequence for cover in stream.covers):
            return
        if sequence > stream.top_acked:
            self.bench.exercised("FLT-13", stream.world)
        else:
            self.bench.convict(
                "FLT-13",
                stream.world,
                f"after a rebalance the first ACK of sequence {sequence} lies behind that of sequence {stream.top_acked}",
            )

    def _again(self, o: AckSeen, ack: Ack, stream: Stream, sequence: int) -> None:
        since = stream.events[sequence].t_sent
        if not any(span.touches(since, o.t) for span in stream.world.instance.spans):
            return
        key = ack.body.get("idempotency_key") if isinstance(ack.body, dict) else None
        if key == stream.ack_keys.get(sequence):
            self.bench.exercised("FLT-18", stream.world)
        else:
            self.bench.convict(
                "FLT-18",
                stream.world,
                f"sequence {sequence} was ACKed with {stream.ack_keys.get(sequence)!r}, and after a fault with {key!r}",
            )

    def _pace(self, o: RequestSeen, world: World) -> None:
        streams = max(1, sum(1 for s in world.streams.values() if s.gap is not None or s.suspended or s.mended))
        limit = self.bench.contract.constants.max_requests_per_second * streams
        window = sum(1 for t in world.request_times if o.t - t < SECOND_NS * 95 // 100)
        if window <= limit:
            if len(world.request_times) > 1:
                self.bench.exercised("FLT-09", world)
            return
        stream = next(iter(world.streams.values()), None)
        mark = ("outage pace", window // limit)
        if stream is not None and mark not in stream.judged:
            stream.judged.add(mark)
            self.bench.convict(
                "FLT-09",
                world,
                f"{window} requests came within one second of an outage, more than {limit} for {streams} streams",
            )

    def _never_again(self, o: Observation, world: World, requirement: str, *, since: int, what: str) -> None:
        waited_ms = (o.t - since) / NS_PER_MS
        if waited_ms > RETRY_PATIENCE_MS:
            self.bench.convict(
                requirement,
                world,
                f"no request came in the {waited_ms:.0f} ms after {what}",
                margin_ms=waited_ms - RETRY_PATIENCE_MS,
            )
        elif waited_ms > 0:
            self.bench.doubt(
                requirement,
                world,
                f"no request came in the {waited_ms:.0f} ms after {what}; pauses of up to 30 s are allowed, so this is too "
                "early to tell",
            )
