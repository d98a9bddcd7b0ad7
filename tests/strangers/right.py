"""Right Gateways with habits of their own: each does what the contract allows, and no more than one thing differs."""

import json

from tests.strangers.switchboard import MS, Switchboard


class FetchesAtEqualHash(Switchboard):
    """Equal hash: the snapshot is fetched all the same."""

    def equal(self, lane, now):
        self.ask(lane, "snapshot")


class GoesOnAtEqualHash(Switchboard):
    """Equal hash: the one hole is left out, what is buffered behind it goes on in order; the hole is never ACKed."""

    def equal(self, lane, now):
        hole = self.hole(lane)
        if hole is None or lane.outbox or hole != lane.done + 1:
            self.later(lane, now)
            return
        lane.done = hole
        lane.missing = lane.due = lane.probe = None


class AcksDuplicatesAgain(Switchboard):
    """A duplicate of what is applied and ACKed is ACKed again, with the first ACK's content."""

    def __init__(self, **given):
        super().__init__(**given)
        self.first = {}

    def confirmed(self, lane, item, now):
        self.first.setdefault((lane.world, lane.run, item.n), item.body)

    def again(self, lane, item, now):
        body = self.first.get((lane.world, lane.run, item.n))
        if body is not None:
            self.token += 1
            self.publish(self.token, lane.world, self.ack(body))


class AcksEverythingTwice(Switchboard):
    """At least once, so twice: a careless producer without idempotence."""

    def confirmed(self, lane, item, now):
        self.token += 1
        self.publish(self.token, lane.world, self.ack(item.body))


class OpensOverInactive(Switchboard):
    """Only freeze and drain close the gate."""

    def reason(self, lane):
        reason = super().reason(lane)
        return "" if reason == "inactive" else reason


class RestartsTimerOnProgress(Switchboard):
    """Part of the hole was filled: the rest gets a timeout of its own."""

    def moved(self, lane, now):
        if lane.call is None and lane.tries == 0:
            lane.due = now + self.timeout


class LeavesCoveredUnacked(Switchboard):
    """What a snapshot covers is not ACKed (against a SHOULD)."""

    def cover(self, lane, items):
        for item in items:
            self.live[item.partition].discard(item.offset)


class WaitsForTheAnswer(Switchboard):
    """While a request is open nothing is applied; its answer or its failure decides."""

    def may_go_on(self, lane):
        return lane.call is None and not lane.outbox

    def look(self, lane, now):
        if lane.call is None:
            super().look(lane, now)

    def failed(self, lane, now):
        super().failed(lane, now)
        self.pump(lane, now)


class Retires(Switchboard):
    """A run whose successor is followed asks no more once a snapshot has named the successor."""

    def fetched(self, lane, snapshot, now):
        newest = [other.run for other in self.lanes.values() if other.world == lane.world][-1]
        if snapshot.get("world_id") == lane.world and snapshot.get("run_id") == newest != lane.run:
            lane.retired = True
            return
        super().fetched(lane, snapshot, now)


class KnowsVersionOneOnly(Switchboard):
    """Another version is refused: neither applied nor ACKed."""

    def read(self, value):
        body = super().read(value)
        return body if body and body.get("version", 1) == 1 else None


class BareAcks(Switchboard):
    """Flat ACKs with what is required and nothing else (against SHOULDs)."""

    def ack(self, body):
        return {name: body[name] for name in ("world_id", "run_id", "sequence")}


class Polls(Switchboard):
    """Asks every world for hash and snapshot every 700 ms, gap or not, and looks at it only in a gap that timed out."""

    def __init__(self, **given):
        super().__init__(**given)
        self.next_poll = None

    def record(self, *, now, **given):
        if self.next_poll is None:
            self.next_poll = now + 700 * MS
        return super().record(now=now, **given)

    def next_timer(self):
        return min((t for t in (super().next_timer(), self.next_poll) if t is not None), default=None)

    def tick(self, now):
        if self.next_poll is not None and self.next_poll <= now:
            self.next_poll = now + 700 * MS
            for world in sorted({lane.world for lane in self.lanes.values()}):
                for stage in ("hash", "snapshot"):
                    self.token += 1
                    self.get(self.token, self.path(world, stage))
        return super().tick(now)


class ProbesAtOnce(Switchboard):
    """Probes the moment a gap opens, to warm the connection; the resync itself keeps to the timeout."""

    def opened(self, lane, now):
        super().opened(lane, now)
        self.token += 1
        self.get(self.token, self.path(lane.world, "hash"))


class StickyOverrides(Switchboard):
    """What was closed by hand stays closed until it is opened by hand, whatever a run says."""

    def override(self, body, now):
        mine = [lane for lane in self.lanes.values() if lane.world == body["world_id"]]
        shut = self.entry(body)[1]
        for lane in mine:
            if shut:
                lane.stuck[self.place(body)] = (True, True)
            elif not any(self.hole(other) is not None for other in mine):
                lane.stuck.pop(self.place(body), None)


