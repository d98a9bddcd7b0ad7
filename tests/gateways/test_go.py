"""The independent Gateway in Go: conformant as it is, convicted when one of its conditions is changed."""

import shutil

import pytest
from tests.certifying import certify
from tests.gateways.foreign import build_go, change, go_sources

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go toolchain on the PATH"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return go_sources(tmp_path_factory.mktemp("go"))


def test_it_is_conformant(sources, tmp_path):
    build_go(sources)
    run = certify(sources / "gateway.yaml", folder=tmp_path)
    assert run.code == 0, run.told
    assert run.report["profiles"]["resync"]["conformant"]
    assert run.report["profiles"]["resync"]["not_observable"] == 0


@pytest.mark.parametrize(
    ("old", "new", "requirement", "glob"),
    [
        ("hashAgrees := snap.hash == probed", "hashAgrees := true", "SYNC-09", "sync-hash-mismatch"),
        ("mayApply := e.seq == s.applied.next()", "mayApply := true", "ORD-02", "ord-begins-*"),
    ],
)
def test_with_one_condition_changed_it_is_convicted(sources, tmp_path, old, new, requirement, glob):
    original = change(sources / "stream.go", old, new)
    try:
        build_go(sources)
    finally:
        (sources / "stream.go").write_text(original)
    run = certify(sources / "gateway.yaml", "--scenario", glob, "--gap-timeout-ms", "1200", folder=tmp_path)
    assert run.verdicts[requirement] == "fail", run.told
    assert run.code == 1
    evidence = next(row for row in run.report["requirements"] if row["id"] == requirement)["evidence"]
    assert evidence[0]["observations"]
