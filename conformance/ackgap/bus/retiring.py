"""Ends librdkafka clients without waiting for them.

The library joins its own threads when a client is destroyed. Once its broker is gone, that now and then never returns (seen
with librdkafka 2.x, producers and admin clients). So the last reference is dropped in a thread that nobody waits for.
"""

import threading
from typing import Any


def retire(clients: list[Any]) -> None:
    """Destroy these clients, which the caller must not use or hold any more. Returns at once; empties the list."""
    held = list(clients)
    clients.clear()
    threading.Thread(target=held.clear, name="ackgap-retire", daemon=True).start()
