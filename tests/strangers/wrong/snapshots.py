"""Wrong about resyncs: which snapshot is taken, what it covers, what an equal hash allows."""

from types import SimpleNamespace
from urllib.parse import quote

from tests.strangers.switchboard import Switchboard


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


class AppliesLateCovered(Switchboard):
    """Duplicates are known by what was applied, and a covered event never was."""

    blame = ("SYNC-04",)

    def apply(self, lane, item):
        lane.applied = getattr(lane, "applied", set()) | {item.n}
        super().apply(lane, item)

    def again(self, lane, item, now):
        if item.n not in getattr(lane, "applied", set()):
            self.apply(lane, item)


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


class FurtherHoleForgotten(Switchboard):
    """A hole behind a snapshot is jumped: the snapshot has just been taken."""

    blame = ("GAP-07", "SYNC-03", "ORD-01")

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, entries, now)
        if lane.shelf:
            lane.done = min(lane.shelf) - 1


class MergesSnapshot(Switchboard):
    """A snapshot is laid over the entries; what it no longer has stays."""

    blame = ("GATE-06",)

    def adopt(self, lane, snapshot, entries, now):
        super().adopt(lane, snapshot, {**lane.entries, **entries}, now)


class SnapshotWithoutProbe(Switchboard):
    """Fetches at once; the probe comes beside it."""

    blame = ("SYNC-01",)

    def expired(self, lane, now):
        if self.enforced:
            self.ask(lane, "snapshot")

    def acceptable(self, lane, snapshot):
        return super().acceptable(lane, {**snapshot, "state_hash": lane.probe})


class TakesOlderEntries(Switchboard):
    """A snapshot below what is applied leaves the sequence alone, but its entries are taken."""

    blame = ("SYNC-10", "SYNC-15", "GATE-05")

    def fetched(self, lane, snapshot, now):
        if isinstance(snapshot.get("sequence"), int):
            snapshot["sequence"] = max(snapshot["sequence"], lane.done)
        super().fetched(lane, snapshot, now)
