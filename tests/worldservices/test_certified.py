"""The second WorldService, in Go and independent of the reference, gets its certificate as a command."""

import shutil

import pytest

from tests.certifying import certify
from tests.worldservices.foreign import go_worldservice

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("go") is None, reason="needs the Go toolchain to build the WorldService"),
]


def test_the_worldservice_in_go_is_conformant(tmp_path):
    folder = tmp_path / "go"
    folder.mkdir()
    run = certify(go_worldservice(folder) / "worldservice.yaml", folder=tmp_path, limit_s=120)
    assert run.code == 0, run.told
    assert set(run.verdicts.values()) == {"pass"}, run.told
    assert run.report["profiles"]["core"]["conformant"]
