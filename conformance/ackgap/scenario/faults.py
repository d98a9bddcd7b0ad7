"""The faults that scenarios may use: what each is, and how much of the system it hurts.

A fault begins and ends with a step, so by any event or time that a step can wait for, or by itself after a time. Each
proves itself by what it was seen to do; one that was never felt makes its scenario broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Scope = Literal["world", "relay", "gateway", "link", "group", "broker", "clock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One fault. `scope`: some worlds' WorldService, further relay clients, the whole target, its link to the brokers,
    its consumer group, the broker itself and so everybody, or the wall clock that the target sees."""

    name: str
    scope: Scope
    sentence: str

    @property
    def alone(self) -> bool:
        """Whether it hurts the whole target, so that its scenario needs an instance to itself."""
        return self.scope in {"gateway", "link", "group", "broker", "clock"}


_KINDS: tuple[tuple[str, Scope, str], ...] = (
    ("gateway_killed", "gateway", "the Gateway is ended without warning; started again at the end, with its disk"),
    ("gateway_terminated", "gateway", "the Gateway is asked to stop; started again at the end, with its disk"),
    ("gateway_wiped", "gateway", "the Gateway is ended without warning; started again at the end, without its disk"),
    ("gateway_stopped", "gateway", "the Gateway stands still and goes on at the end"),
    ("broker_down", "link", "the Gateway's connections to the brokers are cut, new ones too; nobody else is concerned"),
    ("broker_hung", "link", "nothing passes between Gateway and brokers although connections stay"),
    ("broker_slow", "link", "each message between Gateway and brokers takes `ms` longer"),
    ("broker_paused", "broker", "the broker itself stands still with its connections and goes on at the end"),
    ("broker_killed", "broker", "the broker itself is ended without warning; started again at the end, with its log"),
    ("acks_rejected", "link", "the broker refuses each ACK with an error (`error` is its Kafka code)"),
    ("acks_unconfirmed", "link", "ACKs are appended, but a timeout is reported to the Gateway"),
    ("acks_lost", "link", "the connection is cut before an ACK reaches the broker"),
    ("acks_cut", "link", "the connection is cut when an ACK was appended and not yet confirmed"),
    ("acks_late", "link", "each ACK reaches the broker `ms` later"),
    ("acks_held", "link", "no ACK reaches the broker until the end, as with a full topic"),
    ("group_rebalanced", "group", "further members join the Gateway's consumer group, and leave at the end"),
    (
        "clock_stepped",
        "clock",
        "the wall clock of the Gateway's host jumps by `ms`, and back at the end; virtual time only",
    ),
    ("worldservice_down", "world", "connections to the WorldService break without an answer"),
    ("worldservice_hung", "world", "the WorldService takes requests and never answers"),
    ("worldservice_slow", "world", "each answer of the WorldService takes `ms` longer"),
    ("worldservice_errors", "world", "the WorldService answers 503"),
    ("worldservice_flapping", "world", "two of three requests to the WorldService fail, each in another way"),
    ("worldservice_wrong", "world", "the WorldService answers for another world"),
    ("worldservice_cut", "world", "the bodies of the WorldService end early"),
    ("relay_client_stalled", "relay", "a further relay client connects and stops reading"),
    ("relay_client_flapping", "relay", "a further relay client connects and vanishes again and again"),
)

FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {name: FaultKind(name=name, scope=scope, sentence=sentence) for name, scope, sentence in _KINDS}
)
