"""Judges scenarios that were played alone, and each history only once.

Most faulty Gateways behave as the reference does in most scenarios. Where two of them leave the same history, record for
record and field by field, the judge can only say the same: it reads nothing else.
"""

import hashlib
import marshal
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from ackgap.contract import Contract
from ackgap.history import KINDS, Observation
from ackgap.oracle.ledger import Ledger
from ackgap.selfcheck.judging import EVIDENCE, WatchedJudge
from ackgap.selfcheck.trial import Kill

KEPT = 4096  # outcomes; those that were not asked for longest are forgotten
BY_VALUE = 2  # the last version of the format that writes equal values alike, however they came to be

_READ: dict[type[Observation], Callable[[Any], tuple[Any, ...]]] = {
    cls: attrgetter(*(f.name for f in fields(cls))) for cls in KINDS.values()
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a history has shown: the ledger of its judge, and the kills of each requirement. Not to be changed."""

    ledger: Ledger
    kills: tuple[Kill, ...]


class Precedents:
    """The outcomes of histories judged before, under one contract and without the `silenced` requirements."""

    def __init__(self, contract: Contract, *, silenced: Collection[str] = (), kept: int = KEPT) -> None:
        self.contract, self.silenced, self.kept = contract, frozenset(silenced), kept
        self.outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self.judged = 0  # histories that had no precedent

    def outcome(self, history: Sequence[Observation]) -> Outcome:
        """What the judge finds in a whole history."""
        key = fingerprint(history)
        known = self.outcomes.get(key) if key else None
        if known is not None:
            self.outcomes.move_to_end(key)
            return known
        self.judged += 1
        found = self._judge(history)
        if key:
            self.outcomes[key] = found
            if len(self.outcomes) > self.kept:
                self.outcomes.popitem(last=False)
        return found

    def _judge(self, history: Iterable[Observation]) -> Outcome:
        judge = WatchedJudge(self.contract, silenced=self.silenced)
        for observation in history:
            judge.observe(observation)
        judge.close()
        ledger = Ledger(kept=EVIDENCE)
        ledger.absorb(judge.bench.ledger)
        return Outcome(ledger, tuple(kill for kills in judge.kills().values() for kill in kills))


def fingerprint(history: Iterable[Observation]) -> bytes:
    """A digest of every field of every record, in order; empty if one holds something that is no plain data."""
    try:
        written = marshal.dumps([(o.kind, *_READ[type(o)](o)) for o in history], BY_VALUE)
    except ValueError:
        return b""
    return hashlib.blake2b(written, digest_size=32).digest()
