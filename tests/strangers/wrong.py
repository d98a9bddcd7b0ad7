"""Wrong Gateways: each breaks one sentence of the contract, in the way that real services break it.

`blame` holds the requirements of which at least one explains the bug.
"""

from collections import deque
from types import SimpleNamespace
from urllib.parse import quote

from tests.strangers.switchboard import MS, Switchboard


class CoversOneTooFew(Switchboard):
    """Off by one: the event that a snapshot names itself is applied again."""

    blame = ("SYNC-04", "SYNC-03", "GATE-06")

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, {**snapshot, "sequence": snapshot["sequence"] - 1}, entries, now)


class CoversOneTooMany(Switchboard):
    """Off by one: the first event above a snapshot counts as covered: ACKed and never applied."""

    blame = ("SYNC-03", "ACK-09", "GAP-01", "GATE-06", "GATE-04")

    def adopt(self, lane, snapshot, entries, now):
        more = 1 if snapshot["sequence"] + 1 in lane.shelf else 0
        super().adopt(lane, {**snapshot, "sequence": snapshot["sequence"] + more}, entries, now)


class ComparesAsStrings(Switchboard):
    """Sequences are compared as texts: after 9 everything is a duplicate."""

    blame = ("ACK-01", "MSG-07", "GAP-08", "MSG-02")

    def arrive(self, lane, item, now):
        if lane.done and str(item.n) <= str(lane.done):
            return
        super().arrive(lane, item, now)


class OneTimerPerWorld(Switchboard):
    """A gap that opens restarts the timers of all runs of its world."""

    blame = ("GAP-04", "GAP-06")

    def opened(self, lane, now):
        for other in self.lanes.values():
            if other.world == lane.world and other.missing is not None and other.tries == 0:
                other.due = now + self.timeout
        super().opened(lane, now)


class OneTimerForAll(Switchboard):
    """A gap that opens restarts the timers of all streams."""

    blame = ("GAP-04", "GAP-06")

    def opened(self, lane, now):
        for other in self.lanes.values():
            if other.missing is not None and other.tries == 0:
                other.due = now + self.timeout
        super().opened(lane, now)


class SharesEarlierTimer(Switchboard):
    """A second gap runs out together with the first, of whatever world."""

    blame = ("GAP-05",)

    def opened(self, lane, now):
        super().opened(lane, now)
        for other in self.lanes.values():
            if other is not lane and other.due is not None:
                lane.due = min(lane.due, other.due)


class GateOfLastEvent(Switchboard):
    """The gate is what the last event said."""

    blame = ("GATE-05",)

    def show(self, lane, body):
        lane.entries = {}
        super().show(lane, body)


class BuffersByEtag(Switchboard):
    """What waits is told apart by etag."""

    blame = ("DUP-04", "GAP-02", "ACK-01", "MSG-02")

    def arrive(self, lane, item, now):
        if item.n > lane.done and any(item.body.get("etag") == o.body.get("etag") for o in lane.shelf.values()):
            return
        super().arrive(lane, item, now)


class TakesOtherRunsSnapshot(Switchboard):
    """A snapshot of whatever run re-bases the stream."""

    blame = ("RUN-03",)

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {**snapshot, "run_id": lane.run})


class TakesOtherWorldsSnapshot(Switchboard):
    """Nobody looks at the world of a snapshot."""

    blame = ("SYNC-07", "FLT-10")

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {**snapshot, "world_id": lane.world})


class SupposesItsRun(Switchboard):
    """A snapshot without a run is taken for one of this run."""

    blame = ("SYNC-08",)

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {"run_id": lane.run, **snapshot})


class TakesAnyHash(Switchboard):
    """The snapshot's hash is not compared with the probe's."""

    blame = ("SYNC-09",)

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {**snapshot, "state_hash": lane.probe})


class TakesOlderSnapshot(Switchboard):
    """A snapshot below what is applied takes the stream back."""

    blame = ("SYNC-10", "SYNC-14", "SYNC-15")

    def acceptable(self, lane, snapshot):
        done, lane.done = lane.done, 0
        fine = super().acceptable(lane, snapshot)
        lane.done = done
        return fine


