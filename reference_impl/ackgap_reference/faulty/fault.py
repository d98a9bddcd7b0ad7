"""What a faulty Gateway is: the reference with one decision replaced."""

from collections.abc import Callable
from dataclasses import dataclass

from ackgap.contract import load
from ackgap_reference.gateway import Gateway
from ackgap_reference.stream import NS_PER_MS, Rules

RuleChange = Callable[[Rules], Rules]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """One wrong Gateway: its name, the wrong decision in one sentence, and the requirement that it breaks."""

    name: str
    sentence: str
    requirement: str
    gateway: type[Gateway]
    rules: RuleChange = lambda rules: rules

    def __call__(self, *, gap_timeout_ms: int, resync_enforced: bool, seed: int) -> Gateway:
        """Build it; see `ackgap.target.core.CoreFactory`."""
        rules = Rules(gap_timeout=gap_timeout_ms * NS_PER_MS, enforced=resync_enforced)
        return self.gateway(rules=self.rules(rules), seed=seed, constants=load().constants)
