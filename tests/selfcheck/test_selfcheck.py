"""Every shipped wrong Gateway is convicted of its own requirement, every right one cleared, and the page says so."""

from pathlib import Path

import pytest

from ackgap.docs import kill_matrix
from ackgap.selfcheck.matrix import judged, of_faults
from ackgap.target.faulty import catalogue, strange_catalogue

pytestmark = pytest.mark.timeout(900)  # the first one plays more than a hundred Gateways

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-matrix.md"


def test_nothing_contradicts_the_matrix(checked):
    assert checked.matrix.problems == ()


def test_all_shipped_gateways_were_played(checked):
    assert [row.name for row in checked.matrix.rows] == list(catalogue())
    assert [row.name for row in checked.matrix.strange] == list(strange_catalogue())
    assert len(checked.matrix.rows) >= 60
    assert len(checked.matrix.strange) >= 18


@pytest.mark.parametrize("name", catalogue())
def test_each_faulty_gateway_is_convicted_of_its_own_requirement(name, checked):
    row = next(row for row in checked.matrix.rows if row.name == name)
    assert row.own is not None
    assert row.own.scenario
    assert row.missed == ()
    assert row.shows == row.tier


@pytest.mark.parametrize("name", strange_catalogue())
def test_no_right_but_strange_gateway_is_convicted(name, checked):
    row = next(row for row in checked.matrix.strange if row.name == name)
    assert row.musts == ()
    assert row.cleared, row.why


def test_each_must_has_a_gateway_that_it_alone_convicts(checked):
    musts = [r.id for r in judged(checked.contract) if r.level == "MUST" and not of_faults(r)]
    assert {r for r in musts if not checked.matrix.lone[r]} == set()


def test_each_should_convicts_a_gateway(checked):
    shoulds = [r.id for r in judged(checked.contract) if r.level == "SHOULD" and not of_faults(r)]
    assert {r for r in shoulds if not checked.matrix.killers[r]} == set()


def test_more_tiers_see_more(checked):
    seen = {row.tiers: set(catalogue()) - set(row.unseen) for row in checked.matrix.tiers}
    assert seen["ack",] < seen["ack", "relay"] < seen["ack", "relay", "gate"]
    assert seen["ack",] < seen["ack", "gate"] < seen["ack", "relay", "gate"]
    assert seen["ack", "relay", "gate"] == set(catalogue())


def test_the_small_set_of_scenarios_keeps_every_kill(checked):
    kept = set(checked.matrix.smallest)
    assert all(kept & set(row.scenarios) for row in checked.matrix.rows)
    assert kept >= {row.scenario for row in checked.matrix.indispensable}


def test_the_published_matrix_is_fresh(checked):
    assert PAGE.read_text(encoding="utf-8") == kill_matrix(checked), "run `make docs`"
