"""Every Gateway whose fault is in what a core does not have is convicted for its own requirement, as a real service."""

import asyncio

import pytest

from ackgap.broker import build
from ackgap.certify import Order, certify
from ackgap.target.faulty import service_only

pytestmark = pytest.mark.skipif(not build.BINARY.is_file(), reason="the embedded broker is not built here")

FAULTY = service_only()
# The quickest scenario that shows each requirement.
SHOWS = {
    "OBS-01": ["obs-in-order"], "OBS-02": ["obs-gap-stays"], "OBS-03": ["obs-in-order"], "OBS-04": ["obs-late-acks"],
    "OBS-05": ["obs-in-order"], "OBS-06": ["obs-resync-fails"], "OBS-07": ["obs-drops"],
    "OBS-08": ["obs-many-runs"], "OBS-09": ["obs-duplicates"], "OBS-10": ["obs-in-order"],
    "FLT-19": ["flt-relay-clients-come-and-go"],
}  # fmt: skip


def verdicts(target, scenarios, folder):
    order = Order(target=target, profiles=("extended", "resilience"), scenarios=tuple(scenarios), out=folder)
    report = asyncio.run(certify(order)).report
    return {r["id"]: r for r in report["requirements"]}, report


@pytest.mark.parametrize("name", FAULTY)
def test_each_is_convicted_of_its_own_requirement_and_of_no_other_must(name, tmp_path):
    faulty = FAULTY[name]
    rows, _ = verdicts(f"reference:{name}", SHOWS[faulty.requirement], tmp_path)
    assert rows[faulty.requirement]["verdict"] == "fail"
    assert rows[faulty.requirement]["evidence"][0]["tier"] == faulty.tier
    musts = {r for r, row in rows.items() if row["verdict"] == "fail" and row["level"] == "MUST"}
    assert musts <= {faulty.requirement}


def test_the_reference_measures_rightly(tmp_path, all_scenarios):
    mine = [s.id for s in all_scenarios if s.group == "OBS"]
    rows, report = verdicts("reference", mine, tmp_path)
    assert {r: row["verdict"] for r, row in rows.items() if r.startswith("OBS")} == {
        f"OBS-{n:02d}": "pass" for n in range(1, 11)
    }
    assert {s["verdict"] for s in report["scenarios"]} == {"ok"}
