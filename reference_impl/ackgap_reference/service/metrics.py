"""What operators see: the RFC's latency histogram and counters, without a label per run or world."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Resolves 1 ms to 60 s.
BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000)


class Metrics:
    """A registry of its own, so that several services can live in one process."""

    buckets: tuple[float, ...] = BUCKETS

    def __init__(self, latency_name: str) -> None:
        self.registry = CollectorRegistry()
        self.latency = Histogram(
            latency_name,
            "From the application of an event to its confirmed ACK, ms",
            buckets=self.buckets,
            registry=self.registry,
        )
        self.gaps = Counter("activation_gap", "Gaps that opened", registry=self.registry)
        self.timeouts = Counter("activation_gap_timeout", "Gaps that outlived their timeout", registry=self.registry)
        self.resyncs = Counter("activation_resync", "Resyncs by result", ["result"], registry=self.registry)
        self.dropped = Counter("activation_dropped", "Payloads dropped by reason", ["reason"], registry=self.registry)
        self.acked = Counter("activation_acked", "Events whose ACK is confirmed", registry=self.registry)
        self.duplicates = Counter("activation_duplicate", "Duplicates ignored", registry=self.registry)
        self.overflows = Counter(
            "activation_buffer_overflow", "Events that found the buffer full", registry=self.registry
        )
        self.ack_failures = Counter(
            "activation_ack_failure", "ACKs that could not be published", registry=self.registry
        )
        self.relay_dropped = Counter(
            "relay_client_dropped", "Relay clients dropped for being slow", registry=self.registry
        )
        self.relay_clients = Gauge("relay_clients", "Relay clients connected", registry=self.registry)
        self.seen: dict[str, float] = {}

    def acked_after(self, ms: float) -> None:
        """An event's ACK was confirmed so long after its application."""
        self.latency.observe(ms)

    def take_over(self, counters: Mapping[str, float]) -> None:
        """Bring the counters up to what the core has counted."""
        plain = {
            "gap_total": self.gaps, "timeout_total": self.timeouts, "acked_total": self.acked,
            "duplicate_total": self.duplicates, "overflow_total": self.overflows, "ack_failed_total": self.ack_failures,
        }  # fmt: skip
        for name, value in counters.items():
            grown = value - self.seen.get(name, 0)
            if grown <= 0:
                continue
            self.seen[name] = value
            if name in plain:
                plain[name].inc(grown)
            elif name.startswith("resync_total"):
                self.resyncs.labels(_label(name)).inc(grown)
            elif name.startswith("dropped_total"):
                self.dropped.labels(_label(name)).inc(grown)

    def page(self) -> bytes:
        """The Prometheus text page."""
        return generate_latest(self.registry)


def _label(name: str) -> str:
    return name.partition('"')[2].rstrip('"}')