class ReusesProbe(Switchboard):
    """The first probe of a stream serves all its later gaps."""

    blame = ("SYNC-01", "GAP-04")

    def expired(self, lane, now):
        known = getattr(lane, "known", None)
        if self.enforced and known is not None and lane.tries == 0:
            lane.probe = known
            self.ask(lane, "snapshot")
        else:
            super().expired(lane, now)

    def probed(self, lane, told, now):
        lane.known = told
        super().probed(lane, told, now)


class AcksThenApplies(Switchboard):
    """The ACK goes out first; the event is applied when it is confirmed."""

    blame = ("GATE-03",)

    def apply(self, lane, item):
        pass

    def confirmed(self, lane, item, now):
        super().apply(lane, item)


class ForgetsFailedAck(Switchboard):
    """An ACK that could not be published is given up."""

    blame = ("FLT-03", "FLT-08")

    def refused(self, lane, now):
        self.token += 1
        self.posts[self.token] = lane
        self.ack_confirmed_of(self.token, now)

    def ack_confirmed_of(self, token, now):
        out, self.out = self.out, []
        self.out = out + list(self.ack_confirmed(token, now))


class AppliesAhead(Switchboard):
    """The next event is applied while the ACK of the one before is still on its way."""

    blame = ("ORD-04", "FLT-03", "FLT-08")

    def may_go_on(self, lane):
        return True


class GateAhead(Switchboard):
    """The relay waits for the ACKs, the gate does not: it shows what is in order and waits."""

    blame = ("ORD-04", "FLT-03", "FLT-08", "GATE-05")

    def reason(self, lane):
        entries, n = dict(lane.entries), lane.done + 1
        while n in lane.shelf:
            self.show(lane, lane.shelf[n].body)
            n += 1
        reason = super().reason(lane)
        lane.entries = entries
        return reason


class AppliesLateCovered(Switchboard):
    """Duplicates are known by what was applied, and a covered event never was."""

    blame = ("SYNC-04",)

    def apply(self, lane, item):
        lane.applied = getattr(lane, "applied", set()) | {item.n}
        super().apply(lane, item)

    def again(self, lane, item, now):
        if item.n not in getattr(lane, "applied", set()):
            self.apply(lane, item)


class ForgetsSides(Switchboard):
    """One entry per strategy: the freeze of its other side is lost."""

    blame = ("GATE-05",)

    def place(self, body):
        return body.get("strategy_id")


class DrainIsFree(Switchboard):
    """A drain counts as an unfreeze."""

    blame = ("GATE-03", "GATE-05")

    def entry(self, body):
        return body.get("active", True), body.get("freeze", False)


class ActiveBeatsFreeze(Switchboard):
    """An active entry passes orders even if it is frozen."""

    blame = ("GATE-05",)

    def entry(self, body):
        return body.get("active", True), not body.get("active", True)


class OverrideOpensOtherRun(Switchboard):
    """An override is held back only in the run that has the gap."""

    blame = ("GATE-07",)

    def override(self, body, now):
        for lane in self.lanes.values():
            if lane.world == body["world_id"] and (self.entry(body)[1] or self.hole(lane) is None):
                self.show(lane, body)


class OverrideClosesGap(Switchboard):
    """An unfreeze by hand opens, whatever is missing."""

    blame = ("GATE-07", "GAP-01")

    def override(self, body, now):
        super().override(body, now)
        for lane in self.lanes.values():
            if lane.world == body["world_id"]:
                lane.forced = not self.entry(body)[1]
                if lane.forced:
                    self.show(lane, body)

    def reason(self, lane):
        shut = any(s for _, s in lane.entries.values())
        return super().reason(lane) if shut or not getattr(lane, "forced", False) else ""


class CommitsOnReceipt(Switchboard):
    """Offsets are committed when records are read."""

    blame = ("FLT-01", "FLT-06")

    def commit(self, partition):
        return self.high[partition]


class CommitsWithGap(Switchboard):
    """What is buffered behind a gap holds back no offset; only open ACKs do."""

    blame = ("FLT-01", "FLT-06")

    def commit(self, partition):
        owed = [i.offset for lane in self.lanes.values() for i in lane.outbox if i.partition == partition]
        return min(owed, default=self.high[partition])


