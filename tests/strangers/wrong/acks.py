"""Wrong about ACKs and offsets: for what, when, with which key, and what a restart forgets."""

from collections import deque
from types import SimpleNamespace

from tests.strangers.switchboard import Switchboard


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


class RefusesVersionButAcks(Switchboard):
    """An event of another version is ACKed and not applied."""

    blame = ("MSG-08", "ACK-09")

    def apply(self, lane, item):
        if item.body.get("version", 1) == 1:
            super().apply(lane, item)


class AcksDuplicateAnew(Switchboard):
    """A duplicate's ACK is made of the duplicate."""

    blame = ("ACK-07",)

    def again(self, lane, item, now):
        self.token += 1
        self.publish(self.token, lane.world, self.ack({**item.body, "version": item.offset + 1}))


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


class KeyIsStream(Switchboard):
    """The key of an ACK names the run as well."""

    blame = ("ACK-04",)

    def publish(self, token, key, document):
        super().publish(token, f"{key}:{document['data']['run_id']}", document)


class FailedRetryIsNewAck(Switchboard):
    """A second attempt to publish is another message with another key."""

    blame = ("ACK-07", "FLT-18")

    def refused(self, lane, now):
        super().refused(lane, now)
        body = lane.outbox[0].body
        lane.outbox[0].body = {**body, "version": body.get("version", 1) + lane.failures}
