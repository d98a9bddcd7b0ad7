"""Gateways that do what the contract allows and the reference does not do. None of them may be convicted."""

from dataclasses import replace

from ackgap.contract import load
from ackgap_reference import stream
from ackgap_reference.gateway import Gateway, HttpGet, PublishAck
from ackgap_reference.messages import Dropped, Event
from ackgap_reference.stream import NS_PER_MS, Phase, Rules


def factory(gateway, **rules):
    def build(*, gap_timeout_ms, resync_enforced, seed):
        settings = Rules(gap_timeout=gap_timeout_ms * NS_PER_MS, enforced=resync_enforced, **rules)
        return gateway(rules=settings, seed=seed, constants=load().constants)

    return build


class ReAcks(Gateway):
    """ACKs every duplicate of an applied event again, with the same key."""

    def __init__(self, **given):
        super().__init__(**given)
        self.firsts = {}

    def transition(self, state, given, now):
        after, effects = super().transition(state, given, now)
        if (
            isinstance(given, stream.Arrived)
            and given.event.sequence <= state.applied
            and not state.to_ack
            and state.unacked is None
        ):
            effects = [*effects, _Again(self.firsts.get((state.world_id, state.run_id, given.event.sequence)))]
        return after, effects

    def _perform(self, key, effect, now):
        if isinstance(effect, stream.Apply):
            self.firsts[(*key, effect.event.sequence)] = effect.event
        if isinstance(effect, _Again):
            if effect.event is None:
                return []
            done = self._publish(key, effect.event, now)
            self.tokens[done.token] = ("ack", ("", ""))
            return [done]
        return super()._perform(key, effect, now)


class _Again:
    def __init__(self, event):
        self.event = event


class ProbesTwice(Gateway):
    """Sends every probe twice; the second answer counts."""

    def _perform(self, key, effect, now):
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Probe) and isinstance(effects[0], HttpGet):
            self.number += 1
            return [replace(effects[0], token=self.number), *effects]
        return effects


class RestartsTimerAfterProgress(Gateway):
    """Starts its gap timer anew when part of the hole was filled."""

    def transition(self, state, given, now):
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.GAPPED and after.applied > state.applied and after.deadline is not None:
            after = replace(after, deadline=now + self.rules.gap_timeout)
        return after, effects


class WaitsAtEqualHash(Gateway):
    """Fetches nothing at an equal hash, but probes again later."""

    def transition(self, state, given, now):
        if (
            isinstance(given, stream.HashAnswered)
            and given.state_hash == state.state_hash
            and state.phase is Phase.PROBING
        ):
            return replace(state, phase=Phase.BACKING_OFF, deadline=now + 400 * NS_PER_MS), []
        return super().transition(state, given, now)


class GoesOnAtEqualHash(Gateway):
    """Goes on with what is buffered at an equal hash."""

    def transition(self, state, given, now):
        if (
            isinstance(given, stream.HashAnswered)
            and given.state_hash == state.state_hash
            and state.phase is Phase.PROBING
        ):
            state = replace(state, applied=min(state.buffer) - 1, phase=Phase.FOLLOWING, deadline=None)
            return stream._advance(state, now, self.rules)
        return super().transition(state, given, now)


class RefusesVersions(Gateway):
    """Knows version 1 only."""

    def read(self, value):
        event = super().read(value)
        return Dropped("version") if isinstance(event, Event) and event.version != 1 else event


class Flat(Gateway):
    """Writes flat ACKs with fields of its own."""

    def _publish(self, key, event, now):
        import json

        effect = super()._publish(key, event, now)
        body = json.loads(effect.value)["data"]
        return replace(effect, value=json.dumps({"gateway": "strange", **dict(reversed(body.items()))}).encode())


class NeverAcksCovered(Gateway):
    """Leaves out the ACKs of events that a snapshot covers."""

    def transition(self, state, given, now):
        if isinstance(given, stream.SnapshotAnswered):
            after, effects = super().transition(state, given, now)
            covered = any(
                isinstance(e, stream.Acknowledge) and e.event.sequence <= (given.sequence or 0) for e in effects
            )
            if covered and after.unacked is not None:
                after, more = stream._advance(replace(after, unacked=None, to_ack=()), now, self.rules)
                return after, [e for e in effects if not isinstance(e, stream.Acknowledge)] + more
            return replace(after, to_ack=()), effects
        return super().transition(state, given, now)


class SlowToOpen(Gateway):
    """Keeps an open gate closed until it has been asked a few times."""

    def __init__(self, **given):
        super().__init__(**given)
        self.asked = {}

    def gate(self, world_id, run_id):
        answer = super().gate(world_id, run_id)
        if answer["state"] == "open":
            self.asked[world_id, run_id] = self.asked.get((world_id, run_id), 0) + 1
            if self.asked[world_id, run_id] <= 2:
                answer = {**answer, "state": "closed", "reason": "warming_up"}
        return answer


class InsistsOnResync(Gateway):
    """Once a resync has begun, only its success lets the stream go on: a late event just waits."""

    def transition(self, state, given, now):
        forced = state.phase in {Phase.PROBING, Phase.FETCHING, Phase.BACKING_OFF}
        if isinstance(given, stream.Arrived) and forced and given.event.sequence == state.applied + 1:
            from types import MappingProxyType

            return replace(state, buffer=MappingProxyType({**state.buffer, given.event.sequence: given.event})), []
        return super().transition(state, given, now)


class HoldsOverrides(Gateway):
    """Ignores every manual override that would open something."""

    def _override(self, event):
        return super()._override(event) if event.entry.held else []


class RetiresOldRuns(Gateway):
    """Forgets an older run, gap and all, once a newer one of the world has applied an event."""

    def _step(self, key, given, now):
        effects = super()._step(key, given, now)
        if isinstance(given, stream.Arrived) and self.states[key].applied and self.runs.get(key[0]) == key[1]:
            for other, state in self.states.items():
                if other[0] == key[0] and other != key and state.in_gap and state.unacked is None:
                    self.states[other] = replace(state, phase=Phase.GAPPED, deadline=None)
        return effects


STRANGE = {
    "re-acks": factory(ReAcks),
    "probes-twice": factory(ProbesTwice),
    "restarts-timer-after-progress": factory(RestartsTimerAfterProgress),
    "waits-at-equal-hash": factory(WaitsAtEqualHash),
    "goes-on-at-equal-hash": factory(GoesOnAtEqualHash),
    "refuses-versions": factory(RefusesVersions),
    "flat": factory(Flat),
    "never-acks-covered": factory(NeverAcksCovered),
    "slow-to-open": factory(SlowToOpen),
    "insists-on-resync": factory(InsistsOnResync),
    "holds-overrides": factory(HoldsOverrides),
    "retires-old-runs": factory(RetiresOldRuns),
    "long-backoff": factory(Gateway, backoff_first=2_000 * NS_PER_MS, backoff_most=30_000 * NS_PER_MS),
}

__all__ = ["STRANGE", "PublishAck"]
