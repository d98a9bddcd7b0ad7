"""Wrong in what the metrics page says (OBS). They show as services only: a core has no page."""

from typing import Any

from prometheus_client import Counter

from ackgap_reference import stream
from ackgap_reference.faulty.fault import Faulty
from ackgap_reference.gateway import Effect, Gateway, Key
from ackgap_reference.messages import Event
from ackgap_reference.service.metrics import Metrics


class _OtherName(Metrics):
    def __init__(self, latency_name: str) -> None:
        super().__init__(latency_name.removesuffix("_ms"))


class _Seconds(Metrics):
    def acked_after(self, ms: float) -> None:
        super().acked_after(ms / 1000)


class _Twice(Metrics):
    def acked_after(self, ms: float) -> None:
        super().acked_after(0.0)
        super().acked_after(ms)


class _Coarse(Metrics):
    buckets = (1000, 10_000, 60_000)


class _BeginsAnew(Metrics):
    """Every page begins to count from nothing."""

    def page(self) -> bytes:
        page = super().page()
        self.__init__(self.latency._name)  # type: ignore[misc]
        return page


class _PerRun(Metrics):
    """Counts the events of each run on its own."""

    def __init__(self, latency_name: str) -> None:
        super().__init__(latency_name)
        self.by_run = Counter("activation_events", "Events by run", ["world_id", "run_id"], registry=self.registry)

    def take_over(self, counters: Any) -> None:
        for name, value in counters.items():
            if name.startswith("run:"):
                _, world, run = name.split(":", 2)
                self.by_run.labels(world, run).inc(max(0.0, value - self.seen.get(name, 0)))
                self.seen[name] = value
        super().take_over({k: v for k, v in counters.items() if not k.startswith("run:")})


class _Speechless(Metrics):
    """A page that says nothing once an event was ACKed."""

    def page(self) -> bytes:
        return b"" if self.seen.get("acked_total") else super().page()


class EmptyPage(Gateway):
    """Its page is blank once there is something to tell."""

    metrics_type = _Speechless


class OtherLatencyName(Gateway):
    """Exposes the latency under a name of its own."""

    metrics_type = _OtherName


class LatencyInSeconds(Gateway):
    """Observes seconds in a metric that says milliseconds."""

    metrics_type = _Seconds


class CountsLatencyTwice(Gateway):
    """Observes a latency at the receipt of an event too."""

    metrics_type = _Twice


class CoarseBuckets(Gateway):
    """Cannot tell a millisecond from a second."""

    metrics_type = _Coarse


class CountersBeginAnew(Gateway):
    """Counters start again with every reading."""

    metrics_type = _BeginsAnew


class LabelPerRun(Gateway):
    """One series for every run of every world."""

    metrics_type = _PerRun

    def _publish(self, key: Key, event: Event, now: int) -> Any:
        self._bump(f"run:{key[0]}:{key[1]}")
        return super()._publish(key, event, now)


class GapPerEvent(Gateway):
    """Counts a gap for every event that waits behind it."""

    def transition(self, state: stream.State, given: stream.Input, now: int) -> stream.Outcome:
        after, effects = super().transition(state, given, now)
        if isinstance(given, stream.Arrived) and state.in_gap and after.in_gap:
            effects = [*effects, stream.Count("gap")]
        return after, effects


class ResyncsWithoutResult(Gateway):
    """Counts failed resyncs like successful ones."""

    def _perform(self, key: Key, effect: stream.Effect, now: int) -> list[Effect]:
        if isinstance(effect, stream.Count) and effect.name == "resync":
            effect = stream.Count("resync", "done")
        return super()._perform(key, effect, now)


class DropsInSilence(Gateway):
    """Counts nothing of what it drops."""

    def _bump(self, name: str) -> None:
        if not name.startswith("dropped"):
            super()._bump(name)


FAULTY = (
    Faulty(name="other-latency-name", sentence="Exposes the latency under another name.", requirement="OBS-01", tier="metrics", gateway=OtherLatencyName),
    Faulty(name="gap-per-event", sentence="Counts a gap once per event behind it.", requirement="OBS-02", tier="metrics", gateway=GapPerEvent),
    Faulty(name="counts-latency-twice", sentence="Observes each latency twice.", requirement="OBS-03", tier="metrics", gateway=CountsLatencyTwice),
    Faulty(name="latency-in-seconds", sentence="Observes seconds instead of milliseconds.", requirement="OBS-04", tier="metrics", gateway=LatencyInSeconds),
    Faulty(name="coarse-buckets", sentence="Buckets begin at a second.", requirement="OBS-05", tier="metrics", gateway=CoarseBuckets),
    Faulty(name="resyncs-without-result", sentence="Failed and successful resyncs are one series.", requirement="OBS-06", tier="metrics", gateway=ResyncsWithoutResult),
    Faulty(name="drops-in-silence", sentence="Dropped payloads are not counted.", requirement="OBS-07", tier="metrics", gateway=DropsInSilence),
    Faulty(name="label-per-run", sentence="A label holds world and run.", requirement="OBS-08", tier="metrics", gateway=LabelPerRun),
    Faulty(name="counters-begin-anew", sentence="Counters start again at every reading.", requirement="OBS-09", tier="metrics", gateway=CountersBeginAnew),
    Faulty(name="empty-page", sentence="The page is blank once there is something to tell.", requirement="OBS-10", tier="metrics", gateway=EmptyPage),
)  # fmt: skip