class HoldsOverrides(Switchboard):
    """An override that comes in a gap is held, and takes effect when no stream of the world has a gap any more."""

    def __init__(self, **given):
        super().__init__(**given)
        self.held = []

    def override(self, body, now):
        if any(lane.world == body["world_id"] and self.hole(lane) is not None for lane in self.lanes.values()):
            self.held.append(body)
        else:
            super().override(body, now)

    def look(self, lane, now):
        super().look(lane, now)
        ready = [
            b
            for b in self.held
            if not any(o.world == b["world_id"] and self.hole(o) is not None for o in self.lanes.values())
        ]
        for body in ready:
            self.held.remove(body)
            super().override(body, now)


class RelaysOverrides(Switchboard):
    """Overrides are shown downstream, also in a gap."""

    def override(self, body, now):
        super().override(body, now)
        self.relay(json.dumps({"type": "ActivationUpdated", **body}))


class NeverCommits(Switchboard):
    """After a restart the log is read from its beginning, and a prefix is applied and ACKed again."""

    def commit(self, partition):
        return 0


class TalksMore(Switchboard):
    """The relay carries other things beside: heartbeats, and a notice of each resync."""

    def apply(self, lane, item):
        self.relay('{"type":"heartbeat"}')
        super().apply(lane, item)

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, entries, now)
        self.relay(json.dumps({"type": "activation_resynced", **snapshot}))


class RelaysBareEnvelopes(Switchboard):
    """Every frame is enveloped anew, whatever came in."""

    def relay(self, frame):
        body = json.loads(frame)
        body = body["data"] if "specversion" in body else body
        super().relay(
            json.dumps({"specversion": "1.0", "id": "1", "source": "x", "type": "activation_updated", "data": body})
        )


class OpensAfterItsAck(Switchboard):
    """The gate follows an event when its ACK is out; what closes it does so at once."""

    def show(self, lane, body):
        super().show(lane, body)
        lane.stuck["ack"] = (True, True)

    def confirmed(self, lane, item, now):
        lane.stuck.pop("ack", None)


class AsksTwice(Switchboard):
    """Probes, fetches, and probes once more: the snapshot counts if its hash is that of either."""

    def probed(self, lane, told, now):
        snapshot, lane.snapshot = getattr(lane, "snapshot", None), None
        if snapshot is None:
            super().probed(lane, told, now)
        else:
            lane.probe = told if snapshot.get("state_hash") == told else lane.probe
            super().fetched(lane, snapshot, now)

    def fetched(self, lane, snapshot, now):
        lane.snapshot = snapshot
        self.ask(lane, "hash")

    def failed(self, lane, now):
        lane.snapshot = None
        super().failed(lane, now)


class SlowToAskAgain(Switchboard):
    """The first pause is two seconds."""

    def later(self, lane, now):
        super().later(lane, now)
        lane.due = now + 2000 * 2 ** min(lane.tries - 1, 3) * MS


class TakesWholeFloats(Switchboard):
    """2.0 is an integer to JSON Schema, and to this one."""

    def read(self, value):
        body = super().read(value)
        if body is not None and isinstance(body.get("sequence"), float):
            body["sequence"] = int(body["sequence"])
        return body

    def countable(self, body):
        n = body.get("sequence")
        return super().countable(body) or (isinstance(n, float) and n.is_integer() and n >= 1)


class AcksCoveredAside(Switchboard):
    """Does not wait for the ACKs of covered events before it goes on; they stay in order."""

    def may_go_on(self, lane):
        return all(getattr(item, "covered", False) for item in lane.outbox)

    def cover(self, lane, items):
        for item in items:
            item.covered = True
        super().cover(lane, items)


class ProbesWhenNotForced(Switchboard):
    """With the flag off it still asks for the hash at the timeout, to report it, and does nothing with it."""

    def expired(self, lane, now):
        super().expired(lane, now)
        if not self.enforced:
            self.token += 1
            self.get(self.token, self.path(lane.world, "hash"))


class ForgetsDeadStreamsGate(Switchboard):
    """Streams of runs that are not the newest answer closed."""

    def reason(self, lane):
        newest = [other.run for other in self.lanes.values() if other.world == lane.world][-1]
        return super().reason(lane) if lane.run == newest else "retired"


class TimerPerHole(Switchboard):
    """Each hole has a timer of its own, from the event that showed it; the eldest open hole counts."""

    def arrive(self, lane, item, now):
        lane.seen = getattr(lane, "seen", {})
        if item.n > lane.done and item.n - 1 > lane.done and item.n - 1 not in lane.shelf:
            lane.seen.setdefault(item.n - 1, now)
        super().arrive(lane, item, now)

    def moved(self, lane, now):
        if lane.call is None and lane.tries == 0:
            above = min(n for n in lane.shelf if n > self.hole(lane))
            lane.due = lane.seen.get(above - 1, now) + self.timeout
