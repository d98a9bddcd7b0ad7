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


__all__ = ["RULES", "acks", "gaps", "gates", "resyncs", "verdicts"]
