"""What became of one shipped Gateway, in virtual time or as a service: plain data, to be tabulated by `matrix`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["faulty", "strange"]
Tiers = tuple[str, ...]

# What a target may offer; every one of them has the ACK topic.
TIER_SETS: tuple[Tiers, ...] = (("ack",), ("ack", "relay"), ("ack", "gate"), ("ack", "relay", "gate"))
ALL_TIERS = TIER_SETS[-1]
CERTIFIED = ("resync", "resilience")  # the profiles for which a strange Gateway has to get its certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The first conviction for a requirement in one scenario: how long after its beginning, and after how many records.

    What only the end of a history can show counts as shown when its scenario ended.
    """

    requirement: str
    scenario: str
    setting: str
    after_ms: float
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One Gateway's run: kills by requirement, the quickest first, and the requirements convicted by tier set."""

    name: str
    kind: Kind
    kills: Mapping[str, tuple[Kill, ...]]
    by_tiers: Mapping[Tiers, frozenset[str]]
    exit_code: int = 0  # of a certification, for a strange one
    why: str = ""
    seconds: float = 0.0

    @property
    def convicted(self) -> frozenset[str]:
        """Every requirement that it was convicted of, MUST or SHOULD."""
        return frozenset(self.kills)
