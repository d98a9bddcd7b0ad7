"""What operators see of the WorldService and of the ACKs, without a label per run or world."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ackgap.contract import load
from ackgap_reference.service.metrics import BUCKETS


class Metrics:
    """A registry of its own, so that several services can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latency = Histogram(
            load().constants.ack_latency_metric, "From the emission of an event to the sight of its first ACK, ms",
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.acks = Counter("activation_ack", "ACKs: first, repeated, unknown", ["result"], registry=self.registry)
        self.late = Counter("activation_ack_late", "First ACKs that came later than the limit", registry=self.registry)
        self.missing = Gauge(
            "activation_ack_missing", "Events of the latest runs whose ACK is overdue", registry=self.registry
        )
        self.applies = Counter("apply", "Applies by how they ended", ["result"], registry=self.registry)
        self.refused = Counter("apply_refused", "Applies refused while another was running", registry=self.registry)
        self.running = Gauge("apply_in_progress", "Applies in progress", registry=self.registry)
        self.waiting = Gauge("outbox_waiting", "Events that the bus does not have yet", registry=self.registry)
        self.failures = Gauge("outbox_failures", "Failed attempts to publish an event", registry=self.registry)

    def page(self) -> bytes:
        """The Prometheus text page."""
        return generate_latest(self.registry)
