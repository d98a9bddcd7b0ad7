"""Wrong Gateways: each breaks one sentence of the contract, in the way that real services break it.

`blame` holds the requirements of which at least one explains the bug.
"""

from tests.strangers.wrong import acks, gates, ordering, snapshots, timers

MODULES = (acks, gates, ordering, snapshots, timers)

__all__ = ["MODULES"]