class BaselineAfterRestart(Switchboard):
    """A process that does not read from offset 0 takes the first event it sees of a stream for its baseline."""

    blame = ("FLT-07", "FLT-02")

    def arrive(self, lane, item, now):
        self.began = getattr(self, "began", item.offset)
        if self.began and not lane.done and not lane.shelf:
            lane.done = item.n - 1
        super().arrive(lane, item, now)


class EncodesTwice(Switchboard):
    """Ids are percent-encoded twice."""

    blame = ("MSG-06",)

    def path(self, world, stage):
        return super().path(quote(world, safe=""), stage)


class LeavesSlashes(Switchboard):
    """A slash in an id stays one."""

    blame = ("MSG-06",)

    def path(self, world, stage):
        return super().path(world, stage).replace("%2F", "/")


class RefusesVersionButAcks(Switchboard):
    """An event of another version is ACKed and not applied."""

    blame = ("MSG-08", "ACK-09")

    def apply(self, lane, item):
        if item.body.get("version", 1) == 1:
            super().apply(lane, item)


class RoundsSequences(Switchboard):
    """2.5 is 2."""

    blame = ("MSG-04",)

    def read(self, value):
        body = super().read(value)
        if body is not None and isinstance(body.get("sequence"), float):
            body["sequence"] = int(body["sequence"])
        return body

    def countable(self, body):
        return type(body.get("sequence")) in (int, float) and 1 <= body["sequence"] < float("inf")


class ReadsTexts(Switchboard):
    """Sequences may be texts."""

    blame = ("MSG-04",)

    def read(self, value):
        body = super().read(value)
        if body is not None and isinstance(body.get("sequence"), str):
            body["sequence"] = int(body["sequence"])
        return body

    def countable(self, body):
        return super().countable(body) or str(body.get("sequence")).isdigit()


class TrueIsOne(Switchboard):
    """`true` is the first sequence."""

    blame = ("MSG-04", "MSG-01")

    def countable(self, body):
        return isinstance(body.get("sequence"), int) and body["sequence"] >= 1


class DoublesAsSequences(Switchboard):
    """Sequences go through a double."""

    blame = ("MSG-07",)

    def read(self, value):
        body = super().read(value)
        if body is not None and type(body.get("sequence")) is int and body["sequence"] < 1 << 100:
            body["sequence"] = int(float(body["sequence"]))
        return body


class LastContentWins(Switchboard):
    """A duplicate replaces what waits."""

    blame = ("DUP-02",)

    def twice(self, lane, item):
        item.offset = lane.shelf[item.n].offset
        lane.shelf[item.n] = item


class DuplicateIsApplied(Switchboard):
    """A duplicate of the last applied event is applied if its etag is another."""

    blame = ("DUP-01",)

    def again(self, lane, item, now):
        if item.n == lane.done and item.body.get("etag") != getattr(lane, "etag", None):
            self.apply(lane, item)

    def apply(self, lane, item):
        lane.etag = item.body.get("etag")
        super().apply(lane, item)


class AcksDuplicateAnew(Switchboard):
    """A duplicate's ACK is made of the duplicate."""

    blame = ("ACK-07",)

    def again(self, lane, item, now):
        self.token += 1
        self.publish(self.token, lane.world, self.ack({**item.body, "version": item.offset + 1}))


class CountsInsteadOfLooking(Switchboard):
    """A gap is over when as many events wait as are missing, duplicates among them."""

    blame = ("DUP-03", "ORD-01", "GAP-01")

    def twice(self, lane, item):
        lane.extra = getattr(lane, "extra", 0) + 1
        hole = self.hole(lane)
        if hole is not None and hole == lane.done + 1:
            lane.done += 1

    def arrive(self, lane, item, now):
        super().arrive(lane, item, now)
        self.pump(lane, now)
        self.look(lane, now)


