"""Wrong about the order gate: over which entries, of which stream, from when on."""

from tests.strangers.switchboard import Switchboard


class GateOfLastEvent(Switchboard):
    """The gate is what the last event said."""

    blame = ("GATE-05",)

    def show(self, lane, body):
        lane.entries = {}
        super().show(lane, body)


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


class GateOfWorld(Switchboard):
    """The gate answers for the newest run, whatever run was asked for."""

    blame = ("GATE-02", "GATE-01", "GAP-01", "RUN-02", "GATE-05")

    def gate(self, world_id, run_id):
        runs = [lane.run for lane in self.lanes.values() if lane.world == world_id]
        return super().gate(world_id, runs[0] if runs else run_id)


class ClosesAtTimeoutOnly(Switchboard):
    """A gap closes the gate when it has lasted for the timeout."""

    blame = ("GAP-01",)

    def reason(self, lane):
        reason = super().reason(lane)
        return "" if reason == "gap" and lane.due is not None and lane.tries == 0 and self.open_else(lane) else reason

    def open_else(self, lane):
        return bool(lane.entries) and not any(shut for _, shut in lane.entries.values())


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


class UnfreezesByPhase(Switchboard):
    """What counts is the phase: an unfreeze whose body says freeze opens."""

    blame = ("GATE-05", "GATE-03")

    def entry(self, body):
        return body.get("active", True), body.get("phase") == "freeze" if body.get("requires_ack") else super().entry(
            body
        )[1]
