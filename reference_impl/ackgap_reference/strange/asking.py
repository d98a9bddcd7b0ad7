"""Other habits in gaps, timers and resyncs."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ackgap_reference import stream
from ackgap_reference.gateway import Effect, Gateway, HttpGet, Key
from ackgap_reference.stream import NS_PER_MS, Phase, State
from ackgap_reference.variant import LaterGateway, Variant


class ProbesTwice(Gateway):
    """Sends every probe twice; the second answer counts."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Probe) and isinstance(effects[0], HttpGet):
            self.number += 1
            return [replace(effects[0], token=self.number), *effects]
        return effects


class ProbesAtOnce(Gateway):
    """Asks for the state hash as soon as a gap opens, to know early; forces nothing before the timeout."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Count) and effect.name == "gap":
            probe = self._get("state_hash", key, self.constants.state_hash_path)
            self.tokens.pop(probe.token)
            return [*effects, probe]
        return effects


class PollsSnapshots(LaterGateway):
    """Fetches the snapshot of every world that it knows every 700 ms, for a page that it shows; uses none of them."""

    EVERY = 700 * NS_PER_MS

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.polled: set[str] = set()

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        effects = super()._step(key, given, now)
        if key[0] and key[0] not in self.polled:
            self.polled.add(key[0])
            return [*effects, *self._poll(key, now)]
        return effects

    def _poll(self, key: Key, now: int) -> list[Effect]:
        self.later(now + self.EVERY, lambda t: self._poll(key, t))
        fetch = self._get("snapshot", key, self.constants.snapshot_path)
        self.tokens.pop(fetch.token)
        return [fetch]


class RestartsTimerAfterProgress(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if after.phase is Phase.GAPPED and after.applied > state.applied and after.deadline is not None:
            after = replace(after, deadline=now + self.rules.gap_timeout)
        return after, effects


class _AtEqualHash(Gateway):
    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        answered = isinstance(given, stream.HashAnswered) and state.phase is Phase.PROBING
        if answered and given.state_hash == state.state_hash:  # type: ignore[union-attr]
            return self.equal(state, now)
        return super().transition(state, given, now)

    def equal(self, state: State, now: int) -> stream.Outcome:
        """What it does when the hash is the one it holds."""
        raise NotImplementedError


class WaitsAtEqualHash(_AtEqualHash):
    def equal(self, state: State, now: int) -> stream.Outcome:
        return replace(state, phase=Phase.BACKING_OFF, deadline=now + 400 * NS_PER_MS), []


class GoesOnAtEqualHash(_AtEqualHash):
    def equal(self, state: State, now: int) -> stream.Outcome:
        state = replace(state, applied=min(state.buffer) - 1, phase=Phase.FOLLOWING, deadline=None)
        return stream._advance(state, now, self.rules)


class InsistsOnResync(Gateway):
    """Once a resync has begun only its success lets the stream go on: a late event just waits."""

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        forced = state.phase in {Phase.PROBING, Phase.FETCHING, Phase.BACKING_OFF}
        if isinstance(given, stream.Arrived) and forced and given.event.sequence == state.applied + 1:
            return replace(state, buffer=MappingProxyType({**state.buffer, given.event.sequence: given.event})), []
        return super().transition(state, given, now)


class RetriesFetchOnly(Gateway):
    """After a failed fetch it asks for the snapshot again without a new probe; the old answer still counts."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.known: dict[Key, str] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        after, effects = super().transition(state, given, now)
        if isinstance(given, stream.HashAnswered) and after.phase is Phase.FETCHING:
            self.known[key] = given.state_hash
        elif isinstance(given, stream.ResyncFailed) and state.phase is Phase.FETCHING:
            pass
        elif after.phase not in {Phase.BACKING_OFF, Phase.PROBING, Phase.FETCHING} or isinstance(
            given, stream.SnapshotAnswered
        ):
            self.known.pop(key, None)
        if after.phase is Phase.PROBING and state.phase is Phase.BACKING_OFF and key in self.known:
            after = replace(after, phase=Phase.FETCHING, probed_hash=self.known.pop(key))
            effects = [stream.Fetch() if isinstance(e, stream.Probe) else e for e in effects]
        return after, effects


class RetiresOldRuns(Gateway):
    """Forgets an older run, gap and all, once a newer one of the world has applied an event."""

    def _step(self, key: Key, given: stream.Input, now: int) -> list[Effect]:
        effects = super()._step(key, given, now)
        if isinstance(given, stream.Arrived) and self.states[key].applied and self.runs.get(key[0]) == key[1]:
            for other, state in self.states.items():
                if other[0] == key[0] and other != key and state.in_gap and state.unacked is None:
                    self.states[other] = replace(state, phase=Phase.GAPPED, deadline=None)
        return effects