class AcksTheHole(Switchboard):
    """Equal hash is success: the hole is ACKed along with what waits."""

    blame = ("SYNC-14", "ACK-02")

    def equal(self, lane, now):
        hole = self.hole(lane)
        waiting = next(iter(lane.shelf.values()))
        item = SimpleNamespace(
            n=hole, body={**waiting.body, "sequence": hole}, raw=waiting.raw, partition=waiting.partition, offset=-1
        )
        lane.done = hole
        self.owe(lane, item)


class SkipsAllHolesAtEqualHash(Switchboard):
    """Equal hash: everything that waits is applied, over every hole."""

    blame = ("SYNC-14", "GAP-07", "ORD-01")

    def equal(self, lane, now):
        while lane.shelf:
            item = lane.shelf.pop(min(lane.shelf))
            lane.done = item.n
            self.apply(lane, item)
            self.owe(lane, item)


class OpensAtEqualHash(Switchboard):
    """Equal hash: all is well, the gap is forgotten."""

    blame = ("SYNC-14", "GAP-01", "GATE-01")

    def equal(self, lane, now):
        lane.fine = True
        self.later(lane, now)

    def reason(self, lane):
        if getattr(lane, "fine", False) and self.hole(lane) is not None:
            return ""
        return super().reason(lane)


class HashOfReceived(Switchboard):
    """The local hash is that of the newest event received, so the probe is equal and nothing is fetched."""

    blame = ("SYNC-02", "SYNC-03")

    def arrive(self, lane, item, now):
        super().arrive(lane, item, now)
        lane.local = item.body.get("state_hash")


class NothingYetIsFine(Switchboard):
    """No local hash yet: the probe's answer becomes it."""

    blame = ("SYNC-02", "SYNC-03")

    def probed(self, lane, told, now):
        if lane.local is None:
            lane.local = told
        super().probed(lane, told, now)


class HotLoop(Switchboard):
    """Each good probe resets the pause, so a snapshot that never fits is fetched again and again."""

    blame = ("SYNC-13", "FLT-09")

    def probed(self, lane, told, now):
        lane.tries = -12
        super().probed(lane, told, now)

    def later(self, lane, now):
        lane.tries += 1
        lane.due = now + int(250 * 2.0**lane.tries * MS)


class RunsShareEntries(Switchboard):
    """Entries belong to the world: an old run's late events open the new run's gate."""

    blame = ("RUN-02", "GATE-02", "GATE-04", "GATE-03")

    def lane(self, world, run):
        lane = super().lane(world, run)
        shared = next((o for o in self.lanes.values() if o.world == world), lane)
        lane.entries = shared.entries
        return lane


class HoleFilledElsewhere(Switchboard):
    """What any run of the world has applied counts as applied in all."""

    blame = ("RUN-01", "ACK-01")

    def arrive(self, lane, item, now):
        others = [o.done for o in self.lanes.values() if o.run == lane.run and o is not lane]
        if item.n == lane.done + 2 and max(others, default=0) >= item.n - 1:
            lane.done += 1
        super().arrive(lane, item, now)


class GateOfWorld(Switchboard):
    """The gate answers for the newest run, whatever run was asked for."""

    blame = ("GATE-02", "GATE-01", "GAP-01", "RUN-02", "GATE-05")

    def gate(self, world_id, run_id):
        runs = [lane.run for lane in self.lanes.values() if lane.world == world_id]
        return super().gate(world_id, runs[0] if runs else run_id)


class LateAnswerUndoes(Switchboard):
    """A snapshot that was asked for before the late event came is taken after it."""

    blame = ("SYNC-15",)

    def look(self, lane, now):
        call, probe = lane.call, lane.probe
        super().look(lane, now)
        if call is not None:
            lane.call, lane.probe = call, probe

    def acceptable(self, lane, snapshot):
        done, lane.done = lane.done, 0
        fine = super().acceptable(lane, snapshot)
        lane.done = done
        return fine


class DropsDuringRequest(Switchboard):
    """Events that come while a request is open are dropped: the snapshot will hold them."""

    blame = ("SYNC-15", "ACK-01", "SYNC-03", "GAP-02")

    def arrive(self, lane, item, now):
        if lane.call is None:
            super().arrive(lane, item, now)


