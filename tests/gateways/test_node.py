"""The independent Gateway in JavaScript: conformant as it is, convicted when one of its conditions is changed."""

import shutil

import pytest
from tests.certifying import certify
from tests.gateways.foreign import change, node_gateway

pytestmark = [
    pytest.mark.skipif(
        shutil.which("npm") is None or shutil.which("node") is None, reason="no Node.js with npm on the PATH"
    ),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return node_gateway(tmp_path_factory.mktemp("node"))


def test_it_is_conformant(installed, tmp_path):
    run = certify(installed / "gateway.yaml", "--jobs", "60", folder=tmp_path)
    assert run.code == 0, run.told
    assert run.report["profiles"]["resync"]["conformant"]
    assert run.report["profiles"]["resync"]["not_observable"] > 0


@pytest.mark.parametrize(
    ("old", "new", "requirement", "glob"),
    [
        (" && s.state_hash === hash", "", "SYNC-09", "sync-hash-mismatch"),
        ("this.applied = 0n;", "this.applied = null;", "ORD-02", "ord-begins-*"),
        ("s.world_id === this.world && ", "", "SYNC-07", "sync-wrong-world*"),
    ],
)
def test_with_one_condition_changed_it_is_convicted(installed, tmp_path, old, new, requirement, glob):
    source = installed / "stream.js"
    original = change(source, old, new)
    if new == "this.applied = null;":  # takes what it sees first as its baseline
        change(source, "  arrived(event, now) {", "  arrived(event, now) {\n    this.applied ??= event.sequence - 1n;")
    try:
        run = certify(installed / "gateway.yaml", "--scenario", glob, "--gap-timeout-ms", "1200", folder=tmp_path)
    finally:
        source.write_text(original)
    assert run.verdicts[requirement] == "fail", run.told
    assert run.code == 1
    evidence = next(row for row in run.report["requirements"] if row["id"] == requirement)["evidence"]
    assert evidence[0]["observations"]
