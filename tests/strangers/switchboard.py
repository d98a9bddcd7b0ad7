"""A Gateway written from the contract alone, built otherwise than the reference: one dict of lanes, plain queues, no events.

Each habit that may differ is a method of its own, so that a variant is a subclass with a method or two.
"""

import json
from collections import Counter, deque
from types import SimpleNamespace
from urllib.parse import quote

MS = 1_000_000
LARGEST = 1 << 20


class Lane:
    """One stream: how far it has come, what waits for a hole to be filled, and the ACKs that are not out yet."""

    def __init__(self, world, run):
        self.world, self.run = world, run
        self.done = 0  # the highest sequence that is applied or covered
        self.shelf = {}  # sequence -> item that waits for its turn
        self.outbox = deque()  # items whose ACK is not confirmed; the first one is on its way
        self.entries = {}  # (strategy, side) -> (active, frozen or draining)
        self.stuck = {}  # entries that were closed by hand
        self.local = None  # state hash of the last applied event or the last accepted snapshot
        self.missing = None  # the sequence that is waited for
        self.due = None  # when the WorldService is to be asked next
        self.repost = None  # when the ACK is to be tried again
        self.call = None  # token of the open request
        self.probe = None  # what the last probe said
        self.tries = 0
        self.failures = 0
        self.retired = False


