"""A second judge: the whole history in memory, slow, and as close to the words of the contract as code can be.

Written from the contract, the catalogue and the interpretations without a look at `ackgap.oracle`; it shares no code
with it. `verdicts(history)` answers per requirement `fail`, `exercised` or `not exercised`.
"""

from tests.oracle.naive import acks, gaps, gates, resyncs
from tests.oracle.naive.facts import gather
from tests.oracle.naive.rules import RULES
from tests.oracle.naive.rules import verdicts as _verdicts


def verdicts(history):
    """Requirement -> `fail`, `exercised` or `not exercised`."""
    history = list(history)
    return _verdicts(history, gather(history))


LEFT_OUT_GROUPS = {
    "FLT": "needs faults of the whole system, which random casts do not have",
    "OBS": "speaks of metrics, which a core in virtual time does not write",
}
LEFT_OUT = {
    "ACK-08": "needs a stalled relay client, which random casts do not have",
    "MSG-06": "needs odd ids and what careless encoders make of them; the scenarios of MSG cover it",
    "SYNC-04": "late covered events: free on the relay until the snapshot had to be taken, which is a guess from outside",
    "SYNC-05": "whether a waiting event was covered, or applied otherwise before, is a guess from outside",
    "SYNC-10": "what a stale snapshot may undo is judged with DUP-01 and ORD-03; the blame alone differs",
    "SYNC-12": "the pause between retries is a quality without a plain bound in the contract",
    "SYNC-14": "what follows an equal hash is judged as an early application; the blame alone differs",
    "SYNC-15": "an event in flight may wait for the answer: when it is owed is a guess from outside",
}

__all__ = ["LEFT_OUT", "LEFT_OUT_GROUPS", "RULES", "acks", "gaps", "gates", "resyncs", "verdicts"]
