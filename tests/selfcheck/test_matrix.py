"""The matrix finds what does not hold, from trials made by hand."""

from types import SimpleNamespace

import pytest

from ackgap.selfcheck import pages
from ackgap.selfcheck.matrix import shows, tabulate
from ackgap.selfcheck.trial import TIER_SETS, Kill, Trial


def kill(requirement, scenario="s1", after_ms=10.0):
    return Kill(requirement=requirement, scenario=scenario, setting="enforced-3000", after_ms=after_ms, deliveries=2)


def trial(name, *requirements, kind="faulty", tiers=None, scenarios=("s1",), exit_code=0, why=""):
    convicted = frozenset(requirements)
    by_tiers = {t: convicted if tiers is None or set(tiers) <= set(t) else frozenset() for t in TIER_SETS}
    kills = {r: tuple(kill(r, s) for s in scenarios) for r in requirements}
    return Trial(name=name, kind=kind, kills=kills, by_tiers=by_tiers, exit_code=exit_code, why=why)


def faulty(name, requirement, tier="ack", also=()):
    return SimpleNamespace(name=name, sentence=f"Does {name}.", requirement=requirement, tier=tier, also=also)


def made(contract, trials, rows, strange=(), *, whole=False, scenarios=("s1", "s2", "s3"), service=False):
    return tabulate(
        contract,
        trials,
        faulty={r.name: r for r in rows},
        strange={n: SimpleNamespace(sentence="Strange.") for n in strange},
        scenarios=scenarios,
        whole=whole,
        service=service,
    )


def test_a_survivor_is_a_problem(contract):
    matrix = made(contract, [trial("a"), trial("b", "ACK-01")], [faulty("a", "GAP-01"), faulty("b", "GAP-02")])
    assert matrix.problems == (
        "a is not convicted of GAP-01, of nothing",
        "b is not convicted of GAP-02, only of ACK-01",
    )


def test_the_second_bug_of_a_pair_must_not_hide(contract):
    pair = faulty("pair", "ACK-01", also=("GAP-02",))
    assert made(contract, [trial("pair", "ACK-01")], [pair]).problems == (
        "pair is not convicted of GAP-02, its second bug",
    )
    assert made(contract, [trial("pair", "ACK-01", "GAP-02")], [pair]).problems == ()


def test_a_should_beside_the_must_leaves_it_alone(contract):
    matrix = made(
        contract,
        [trial("a", "ACK-01", "ACK-06"), trial("b", "ACK-01", "ACK-02")],
        [faulty("a", "ACK-01"), faulty("b", "ACK-01")],
    )
    assert matrix.lone["ACK-01"] == ("a",)
    assert matrix.killers["ACK-01"] == ("a", "b")


def test_requirements_without_killer_or_lone_killer_are_named(contract):
    matrix = made(contract, [trial("b", "ACK-01", "ACK-02")], [faulty("b", "ACK-01")], whole=True)
    assert "ACK-01 has no faulty Gateway that it alone convicts" in matrix.problems
    assert "GAP-01 convicts no faulty Gateway" in matrix.problems


@pytest.mark.parametrize(
    ("tiers", "words"),
    [((), "ack"), (("relay",), "relay"), (("gate",), "gate"), (("relay", "gate"), "relay and gate")],
)
def test_the_weakest_tiers_are_told(tiers, words):
    assert shows(trial("a", "GAP-01", tiers=tiers), "GAP-01") == words


def test_either_tier_may_do():
    seen = frozenset({"DUP-01"})
    by_tiers = {t: seen if len(t) > 1 else frozenset() for t in TIER_SETS}
    either = Trial(name="a", kind="faulty", kills={"DUP-01": (kill("DUP-01"),)}, by_tiers=by_tiers)
    assert shows(either, "DUP-01") == "relay or gate"


def test_a_wrong_tier_in_a_row_is_a_problem(contract):
    matrix = made(contract, [trial("a", "GAP-01", tiers=("gate",))], [faulty("a", "GAP-01")])
    assert matrix.problems == ("a shows from gate, but its row says ack",)


def test_a_strange_gateway_without_certificate_is_a_problem(contract):
    wronged = trial("s", "ACK-01", kind="strange", exit_code=1, why="not conformant: ACK-01")
    matrix = made(contract, [wronged], [], ["s"])
    assert matrix.problems == ("strange-s does nothing wrong and gets no certificate: not conformant: ACK-01",)


def test_an_inconclusive_service_run_accuses_nobody(contract):
    noisy = trial("s", kind="strange", exit_code=6, why="inconclusive: GAP-04")
    assert made(contract, [noisy], [], ["s"], service=True).problems == ()
    assert made(contract, [noisy], [], ["s"]).problems != ()


def test_scenarios_are_told_apart_by_what_would_be_lost(contract):
    matrix = made(
        contract,
        [trial("a", "ACK-01", scenarios=("s1",)), trial("b", "ACK-02", scenarios=("s1", "s2"))],
        [faulty("a", "ACK-01"), faulty("b", "ACK-02")],
    )
    assert [(row.scenario, row.gateways) for row in matrix.indispensable] == [("s1", ("a",))]
    assert matrix.redundant == ("s2",)
    assert matrix.idle == ("s3",)
    assert matrix.smallest == ("s1",)


def test_the_page_names_survivors_and_escapes_cells(contract):
    row = faulty("a|b", "ACK-01")
    page = pages.markdown(contract, made(contract, [trial("a|b")], [row]))
    assert "a|b is not convicted of ACK-01" in page
    assert "`a\\|b`" in page
