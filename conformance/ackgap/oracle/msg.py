"""MSG: what travels on the two topics."""

import unicodedata
from urllib.parse import unquote

from ackgap.history import AckSeen, BarrierMissed, Observation, RequestSeen
from ackgap.oracle.facts import Event, Instance, Stream, World, is_plain
from ackgap.oracle.monitor import Claim, Monitor
from ackgap.oracle.reading import KNOWN_FIELDS, Ack

BIG = 1 << 31


class MsgMonitor(Monitor):
    """Tolerates: both forms, extra fields in ACKs, a Gateway that refuses other versions, and either treatment of
    payloads that are valid but absurdly large or deep."""

    group = "MSG"
    missing = (
        Claim(10, "MSG-05", lambda s: s.event is not None and s.event.after_invalid),
        Claim(20, "MSG-07", lambda s: s.event is not None and s.event.message.sequence >= BIG),
        Claim(21, "MSG-06", lambda s: not s.stream.plain),
        Claim(22, "MSG-03", lambda s: s.event is not None and not KNOWN_FIELDS.issuperset(s.event.message.body)),
        Claim(23, "MSG-02", lambda s: s.event is not None and not s.event.first_form),
    )

    def on_ack(self, o: AckSeen, ack: Ack, stream: Stream | None, *, first: bool) -> None:
        """MSG-01: the ACK follows its schema."""
        world = stream.world if stream is not None else self._nearest(o)
        if world is None:
            return
        problem = ack.problem if ack.document is None else self.bench.ack_errors(ack.document)
        if problem:
            self.bench.convict("MSG-01", world, f"the ACK at offset {o.offset} of partition {o.partition}: {problem}")
        elif first:
            self.bench.exercised("MSG-01", world)

    def on_stray_ack(self, o: AckSeen, ack: Ack, world: World | None, instance: Instance) -> None:
        """MSG-04, MSG-06, MSG-07: ACKs for what is invalid, mangled or rounded."""
        if world is None:
            self._mangled_world(o, ack, instance)
            return
        if ack.sequence is None:
            return  # it names no event: MSG-01
        claim = world.claims.get((ack.run_id or "", ack.sequence))
        if claim is not None and not claim.lenient:
            self.bench.convict(
                "MSG-04", world, f"sequence {ack.sequence} was ACKed, but its message is invalid: {claim.why}"
            )
            return
        if claim is not None:
            return
        stream = world.streams.get(ack.run_id or "")
        if stream is None and any(same_but_mangled(ack.run_id or "", run) for run in world.streams):
            self.bench.convict(
                "MSG-06", world, f"the ACK names run {ack.run_id!r}, a changed form of a run of this world"
            )
        elif stream is not None and rounded(stream, ack.sequence):
            self.bench.convict(
                "MSG-07",
                world,
                f"sequence {ack.sequence} was ACKed, which was never delivered; as a double it equals one that was",
            )

    def on_request(self, o: RequestSeen, world: World | None, instance: Instance) -> None:
        """MSG-06: requests reach the world that they mean."""
        if world is not None:
            if is_plain(world.world_id) or o.endpoint not in {"state_hash", "snapshot"}:
                return
            if self._one_segment(o):
                self.bench.exercised("MSG-06", world)
            else:
                self.bench.convict(
                    "MSG-06", world, f"a request was sent to {o.path!r}: the slashes of the world's id are not encoded"
                )
            return
        for candidate in instance.worlds.values():
            if not is_plain(candidate.world_id) and same_but_mangled(o.world_id, candidate.world_id):
                candidate.misaddressed = True
                self.bench.convict(
                    "MSG-06", candidate, f"a request was sent to {o.path!r}, which is not how this world is addressed"
                )
                return

    def _one_segment(self, o: RequestSeen) -> bool:
        """Whether the world fills one segment of the path, as the contract's template has it."""
        constants = self.bench.contract.constants
        template = constants.state_hash_path if o.endpoint == "state_hash" else constants.snapshot_path
        return o.path.partition("?")[0].lstrip("/").count("/") == template.lstrip("/").count("/")

    def on_settled(self, o: Observation, world: World) -> None:
        """MSG-04: what must not be ACKed was not."""
        if world.invalid_deliveries:
            self.bench.exercised("MSG-04", world)

    def at_finish(self) -> None:
        """MSG-08: by now even a slow relay has shown what it shows."""
        for stream in self.bench.streams():
            instance = stream.world.instance
            if instance.relay_gone or "relay" not in instance.tiers:
                continue
            for sequence, event in stream.events.items():
                if self._takes_part(stream, sequence, event) and self.bench.relay_had_time(instance, event.t):
                    self._version(stream, sequence, stream.world)

    def on_barrier_missed(self, o: Observation, world: World, *, stuck: bool) -> None:
        """MSG-05: invalid input must not stop the partition."""
        if world.invalid_deliveries and stuck and isinstance(o, BarrierMissed):
            self.bench.convict(
                "MSG-05",
                world,
                f"the marker sent behind invalid input on partition {o.partition} was not ACKed within {o.waited_ms:.0f} ms, "
                "nor was anything else of the partition",
            )

    @staticmethod
    def _takes_part(stream: Stream, sequence: int, event: Event) -> bool:
        return (
            event.message.optional == "version"
            and sequence <= stream.contiguous
            and (stream.run_id, sequence) not in stream.world.stray_acks  # judged already
            and not any(cover.sequence >= sequence for cover in stream.covers)
            and not stream.derailed
        )

    def _version(self, stream: Stream, sequence: int, world: World) -> None:
        acked, shown = sequence in stream.acked, sequence in stream.shown
        if acked == shown:
            self.bench.exercised("MSG-08", world)
            return
        message = f"event {sequence} has version {stream.events[sequence].message.version}: "
        message += "it was shown on the relay but never ACKed" if shown else "it was ACKed but never shown on the relay"
        self.bench.convict("MSG-08", world, message, tier="relay")

    def _mangled_world(self, o: AckSeen, ack: Ack, instance: Instance) -> None:
        named = ack.world_id or o.world_id
        for candidate in instance.worlds.values():
            if not all_plain(candidate) and same_but_mangled(named, candidate.world_id):
                self.bench.convict(
                    "MSG-06", candidate, f"the ACK names world {named!r}, a changed form of this world's id"
                )
                return

    def _nearest(self, o: AckSeen) -> World | None:
        instance = self.bench.instances.get(o.instance)
        if instance is None:
            return None
        return instance.worlds.get(o.world_id) or next(iter(instance.worlds.values()), None)


def all_plain(world: World) -> bool:
    """Whether the world and all of its runs have plain ids."""
    return is_plain(world.world_id) and all(stream.plain for stream in world.streams.values())


def rounded(stream: Stream, sequence: int | None) -> bool:
    """Whether a sequence that was never delivered is what a double makes of one that was and is not ACKed itself."""
    if sequence is None or sequence < BIG:
        return False
    return any(
        s != sequence and s not in stream.acked and float(s) == float(sequence)
        for s in range(sequence - 1024, sequence + 1025)
        if s in stream.events
    )


def same_but_mangled(named: str, meant: str) -> bool:
    """Whether an id is what a careless encoder makes of another one, and is not that one."""
    return bool(named) and named != meant and _folded(named) == _folded(meant)


def _folded(text: str) -> str:
    for _ in range(3):
        text = unquote(text.replace("+", " "))
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return "".join(c for c in text if c.isalnum() or c == "-")
