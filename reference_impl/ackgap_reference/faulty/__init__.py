"""Deliberately wrong Gateways, one wrong decision each, to show what the judge convicts."""

from ackgap_reference.faulty import messages, ordering, outages, restarting, resyncing
from ackgap_reference.faulty.fault import Faulty

CATALOGUE: dict[str, Faulty] = {
    faulty.name: faulty
    for faulty in (*messages.FAULTY, *ordering.FAULTY, *resyncing.FAULTY, *restarting.FAULTY, *outages.FAULTY)
}


def __getattr__(name: str) -> Faulty:
    """`ackgap_reference.faulty:NAME` is a core factory."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise AttributeError(name) from None