class ForcesWithoutFlag(Switchboard):
    """The flag off: the timeout lets the hole go."""

    blame = ("CFG-01",)

    def expired(self, lane, now):
        if self.enforced:
            super().expired(lane, now)
        else:
            lane.done = min(lane.shelf) - 1
            self.pump(lane, now)
            self.look(lane, now)


class GivesUpWithoutFlag(Switchboard):
    """The flag off: the timeout empties the buffer."""

    blame = ("CFG-02",)

    def expired(self, lane, now):
        super().expired(lane, now)
        if not self.enforced:
            lane.shelf.clear()


class ClosesAtTimeoutOnly(Switchboard):
    """A gap closes the gate when it has lasted for the timeout."""

    blame = ("GAP-01",)

    def reason(self, lane):
        reason = super().reason(lane)
        return "" if reason == "gap" and lane.due is not None and lane.tries == 0 and self.open_else(lane) else reason

    def open_else(self, lane):
        return bool(lane.entries) and not any(shut for _, shut in lane.entries.values())


class RestartsTimer(Switchboard):
    """Every event behind the gap restarts the timer."""

    blame = ("GAP-06",)

    def arrive(self, lane, item, now):
        super().arrive(lane, item, now)
        if lane.missing is not None and lane.tries == 0 and lane.call is None:
            lane.due = now + self.timeout


class RestartsTimerOnDuplicates(Switchboard):
    """Every duplicate of what waits restarts the timer."""

    blame = ("GAP-06",)

    def twice(self, lane, item):
        lane.again = True

    def arrive(self, lane, item, now):
        super().arrive(lane, item, now)
        if getattr(lane, "again", False) and lane.tries == 0 and lane.call is None and lane.missing is not None:
            lane.due = now + self.timeout
        lane.again = False


class SmallBuffer(Switchboard):
    """No more than 32 events wait; the others are dropped (GAP-08 speaks of more than 64)."""

    blame = ("GAP-02", "GAP-08")

    def arrive(self, lane, item, now):
        if len(lane.shelf) < 32 or item.n <= lane.done + 1:
            super().arrive(lane, item, now)


class AcksNeverSeen(Switchboard):
    """A snapshot covers, so all that it covers is ACKed, received or not."""

    blame = ("SYNC-06",)

    def adopt(self, lane, snapshot, entries, now):
        like = next(iter(lane.shelf.values()))
        for n in range(max(lane.done + 1, snapshot["sequence"] - 50), snapshot["sequence"] + 1):
            if n not in lane.shelf:
                lane.shelf[n] = SimpleNamespace(
                    n=n, body={**like.body, "sequence": n}, raw=b"", partition=like.partition, offset=-1
                )
        super().adopt(lane, snapshot, entries, now)


class UnknownWorldIsFine(Switchboard):
    """404: the WorldService has no state, so there is nothing to wait for."""

    blame = ("SYNC-11",)

    def document(self, status, body):
        self.lost = status == 404
        return super().document(status, body)

    def failed(self, lane, now):
        super().failed(lane, now)
        if self.lost and lane.shelf:
            lane.done = min(lane.shelf) - 1


class GivesUpAtMalformed(Switchboard):
    """An answer that cannot be read ends the resync and the gap."""

    blame = ("SYNC-11", "SYNC-07", "SYNC-08", "SYNC-09", "RUN-03")

    def fetched(self, lane, snapshot, now):
        super().fetched(lane, snapshot, now)
        if lane.tries >= 1 and lane.shelf and not isinstance(snapshot.get("state"), dict):
            lane.done = min(lane.shelf) - 1


class NeverAsksAgain(Switchboard):
    """A request that fails on the wire is forgotten."""

    blame = ("SYNC-12", "FLT-04")

    def http_failed(self, token, reason, now):
        self.calls.pop(token, None)
        return self.flush()


class SnapshotOpensOverHole(Switchboard):
    """After a snapshot the gate speaks of entries only, whatever is missing behind it."""

    blame = ("GAP-07", "GAP-01", "GATE-06")

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, entries, now)
        lane.based = snapshot["sequence"]

    def reason(self, lane):
        if getattr(lane, "based", None) == lane.done and lane.entries:
            return "frozen" if any(shut for _, shut in lane.entries.values()) else ""
        return super().reason(lane)


