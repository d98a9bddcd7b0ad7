"""What the words of a provider's state mean: the kit's own, and those that others are likely to write."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from ackgap.pact.documents import APPLIED, APPLYING, UNKNOWN

Meaning = Literal["applied", "applying", "unknown", ""]
OWN: Mapping[str, Meaning] = {APPLIED: "applied", APPLYING: "applying", UNKNOWN: "unknown"}
# In this order: "no apply in progress" is not about an apply in progress.
WORDS: tuple[tuple[Meaning, str], ...] = (
    (
        "unknown",
        r"unknown|not known|nobody knows|no such|does ?n[o']t exist|not exist|missing|never applied|no world|not found",
    ),
    (
        "applying",
        r"applying|mid-?apply|middle of|in progress|in flight|while .*appl|during|frozen|freezing|not completed",
    ),
    ("applied", r"appl(y|ied)|exists?|known|has (a )?(state|snapshot|entr)|active|completed|ready|activation"),
)
NAMES = ("world_id", "worldId", "world", "id")


def meaning(name: str) -> Meaning:
    """What a state means; "" if that cannot be told."""
    if name in OWN:
        return OWN[name]
    return next((found for found, pattern in WORDS if re.search(pattern, name, re.IGNORECASE)), "")


def world_named(params: Mapping[str, Any], otherwise: str) -> str:
    """The world that a state's parameters name."""
    return next((str(params[name]) for name in NAMES if isinstance(params.get(name), str) and params[name]), otherwise)
