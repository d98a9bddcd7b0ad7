"""What the judge's tests play, recorded once, so that a mutant of the judge only has to judge it.

The statements are those of `tests/oracle/test_judge.py`: each faulty Gateway is convicted of its own requirement, none
that is right is convicted of a MUST, and the reference passes what the scenarios exercise.
"""

import pickle
from pathlib import Path

from ackgap.contract import load
from ackgap.oracle.judge import judge
from ackgap.scenario import catalogue
from ackgap.target.faulty import catalogue as faulty_catalogue
from ackgap.target.faulty import strange_catalogue
from ackgap_reference.gateway import build
from tests.conftest import play_virtually

FEW = 2  # scenarios per faulty Gateway
EVERY = 24  # every so manieth scenario for a right one
NAME = "recorded.pickle"


def record(folder: Path):
    """Play everything and keep it in the folder."""
    scenarios = catalogue.scenarios(load())
    cases = []
    for name, faulty in faulty_catalogue().items():
        fitting = [s for s in scenarios if faulty.requirement in s.exercises][:FEW]
        played = play_virtually(faulty, fitting)
        if played.judgement.findings[faulty.requirement].verdict == "fail":
            cases.append((name, faulty.requirement, played.history))
    for number, (name, right) in enumerate(strange_catalogue().items()):
        cases.append((name, "", play_virtually(right, scenarios[number % EVERY :: EVERY]).history))
    played = play_virtually(build, scenarios[::5])
    verdicts = {r: (f.verdict, f.exercised) for r, f in played.judgement.findings.items()}
    (folder / NAME).write_bytes(pickle.dumps((cases, played.history, verdicts)))


def check(folder: Path):
    """Judge what was recorded. Raises AssertionError at the first wrong verdict."""
    contract = load()
    cases, reference, verdicts = pickle.loads((folder / NAME).read_bytes())
    found = judge(contract, reference).findings
    assert {r: (f.verdict, f.exercised) for r, f in found.items()} == verdicts
    for name, requirement, history in cases:
        findings = judge(contract, history).findings
        if requirement:
            assert findings[requirement].verdict == "fail", name
        else:
            musts = {r for r, f in findings.items() if f.verdict == "fail" and contract.requirements[r].level == "MUST"}
            assert not musts, name
