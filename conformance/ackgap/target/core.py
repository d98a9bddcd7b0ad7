"""The protocol that an in-process Gateway core offers to the virtual-time harness.

A core does no I/O and reads no clock: whatever it wants to happen it returns as effects, and whatever happened it is
told with the time at which it happened. Matching is structural: a core needs to import nothing of the kit, and an
effect is any object with the attributes of one of the classes below.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol


class PublishAck(Protocol):
    """The core asks for one record on the ACK topic; the driver answers with `ack_confirmed` or `ack_failed`."""

    @property
    def kind(self) -> Literal["publish_ack"]:
        """Discriminator."""

    @property
    def token(self) -> int:
        """Chosen by the core, unique among its open requests; comes back with the answer."""

    @property
    def key(self) -> bytes | None:
        """Record key, UTF-8."""

    @property
    def value(self) -> bytes:
        """Record value, UTF-8 JSON."""


class HttpGet(Protocol):
    """The core asks the WorldService; the driver answers with `http_answered` or `http_failed`."""

    @property
    def kind(self) -> Literal["http_get"]:
        """Discriminator."""

    @property
    def token(self) -> int:
        """Chosen by the core, unique among its open requests."""

    @property
    def path(self) -> str:
        """Path and query as sent on the wire, ids percent-encoded: `/worlds/w%2F1/activation/state_hash`."""


class Relay(Protocol):
    """The core hands one frame to every downstream client."""

    @property
    def kind(self) -> Literal["relay"]:
        """Discriminator."""

    @property
    def frame(self) -> str:
        """One JSON text."""


class Commit(Protocol):
    """All records of the partition below `offset` need never be read again."""

    @property
    def kind(self) -> Literal["commit"]:
        """Discriminator."""

    @property
    def partition(self) -> int:
        """Partition of the activation topic."""

    @property
    def offset(self) -> int:
        """Next offset to read after a restart."""


Effect = PublishAck | HttpGet | Relay | Commit


class GatewayCore(Protocol):
    """A Gateway without I/O. Times are ns of one monotonic clock; all calls come from one thread, in time order.

    A core that wants to know the time of day has an attribute `wall_clock`. The harness puts a callable there, without
    arguments, that returns ns since 1970 and may jump at any moment, forth or back, as the clock of any host does.

    A core may have a method `decides_by()` besides: any plain data that its further decisions depend on. `ackgap explore`
    compares cores by it; without it, by everything they hold.
    """

    def record(
        self, *, partition: int, offset: int, key: bytes | None, value: bytes | None, now: int
    ) -> Sequence[Effect]:
        """One record of the activation topic was read."""

    def ack_confirmed(self, token: int, now: int) -> Sequence[Effect]:
        """The broker has confirmed the ACK of that token."""

    def ack_failed(self, token: int, now: int) -> Sequence[Effect]:
        """Publishing failed for certain; the core decides when to try again."""

    def http_answered(self, token: int, status: int, body: bytes, now: int) -> Sequence[Effect]:
        """The whole answer to a request has arrived."""

    def http_failed(self, token: int, reason: str, now: int) -> Sequence[Effect]:
        """No usable answer: refused, timed out, cut off or larger than the core's bound."""

    def tick(self, now: int) -> Sequence[Effect]:
        """Time has passed; every timer due at `now` is served."""

    def next_timer(self) -> int | None:
        """When the next timer is due, ns; None if none is running."""

    def gate(self, world_id: str, run_id: str) -> Mapping[str, Any]:
        """The order-gate answer `{world_id, run_id, state, reason, applied_sequence}` as seen at this moment."""

    def counters(self) -> Mapping[str, float]:
        """Counters by canonical name: gap_total, resync_total{result=...}, dropped_total{reason=...}, acked_total."""


class CoreFactory(Protocol):
    """What the dotted name of a core names: a callable that builds a fresh core for one setting."""

    def __call__(self, *, gap_timeout_ms: int, resync_enforced: bool, seed: int) -> GatewayCore:
        """Build a core that has read nothing yet. `seed` drives its jitter."""
