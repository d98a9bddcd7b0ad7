"""The streaming judge and the naive one agree on random histories, as they were played and changed."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.agreement.comparison import FAMILIES, disagreements
from tests.oracle.agreement.histories import history
from tests.oracle.agreement.judging import cases, judged, share
from tests.oracle.naive import LEFT_OUT, LEFT_OUT_GROUPS, RULES, verdicts

SEEDS = range(1, 31)
# Each was in dispute once: (seed, number of the change or none).
SETTLED = (
    (210, None), (309, None), (249, None), (239, None), (207, None), (328, None), (320, None), (488, None), (292, None),
    (91, 8), (29, 6), (101, 3), (133, 3), (145, 7), (131, 7), (266, 3), (284, 5), (103, 7), (56, 2), (130, 8), (38, 0),
    (392, 5), (368, 7), (420, 3), (1095, None), (1054, 1), (1046, 4), (1060, 4), (1060, 6), (1045, 8), (1062, 8),
    (3055, 8), (3064, 7), (3074, 7), (3115, 6), (20001, 2), (20160, 1), (20080, 1), (20394, 5), (20260, 8), (20056, 3),
    (20354, None), (20011, None), (20241, None), (20485, None), (20619, 3), (20690, 4), (30144, 3), (30205, 0), (30288, 5),
    (31468, 4), (31977, None), (40573, None), (40838, 6), (50026, 4), (51438, 2), (60575, 4), (61214, 7), (100311, 0),
    (100922, 2), (101688, 6),
)  # fmt: skip


def test_both_judges_agree_on_a_few_hundred_histories():
    shares = [share(seed) for seed in SEEDS]
    assert sum(each[0] for each in shares) > 200
    assert [words for each in shares for words in each[2]] == []


@pytest.mark.parametrize(("seed", "change"), SETTLED)
def test_what_was_in_dispute_once_is_settled(seed, change):
    wanted = "mutation" if change is None else f"mutation {change}:"
    chosen = [records for name, records in cases(seed) if (wanted in name) is (change is not None)]
    assert [judged(records)[0] for records in chosen] == [[]] * len(chosen)


def test_the_naive_judge_speaks_of_every_active_requirement_or_says_why_not(contract):
    rows = [r for r in contract.requirements.values() if r.status == "active" and r.role == "gateway"]
    active = {r.id for r in rows if r.group not in LEFT_OUT_GROUPS}
    assert set(RULES) | set(LEFT_OUT) == active
    assert not set(RULES) & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


def test_the_comparison_sees_a_conviction_without_reason_and_a_violation_without_conviction():
    calm = dict.fromkeys(RULES, "not exercised")
    passed = dict.fromkeys(RULES, "not_exercised")
    assert disagreements(passed, calm) == []
    assert disagreements({**passed, "ACK-04": "fail"}, calm)
    assert disagreements(passed, {**calm, "ACK-04": "fail"})
    assert disagreements({**passed, "ACK-04": "pass"}, calm)
    assert disagreements({**passed, "GAP-02": "fail"}, {**calm, "ACK-01": "fail"}) == []
    assert all(len(family) > 1 for family in FAMILIES)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 10_000))
def test_the_naive_judge_depends_on_the_history_alone(seed):
    _, _, records = history(random.Random(seed))
    assert verdicts(records) == verdicts(tuple(records))