class FurtherHoleForgotten(Switchboard):
    """A hole behind a snapshot is jumped: the snapshot has just been taken."""

    blame = ("GAP-07", "SYNC-03", "ORD-01")

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, entries, now)
        if lane.shelf:
            lane.done = min(lane.shelf) - 1


class SecondGapHasNoTimer(Switchboard):
    """Only the first gap of a stream gets a timer."""

    blame = ("GAP-04", "GAP-07")

    def opened(self, lane, now):
        if not getattr(lane, "had", False):
            super().opened(lane, now)
        lane.had = True


class GapWaitsForAck(Switchboard):
    """While an ACK is on its way gaps are not looked for: the gate stays open over them."""

    blame = ("GAP-01",)

    def reason(self, lane):
        if lane.outbox and lane.entries and not any(shut for _, shut in lane.entries.values()):
            return ""
        return super().reason(lane)


class MergesSnapshot(Switchboard):
    """A snapshot is laid over the entries; what it no longer has stays."""

    blame = ("GATE-06",)

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, {**lane.entries, **entries}, now)


class SnapshotDrainIsFree(Switchboard):
    """In a snapshot only `freeze` is looked at."""

    blame = ("GATE-06",)

    def fetched(self, lane, snapshot, now):
        state = snapshot.get("state")
        if isinstance(state, dict) and all(isinstance(s, dict) for s in state.values()):
            state = {k: {s: {**e, "drain": False} for s, e in sides.items()} for k, sides in state.items()}
        super().fetched(lane, {**snapshot, "state": state}, now)


class KeepsOldGate(Switchboard):
    """A snapshot moves the sequence and leaves the entries as they were."""

    blame = ("GATE-06",)

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, lane.entries, now)


class OneGapHoldsAll(Switchboard):
    """While any stream has a gap nothing is applied anywhere."""

    blame = ("GAP-03",)

    def may_go_on(self, lane):
        return not lane.outbox and all(self.hole(o) is None for o in self.lanes.values() if o is not lane)

    def look(self, lane, now):
        super().look(lane, now)
        for other in self.lanes.values():
            self.pump(other, now)


class OneGapHoldsWorld(OneGapHoldsAll):
    """While any run of a world has a gap its other runs stand still."""

    def may_go_on(self, lane):
        mine = [o for o in self.lanes.values() if o is not lane and o.world == lane.world]
        return not lane.outbox and all(self.hole(o) is None for o in mine)


class OneResyncAtATime(Switchboard):
    """A resync waits until the one before it, of whatever world, has ended."""

    blame = ("FLT-11", "GAP-04", "FLT-04")

    def expired(self, lane, now):
        if any(o.call is not None for o in self.lanes.values() if o is not lane):
            lane.due = now + 50 * MS
        else:
            super().expired(lane, now)


class RotatesAcks(Switchboard):
    """An ACK that failed goes to the end of the queue."""

    blame = ("ACK-03", "FLT-03", "FLT-08")

    def refused(self, lane, now):
        lane.outbox.rotate(-1)
        super().refused(lane, now)

    def may_go_on(self, lane):
        return True


class ForgetsOnRevoke(Switchboard):
    """A rebalance takes the partition away: what waits is dropped, what was committed stays so."""

    blame = ("FLT-12", "FLT-13")

    def commit(self, partition):
        return self.high[partition]

    def revoked(self, partitions, now):
        for lane in self.lanes.values():
            lane.shelf.clear()
            lane.outbox = deque(list(lane.outbox)[:1])
        return self.flush()


class AcksNumberedOverrides(Switchboard):
    """Whatever has a sequence is ACKed."""

    blame = ("ACK-05",)

    def override(self, body, now):
        super().override(body, now)
        if type(body.get("sequence")) is int:
            self.token += 1
            self.publish(self.token, body["world_id"], self.ack(body))


class OverridesTakeASequence(Switchboard):
    """An override with a sequence takes the place of the event of that sequence."""

    blame = ("ACK-05", "ACK-01")

    def override(self, body, now):
        lane = self.lanes.get((body["world_id"], body.get("run_id")))
        if lane is not None and body.get("sequence") == lane.done + 1:
            lane.done += 1
        super().override(body, now)


