"""Wrong about sequence: how numbers are read and compared, what counts as a duplicate, whose buffer it is."""

from tests.strangers.switchboard import Switchboard


class ComparesAsStrings(Switchboard):
    """Sequences are compared as texts: after 9 everything is a duplicate."""

    blame = ("ACK-01", "MSG-07", "GAP-08", "MSG-02")

    def arrive(self, lane, item, now):
        if lane.done and str(item.n) <= str(lane.done):
            return
        super().arrive(lane, item, now)


class BuffersByEtag(Switchboard):
    """What waits is told apart by etag."""

    blame = ("DUP-04", "GAP-02", "ACK-01", "MSG-02")

    def arrive(self, lane, item, now):
        if item.n > lane.done and any(item.body.get("etag") == o.body.get("etag") for o in lane.shelf.values()):
            return
        super().arrive(lane, item, now)


class AppliesAhead(Switchboard):
    """The next event is applied while the ACK of the one before is still on its way."""

    blame = ("ORD-04", "FLT-03", "FLT-08")

    def may_go_on(self, lane):
        return True


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


class SmallBuffer(Switchboard):
    """No more than 32 events wait; the others are dropped (GAP-08 speaks of more than 64)."""

    blame = ("GAP-02", "GAP-08")

    def arrive(self, lane, item, now):
        if len(lane.shelf) < 32 or item.n <= lane.done + 1:
            super().arrive(lane, item, now)


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


class OverridesTakeASequence(Switchboard):
    """An override with a sequence takes the place of the event of that sequence."""

    blame = ("ACK-05", "ACK-01")

    def override(self, body, now):
        lane = self.lanes.get((body["world_id"], body.get("run_id")))
        if lane is not None and body.get("sequence") == lane.done + 1:
            lane.done += 1
        super().override(body, now)


class StopsAtPoison(Switchboard):
    """What cannot be read is not skipped: it holds the offset, and its world with it."""

    blame = ("MSG-05", "FLT-14")

    def read(self, value):
        body = super().read(value)
        self.poisoned = getattr(self, "poisoned", False) or (body is None and value[:1] == b"{")
        return None if self.poisoned and body and "barrier" not in body["world_id"] else body


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


class RunsCountOn(Switchboard):
    """A new run goes on counting where the one before ended."""

    blame = ("RUN-01", "ACK-01")

    def arrive(self, lane, item, now):
        before = [o.done for o in self.lanes.values() if o.world == lane.world and o is not lane]
        if before and not lane.done and not lane.shelf:
            lane.done = before[-1]
        super().arrive(lane, item, now)
