"""Notices a target that drowns its tester: what it sends is counted, and beyond these bounds the run ends early."""

import asyncio

# What names no world of the run is kept in the history up to this number; it all looks alike, and is counted further.
KEPT_STRAYS = 1_000
# A whole run of the suite needs some 10,000 records. Whoever sends this many does not answer any more, it floods.
STRAYS, RECORDS = 20_000, 500_000
BYTES = 256 << 20


class Flooded(Exception):  # noqa: N818  (no error of ours: the target's doing, told in its message)
    """The target sends more than any Gateway can have to say."""


class FloodWatch:
    """Counts what one instance sends by one way, for instance its ACK topic; sets `over` when it is too much."""

    def __init__(self, way: str, over: asyncio.Event) -> None:
        self.way, self.over = way, over
        self.records = self.strays = self.bytes = 0

    def keeps(self, size: int, *, stray: bool) -> bool:
        """Count one record of `size` bytes; `stray` if it names no world of the run. Whether to record it."""
        self.records += 1
        self.bytes += size
        self.strays += stray
        if self.flooded:
            self.over.set()
            return False
        return not stray or self.strays <= KEPT_STRAYS

    @property
    def flooded(self) -> bool:
        """Whether a bound was passed."""
        return self.strays > STRAYS or self.records > RECORDS or self.bytes > BYTES

    @property
    def said(self) -> str:
        """What came, in words."""
        return (
            f"flooded {self.way}: {self.records} records, {self.bytes >> 20} MiB, {self.strays} of them without a world of "
            "this run"
        )