class KeyIsStream(Switchboard):
    """The key of an ACK names the run as well."""

    blame = ("ACK-04",)

    def publish(self, token, key, document):
        super().publish(token, f"{key}:{document['data']['run_id']}", document)


class OneTimeout(Switchboard):
    """Three seconds, whatever is configured."""

    blame = ("CFG-03",)

    def __init__(self, **given):
        super().__init__(**given)
        self.timeout = 3000 * MS


class HalfTheTimeout(Switchboard):
    """Asks when half of the time is over."""

    blame = ("GAP-05", "CFG-03")

    def opened(self, lane, now):
        lane.due = now + self.timeout // 2


class StopsAtPoison(Switchboard):
    """What cannot be read is not skipped: it holds the offset, and its world with it."""

    blame = ("MSG-05", "FLT-14")

    def read(self, value):
        body = super().read(value)
        self.poisoned = getattr(self, "poisoned", False) or (body is None and value[:1] == b"{")
        return None if self.poisoned and body and "barrier" not in body["world_id"] else body


class UnfreezesByPhase(Switchboard):
    """What counts is the phase: an unfreeze whose body says freeze opens."""

    blame = ("GATE-05", "GATE-03")

    def entry(self, body):
        return body.get("active", True), body.get("phase") == "freeze" if body.get("requires_ack") else super().entry(
            body
        )[1]


class BaselineAtFirstSight(Switchboard):
    """The first event seen of a stream is its beginning, unless it is seen soon after another one of the world."""

    blame = ("ORD-02",)

    def arrive(self, lane, item, now):
        if not lane.done and not lane.shelf and item.body.get("phase") == "unfreeze":
            lane.done = item.n - 1
        super().arrive(lane, item, now)


class CoverageByCount(Switchboard):
    """Events above a snapshot are applied in the order of arrival."""

    blame = ("SYNC-03", "ORD-03", "ACK-03", "GAP-07", "ORD-01")

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, entries, now)
        for n in list(lane.shelf):
            item = lane.shelf.pop(n)
            lane.done = max(lane.done, n)
            self.apply(lane, item)
            self.owe(lane, item)


class FailedRetryIsNewAck(Switchboard):
    """A second attempt to publish is another message with another key."""

    blame = ("ACK-07", "FLT-18")

    def refused(self, lane, now):
        super().refused(lane, now)
        body = lane.outbox[0].body
        lane.outbox[0].body = {**body, "version": body.get("version", 1) + lane.failures}


class SnapshotWithoutProbe(Switchboard):
    """Fetches at once; the probe comes beside it."""

    blame = ("SYNC-01",)

    def expired(self, lane, now):
        if self.enforced:
            self.ask(lane, "snapshot")

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {**snapshot, "state_hash": lane.probe})


class GoesOnAfterThreeFailures(Switchboard):
    """Three failures, and the stream is let go: better stale than stuck."""

    blame = ("SYNC-11", "FLT-04", "FLT-10", "SYNC-07", "SYNC-08", "SYNC-09", "RUN-03")

    def failed(self, lane, now):
        super().failed(lane, now)
        if lane.tries >= 3 and lane.shelf:
            lane.done = min(lane.shelf) - 1


class TakesOlderEntries(Switchboard):
    """A snapshot below what is applied leaves the sequence alone, but its entries are taken."""

    blame = ("SYNC-10", "SYNC-15", "GATE-05")

    def fetched(self, lane, snapshot, now):
        if isinstance(snapshot.get("sequence"), int):
            snapshot["sequence"] = max(snapshot["sequence"], lane.done)
        super().fetched(lane, snapshot, now)


class RunsCountOn(Switchboard):
    """A new run goes on counting where the one before ended."""

    blame = ("RUN-01", "ACK-01")

    def arrive(self, lane, item, now):
        before = [o.done for o in self.lanes.values() if o.world == lane.world and o is not lane]
        if before and not lane.done and not lane.shelf:
            lane.done = before[-1]
        super().arrive(lane, item, now)
