"""Gateways that share nothing with the reference: the right ones are acquitted, the wrong ones convicted of their bug."""

import inspect

import pytest

from ackgap.nemesis.workload import scenarios
from ackgap.scenario.loader import parse
from tests.conftest import DEFAULT, UNFORCED, play_virtually
from tests.strangers import right, wrong
from tests.strangers.switchboard import Switchboard


def gateways_of(module):
    """The Gateways that a module defines, by name."""
    return {n: c for n, c in vars(module).items() if inspect.isclass(c) and c.__module__ == module.__name__}


RIGHT = {"Switchboard": Switchboard, **gateways_of(right)}
WRONG = {name: gateway for theme in wrong.MODULES for name, gateway in gateways_of(theme).items()}
AGAINST_A_SHOULD = {"LeavesCoveredUnacked": {"SYNC-05"}, "BareAcks": {"ACK-06"}}


def convicted(result, contract, level):
    findings = result.judgement.findings.items()
    return {
        r: (f.evidence[0].scenario, f.evidence[0].message)
        for r, f in findings
        if f.verdict == "fail" and contract.requirements[r].level == level
    }


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gateway_of_another_hand_is_acquitted(name, all_scenarios, contract):
    result = play_virtually(RIGHT[name], all_scenarios, [DEFAULT, UNFORCED])
    assert convicted(result, contract, "MUST") == {}
    assert set(convicted(result, contract, "SHOULD")) == AGAINST_A_SHOULD.get(name, set())


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("seed", [21, 22])
def test_random_applies_do_not_convict_a_right_gateway(seed, alone, contract):
    played = [parse(s, contract, path="nemesis") for s in scenarios(seed=seed, number=30, alone=alone)]
    result = play_virtually(Switchboard, played, [DEFAULT, UNFORCED])
    assert convicted(result, contract, "MUST") == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gateway_of_another_hand_is_convicted_of_its_bug(name, all_scenarios, contract):
    gateway = WRONG[name]
    fitting = [s for s in all_scenarios if set(gateway.blame) & set(s.exercises)]
    found = convicted(play_virtually(gateway, fitting), contract, "MUST")
    if not set(found) & set(gateway.blame):  # some bugs show in scenarios that are there for something else
        found = convicted(play_virtually(gateway, all_scenarios), contract, "MUST")
    assert set(found) & set(gateway.blame), found
