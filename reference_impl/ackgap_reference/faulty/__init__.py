"""Deliberately wrong Gateways, one wrong decision each, to show what the judge convicts."""

from ackgap_reference.faulty import measuring, messages, ordering, outages, restarting, resyncing
from ackgap_reference.faulty.fault import Faulty

CATALOGUE: dict[str, Faulty] = {
    faulty.name: faulty
    for faulty in (*messages.FAULTY, *ordering.FAULTY, *resyncing.FAULTY, *restarting.FAULTY, *outages.FAULTY)
}

# These show only as services, on a metrics page that a core does not have.
SERVICE_ONLY: dict[str, Faulty] = {faulty.name: faulty for faulty in measuring.FAULTY}


def __getattr__(name: str) -> Faulty:
    """`ackgap_reference.faulty:NAME` is a core factory."""
    try:
        return CATALOGUE[name] if name in CATALOGUE else SERVICE_ONLY[name]
    except KeyError:
        raise AttributeError(name) from None
