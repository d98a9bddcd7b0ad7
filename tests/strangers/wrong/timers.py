"""Wrong about time: when a gap's timer starts, how long it runs, what is tried again and how often."""

from tests.strangers.switchboard import MS, Switchboard


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


class HotLoop(Switchboard):
    """Each good probe resets the pause, so a snapshot that never fits is fetched again and again."""

    blame = ("SYNC-13", "FLT-09")

    def probed(self, lane, told, now):
        lane.tries = -12
        super().probed(lane, told, now)

    def later(self, lane, now):
        lane.tries += 1
        lane.due = now + int(250 * 2.0**lane.tries * MS)


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


class OneResyncAtATime(Switchboard):
    """A resync waits until the one before it, of whatever world, has ended."""

    blame = ("FLT-11", "GAP-04", "FLT-04")

    def expired(self, lane, now):
        if any(o.call is not None for o in self.lanes.values() if o is not lane):
            lane.due = now + 50 * MS
        else:
            super().expired(lane, now)


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


class GoesOnAfterThreeFailures(Switchboard):
    """Three failures, and the stream is let go: better stale than stuck."""

    blame = ("SYNC-11", "FLT-04", "FLT-10", "SYNC-07", "SYNC-08", "SYNC-09", "RUN-03")

    def failed(self, lane, now):
        super().failed(lane, now)
        if lane.tries >= 3 and lane.shelf:
            lane.done = min(lane.shelf) - 1
