"""Deliberately wrong WorldServices, one wrong decision each, to show what the judge convicts."""

from ackgap_reference.worldservice.faulty import answering, applying, hashing, numbering, showing, telling
from ackgap_reference.worldservice.parts import FaultyWorldService

ROOMS = (numbering, applying, telling, hashing, showing, answering)
CATALOGUE: dict[str, FaultyWorldService] = {faulty.name: faulty for room in ROOMS for faulty in room.FAULTY}
