"""What the tests of the judge play, recorded once, so that a mutant of the judge only has to judge it.

The statements are those of the tests: each faulty Gateway is convicted of what the published kill matrix says, none
that is right is convicted, the reference passes what the scenarios exercise (`tests/oracle/test_judge.py`,
`tests/selfcheck/`), and the naive judge finds nothing to dispute (`tests/oracle/test_agreement.py`).
"""

import pickle
from dataclasses import dataclass
from typing import Any

from tests.oracle.agreement.comparison import disagreements

FEW = 2  # scenarios per faulty Gateway
EVERY = 24  # every so manieth scenario for a right one
SEEDS = range(1, 16)  # of the histories that two judges have judged


@dataclass(frozen=True)
class Recorded:
    """Histories with the verdicts that belong to them."""

    cases: list[tuple[str, list[Any], dict[str, Any]]]  # (name, history, requirement -> (verdict, exercised))
    agreed: list[tuple[str, list[Any], dict[str, str]]]  # (name, history, verdicts of the naive judge)
    reference: dict[str, Any]

    def judged(self):
        """Judge what was recorded. Returns the name of the first history that is judged otherwise, or ""."""
        from ackgap.contract import load
        from ackgap.oracle.judge import judge

        for name, history, known in self.cases:
            if summary(judge(load(), history)) != known:
                return f"history of {name}"
        for name, history, naive in self.agreed:
            found = {r: f.verdict for r, f in judge(load(), history).findings.items()}
            if disagreements(found, naive):
                return f"agreement on {name}"
        return ""

    def played(self):
        """Let the reference play. Returns "" if it is judged as before."""
        return "" if reference() == self.reference else "the reference is judged otherwise"


def summary(judgement):
    """What must stay: the verdicts, and what was exercised."""
    return {r: (f.verdict, f.exercised > 0) for r, f in judgement.findings.items()}


def reference():
    """The verdicts of the reference on a fifth of the scenarios."""
    from ackgap.contract import load
    from ackgap.scenario import catalogue
    from ackgap_reference.gateway import build
    from tests.conftest import play_virtually

    return summary(play_virtually(build, catalogue.scenarios(load())[::5]).judgement)


def record(path):
    """Play everything and keep it."""
    from ackgap.contract import load
    from ackgap.oracle.judge import judge
    from ackgap.scenario import catalogue
    from ackgap.target.faulty import catalogue as faulty_catalogue
    from ackgap.target.faulty import strange_catalogue
    from ackgap_reference.gateway import build
    from tests.conftest import play_virtually
    from tests.oracle.agreement.judging import cases as changed
    from tests.oracle.naive import verdicts

    scenarios = catalogue.scenarios(load())
    played = [("the reference", play_virtually(build, scenarios[::5]))]
    for name, faulty in faulty_catalogue().items():
        fitting = [s for s in scenarios if faulty.requirement in s.exercises][:FEW]
        played.append((name, play_virtually(faulty, fitting)))
    for number, (name, right) in enumerate(strange_catalogue().items()):
        played.append((name, play_virtually(right, scenarios[number % EVERY :: EVERY])))
    agreed = []
    for seed in SEEDS:
        for name, history in changed(seed):
            naive = verdicts(history)
            if not disagreements({r: f.verdict for r, f in judge(load(), history).findings.items()}, naive):
                agreed.append((name, history, naive))
    cases = [(name, result.history, summary(result.judgement)) for name, result in played]
    path.write_bytes(pickle.dumps(Recorded(cases, agreed, cases[0][2])))
