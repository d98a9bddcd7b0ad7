"""What every observation record has in common; the records are in `history`, those of WorldServices in `worldservice_history`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Encoding = Literal["utf-8", "base64"]
"""How bytes are kept as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What every record has."""

    kind: ClassVar[str] = ""

    t: int
    instance: str
