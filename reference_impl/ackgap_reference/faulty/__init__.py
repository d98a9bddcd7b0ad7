"""Deliberately wrong Gateways, one wrong decision each (and a few pairs), to show what the judge convicts."""

from ackgap_reference.faulty import (
    acking,
    clients,
    gaps,
    gating,
    measuring,
    messages,
    ordering,
    outages,
    pairs,
    reading,
    recovery,
    restarting,
    resyncing,
)
from ackgap_reference.faulty.fault import Faulty

ROOMS = (reading, messages, acking, ordering, gaps, resyncing, recovery, gating, restarting, outages, pairs)
CATALOGUE: dict[str, Faulty] = {faulty.name: faulty for room in ROOMS for faulty in room.FAULTY}

# These show only as services: a core has neither a metrics page nor relay clients.
SERVICE_ONLY: dict[str, Faulty] = {faulty.name: faulty for faulty in (*measuring.FAULTY, *clients.FAULTY)}


def __getattr__(name: str) -> Faulty:
    """`ackgap_reference.faulty:NAME` is a core factory."""
    try:
        return CATALOGUE[name] if name in CATALOGUE else SERVICE_ONLY[name]
    except KeyError:
        raise AttributeError(name) from None