class Switchboard:
    """The Gateway. All public methods return what is to be done, in order."""

    def __init__(self, *, gap_timeout_ms, resync_enforced, seed):
        self.timeout, self.enforced, self.seed = gap_timeout_ms * MS, resync_enforced, seed
        self.lanes = {}
        self.posts, self.calls = {}, {}
        self.token = 0
        self.out = []
        self.tally = Counter()
        self.high, self.live, self.told = {}, {}, {}

    # --- what happens ---------------------------------------------------------------------------------------------

    def record(self, *, partition, offset, key, value, now):
        self.high[partition] = max(self.high.get(partition, 0), offset + 1)
        body = self.read(value)
        if body is None:
            self.tally['dropped_total{reason="invalid"}'] += 1
        elif body.get("requires_ack") is not True:
            self.override(body, now)
        else:
            item = SimpleNamespace(n=body["sequence"], body=body, raw=value, partition=partition, offset=offset)
            self.arrive(self.lane(body["world_id"], body["run_id"]), item, now)
        return self.flush()

    def ack_confirmed(self, token, now):
        lane = self.posts.pop(token, None)
        if lane is not None:
            item = lane.outbox.popleft()
            self.live.get(item.partition, set()).discard(item.offset)
            lane.failures = 0
            self.tally["acked_total"] += 1
            self.confirmed(lane, item, now)
            if lane.outbox:
                self.post(lane)
            self.pump(lane, now)
            self.look(lane, now)
        return self.flush()

    def ack_failed(self, token, now):
        lane = self.posts.pop(token, None)
        if lane is not None:
            self.refused(lane, now)
        return self.flush()

    def http_answered(self, token, status, body, now):
        lane, stage = self.calls.pop(token, (None, ""))
        if lane is None or lane.call != token:
            return self.flush()
        lane.call = None
        document = self.document(status, body)
        if document is None:
            self.failed(lane, now)
        elif stage == "hash":
            self.probed(lane, document.get("state_hash"), now)
        else:
            self.fetched(lane, document, now)
        self.pump(lane, now)
        self.look(lane, now)
        return self.flush()

    def http_failed(self, token, reason, now):
        return self.http_answered(token, 0, b"", now)

    def tick(self, now):
        for lane in list(self.lanes.values()):
            if lane.repost is not None and lane.repost <= now:
                lane.repost = None
                self.post(lane)
            if lane.due is not None and lane.due <= now:
                lane.due = None
                self.expired(lane, now)
        return self.flush()

    def next_timer(self):
        return min((t for lane in self.lanes.values() for t in (lane.due, lane.repost) if t is not None), default=None)

    def gate(self, world_id, run_id):
        lane = self.lanes.get((world_id, run_id))
        reason = "unknown" if lane is None else self.reason(lane)
        done = 0 if lane is None else lane.done
        state = "closed" if reason else "open"
        return {"world_id": world_id, "run_id": run_id, "state": state, "reason": reason, "applied_sequence": done}

    def counters(self):
        return dict(self.tally)

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(self, value):
        """The body of a message, or None if it is none."""
        if not value or len(value) > LARGEST:
            return None
        try:
            body = json.loads(value)
        except (ValueError, RecursionError):
            return None
        if isinstance(body, dict) and "specversion" in body:
            body = body.get("data")
        if not isinstance(body, dict) or not named(body.get("world_id")):
            return None
        if any(not isinstance(body.get(flag, False), bool) for flag in ("active", "freeze", "drain", "requires_ack")):
            return None
        if body.get("requires_ack") is True and not (
            named(body.get("run_id")) and self.countable(body) and body.get("phase") in ("freeze", "unfreeze")
        ):
            return None
        return body

    def countable(self, body):
        return type(body.get("sequence")) is int and body["sequence"] >= 1

    # --- in order ---------------------------------------------------------------------------------------------------

    def lane(self, world, run):
        return self.lanes.setdefault((world, run), Lane(world, run))

    def arrive(self, lane, item, now):
        if item.n <= lane.done:
            self.again(lane, item, now)
        elif item.n in lane.shelf:
            self.twice(lane, item)
        else:
            lane.shelf[item.n] = item
            self.live.setdefault(item.partition, set()).add(item.offset)
            self.pump(lane, now)
            self.look(lane, now)

    def again(self, lane, item, now):
        """A duplicate of what is applied or covered."""

    def twice(self, lane, item):
        """A duplicate of what waits."""

    def may_go_on(self, lane):
        return not lane.outbox

    def pump(self, lane, now):
        """Apply whatever is in order, as far as the ACKs are out."""
        while self.may_go_on(lane) and lane.done + 1 in lane.shelf:
            item = lane.shelf.pop(lane.done + 1)
            lane.done = item.n
            self.apply(lane, item)
            self.owe(lane, item)

    def apply(self, lane, item):
        self.show(lane, item.body)
        lane.local = item.body.get("state_hash")
        self.relay(item.raw.decode())

    def show(self, lane, body):
        lane.entries[self.place(body)] = self.entry(body)

    def place(self, body):
        return body.get("strategy_id"), body.get("side")

    def entry(self, body):
        return body.get("active", True), body.get("freeze", False) or body.get("drain", False)

    def reason(self, lane):
        """Why the gate is closed; empty if it is not."""
        if self.hole(lane) is not None:
            return "gap"
        if not lane.entries:
            return "empty"
        shown = list(lane.entries.values()) + list(lane.stuck.values())
        return "frozen" if any(shut for _, shut in shown) else "" if all(on for on, _ in shown) else "inactive"

    def override(self, body, now):
        """A freeze by hand closes every run of its world; an unfreeze waits for nobody and is dropped in a gap."""
        mine = [lane for lane in self.lanes.values() if lane.world == body["world_id"]]
        if self.entry(body)[1]:
            for lane in mine:
                self.show(lane, body)
        elif not any(self.hole(lane) is not None for lane in mine):
            for lane in mine:
                if body.get("run_id") in (None, lane.run) and self.place(body) in lane.entries:
                    self.show(lane, body)

    # --- ACKs -------------------------------------------------------------------------------------------------------

    def owe(self, lane, item):
        lane.outbox.append(item)
        if len(lane.outbox) == 1:
            self.post(lane)

    def post(self, lane):
        self.token += 1
        self.posts[self.token] = lane
        self.publish(self.token, lane.world, self.ack(lane.outbox[0].body))

    def publish(self, token, key, document):
        value = json.dumps(document, ensure_ascii=False).encode()
        self.out.append(SimpleNamespace(kind="publish_ack", token=token, key=key.encode(), value=value))

    def ack(self, body):
        names = ("world_id", "run_id", "sequence", "phase", "etag", "ts", "version")
        key = ":".join(str(body.get(k, 1)) for k in ("world_id", "run_id", "sequence", "phase", "version"))
        return {
            "specversion": "1.0",
            "id": f"ack-{self.token}",
            "source": "switchboard",
            "type": "activation_ack",
            "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json",
            "data": {
                "type": "ActivationAck",
                **{name: body[name] for name in names if name in body},
                "ack_ts": "2026-01-01T00:00:00Z",
                "idempotency_key": f"activation_ack:{key}",
            },
        }

    def confirmed(self, lane, item, now):
        """The ACK of that item is out."""

    def refused(self, lane, now):
        lane.failures += 1
        lane.repost = now + min(100 * 2**lane.failures, 3000) * MS

    # --- holes ------------------------------------------------------------------------------------------------------

    def hole(self, lane):
        """The first sequence that is missing below one that is there."""
        wanted = lane.done + 1
        while wanted in lane.shelf:
            wanted += 1
        return wanted if any(n > wanted for n in lane.shelf) else None

    def look(self, lane, now):
        """See whether a gap has opened or closed."""
        hole = self.hole(lane)
        if hole is None:
            lane.due = lane.call = lane.probe = None
            lane.tries = 0
        elif lane.missing is None:
            self.tally["gap_total"] += 1
            self.opened(lane, now)
        elif hole != lane.missing:
            self.moved(lane, now)
        lane.missing = hole

    def opened(self, lane, now):
        lane.due = now + self.timeout

    def moved(self, lane, now):
        """Part of the hole was filled: the timer runs on."""

    def expired(self, lane, now):
        self.tally["gap_timeout_total"] += 1
        if self.enforced and not lane.retired:
            self.ask(lane, "hash")

    # --- resync -----------------------------------------------------------------------------------------------------

    def ask(self, lane, stage):
        self.token += 1
        lane.call = self.token
        self.calls[self.token] = (lane, stage)
        self.get(lane.call, self.path(lane.world, stage))

    def get(self, token, path):
        self.out.append(SimpleNamespace(kind="http_get", token=token, path=path))

    def path(self, world, stage):
        return f"/worlds/{quote(world, safe='')}/activation" + ("/state_hash" if stage == "hash" else "")

    def document(self, status, body):
        try:
            document = json.loads(body) if status == 200 and len(body) <= LARGEST else None
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def probed(self, lane, told, now):
        if not named(told):
            self.failed(lane, now)
            return
        lane.probe = told
        if told == lane.local:
            self.equal(lane, now)
        else:
            self.ask(lane, "snapshot")

    def equal(self, lane, now):
        """The state is that of the truth: wait for the event, and look again now and then."""
        self.later(lane, now)

    def fetched(self, lane, snapshot, now):
        entries = entries_of(snapshot)
        if entries is None or not self.acceptable(lane, snapshot):
            self.failed(lane, now)
        else:
            self.adopt(lane, snapshot, entries, now)

    def acceptable(self, lane, snapshot):
        return (
            snapshot.get("world_id") == lane.world
            and snapshot.get("run_id") == lane.run
            and type(snapshot.get("sequence")) is int
            and snapshot["sequence"] >= max(1, lane.done)
            and snapshot.get("state_hash") == lane.probe
        )

    def adopt(self, lane, snapshot, entries, now):
        covered = [lane.shelf.pop(n) for n in sorted(lane.shelf) if n <= snapshot["sequence"]]
        lane.done = snapshot["sequence"]
        lane.entries, lane.local = entries, snapshot["state_hash"]
        lane.stuck = {}
        lane.missing = lane.due = lane.probe = None
        lane.tries = 0
        self.tally['resync_total{result="success"}'] += 1
        self.cover(lane, covered)

    def cover(self, lane, items):
        for item in items:
            self.owe(lane, item)

    def failed(self, lane, now):
        self.tally['resync_total{result="failure"}'] += 1
        self.later(lane, now)

    def later(self, lane, now):
        lane.tries += 1
        lane.due = now + min(250 * 2**lane.tries, 20_000) * MS

    # --- effects ----------------------------------------------------------------------------------------------------

    def relay(self, frame):
        self.out.append(SimpleNamespace(kind="relay", frame=frame))

    def commit(self, partition):
        return min(self.live.get(partition) or (self.high[partition],))

    def flush(self):
        for partition in self.high:
            upto = self.commit(partition)
            if upto > self.told.get(partition, 0):
                self.told[partition] = upto
                self.out.append(SimpleNamespace(kind="commit", partition=partition, offset=upto))
        out, self.out = self.out, []
        return out


def named(value):
    """Whether that is a name: a text with something in it."""
    return isinstance(value, str) and bool(value)


def entries_of(snapshot):
    """The entries of a snapshot, or None if they are not of their shape."""
    state = snapshot.get("state")
    if not isinstance(state, dict) or not all(isinstance(sides, dict) for sides in state.values()):
        return None
    found = {(name, side): entry for name, sides in state.items() for side, entry in sides.items()}
    if not all(isinstance(entry, dict) for entry in found.values()):
        return None
    return {
        place: (entry.get("active", True) is True, bool(entry.get("freeze")) or bool(entry.get("drain")))
        for place, entry in found.items()
    }
