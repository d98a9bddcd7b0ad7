"""Plays and changes the histories of one seed and asks both judges."""

import collections
import random

from ackgap.contract import load
from ackgap.oracle.judge import judge
from tests.oracle.agreement.comparison import disagreements
from tests.oracle.agreement.histories import history
from tests.oracle.agreement.mutations import mutated
from tests.oracle.naive import verdicts

MUTANTS = 9  # per history as it was played


def judged(records):
    """What the two judges disagree in, and the requirements that failed."""
    streaming = {r: f.verdict for r, f in judge(load(), records).findings.items()}
    naive = verdicts(records)
    return disagreements(streaming, naive), {r for r, v in streaming.items() if v == "fail"}


def cases(seed):
    """A played history and its mutations, with a name for each."""
    dice = random.Random(seed)
    name, _, records = history(dice)
    yield f"seed {seed}, {name}", records
    for number in range(MUTANTS):
        names, changed = mutated(dice, records)
        if names:
            yield f"seed {seed}, {name}, mutation {number}: {'+'.join(names)}", changed


def share(given):
    """Judge the cases of one seed: (number, failed requirements, [(name, disagreements)])."""
    found, failed, count = [], collections.Counter(), 0
    for name, records in cases(given):
        count += 1
        differing, convicted = judged(records)
        failed.update(convicted or {"nothing"})
        if differing:
            found.append((name, differing))
    return count, failed, found