class ProbesWithoutForce(Gateway):
    """With the flag off it asks for the state hash after the timeout all the same, to report it; forces nothing."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        effects = super()._perform(key, effect, now)
        if isinstance(effect, stream.Count) and effect.name == "timeout" and not self.rules.enforced:
            probe = self._get("state_hash", key, self.constants.state_hash_path)
            self.tokens.pop(probe.token)
            return [*effects, probe]
        return effects


class FinishesResync(Gateway):
    """A late event closes the gap by itself, and the resync is brought to its end all the same: a snapshot that is no
    older than what is applied is taken over."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.probed: dict[Key, str] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        if state.phase is not Phase.FOLLOWING:
            after, effects = super().transition(state, given, now)
            if isinstance(given, stream.HashAnswered):
                self.probed[key] = given.state_hash
            return after, effects
        if isinstance(given, stream.HashAnswered):
            self.probed[key] = given.state_hash
            return state, [stream.Fetch()]
        if isinstance(given, stream.SnapshotAnswered) and state.unacked is None and not state.to_ack:
            waiting = replace(state, phase=Phase.FETCHING, probed_hash=self.probed.get(key))
            return (state, []) if stream.refusal(waiting, given) else super().transition(waiting, given, now)
        return super().transition(state, given, now)


class VerifiesSnapshot(Gateway):
    """Asks for the state hash once more after the snapshot, and takes the snapshot only if it has not changed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.kept: dict[Key, stream.SnapshotAnswered] = {}

    def transition(self, state: State, given: stream.Input, now: int) -> stream.Outcome:
        key = (state.world_id, state.run_id)
        if isinstance(given, stream.SnapshotAnswered) and state.phase is Phase.FETCHING:
            if not stream.refusal(state, given):
                self.kept[key] = given
                return state, [stream.Probe()]
        elif isinstance(given, stream.HashAnswered) and state.phase is Phase.FETCHING and key in self.kept:
            snapshot = self.kept.pop(key)
            if snapshot.state_hash == given.state_hash:
                return super().transition(state, snapshot, now)
            return super().transition(state, stream.ResyncFailed("moved"), now)
        elif isinstance(given, stream.ResyncFailed):
            self.kept.pop(key, None)
        return super().transition(state, given, now)


STRANGE = (
    Variant(
        name="finishes-resync",
        sentence="Takes over a snapshot also when a late event has closed the gap meanwhile.",
        gateway=FinishesResync,
    ),
    Variant(
        name="verifies-snapshot",
        sentence="Probes once more before it takes over a snapshot.",
        gateway=VerifiesSnapshot,
    ),
    Variant(name="probes-twice", sentence="Sends every probe twice; the second answer counts.", gateway=ProbesTwice),
    Variant(name="probes-at-once", sentence="Probes as soon as a gap opens, too.", gateway=ProbesAtOnce),
    Variant(
        name="polls-snapshots",
        sentence="Fetches snapshots all the time, gap or none, and uses none of them.",
        gateway=PollsSnapshots,
    ),
    Variant(
        name="restarts-timer-after-progress",
        sentence="Starts its gap timer anew when part of the hole was filled.",
        gateway=RestartsTimerAfterProgress,
    ),
    Variant(
        name="waits-at-equal-hash",
        sentence="Fetches nothing at an equal hash, but probes again later.",
        gateway=WaitsAtEqualHash,
    ),
    Variant(
        name="goes-on-at-equal-hash",
        sentence="Goes on with what is buffered at an equal hash.",
        gateway=GoesOnAtEqualHash,
    ),
    Variant(
        name="insists-on-resync",
        sentence="Once a resync has begun, a late event just waits for its success.",
        gateway=InsistsOnResync,
    ),
    Variant(
        name="retries-fetch-only",
        sentence="Repeats a failed fetch without a new probe.",
        gateway=RetriesFetchOnly,
    ),
    Variant(
        name="retires-old-runs", sentence="Gives up an older run once a newer one is followed.", gateway=RetiresOldRuns
    ),
    Variant(
        name="probes-without-force",
        sentence="With the flag off it probes after the timeout and does nothing with the answer.",
        gateway=ProbesWithoutForce,
    ),
    Variant(
        name="long-backoff",
        sentence="Waits two seconds and more between its attempts.",
        gateway=Gateway,
        rules=lambda r: replace(r, backoff_first=2_000 * NS_PER_MS, backoff_most=30_000 * NS_PER_MS),
    ),
    Variant(
        name="late-timer",
        sentence="Its timers are a fifth of a second late.",
        gateway=Gateway,
        rules=lambda r: replace(r, gap_timeout=r.gap_timeout + 200 * NS_PER_MS),
    ),
    Variant(
        name="short-buffer",
        sentence="Buffers 65 events of a stream and no more.",
        gateway=Gateway,
        rules=lambda r: replace(r, buffer_limit=65),
    ),
)
