"""Constants flow from contract.yaml alone: another folder gives another suite, plan, oracle and reference."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackgap import history
from ackgap.cli import cli
from ackgap.contract import Constants, load
from ackgap.contract_folder import open_folder
from ackgap.report.bundle import open_bundle

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTOR = "ackgap: 1\nname: in-process\nstart: {python: 'ackgap_reference.gateway:build'}\n"


@pytest.fixture
def descriptor(tmp_path):
    path = tmp_path / "in-process.yaml"
    path.write_text(DESCRIPTOR)
    return path


def certify(target, folder, out, *more):
    return CliRunner().invoke(cli, ["certify", str(target), "--contract", str(folder), "--out", str(out), *more])


def test_5000_ms_in_the_contract_are_demanded_everywhere(copied, descriptor, tmp_path):
    it = copied()
    it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000")
    done = certify(descriptor, it.folder, tmp_path / "out")
    assert done.exit_code == 0, done.output[-3000:]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {s["setting"] for s in report["scenarios"]} == {"enforced-5000", "unforced-5000", "enforced-2500"}
    assert report["kit"]["contract_digest"] == open_folder(it.folder).digest != load().digest
    bundle = open_bundle(tmp_path / "out" / "bundle.zip")
    assert b"gap_timeout_ms: 5000" in bundle.read("contract/contract.yaml")
    observed = [o for o in history.read(bundle.lines("history.jsonl")) if o.instance == "enforced-5000"]
    (world,) = next(
        o.worlds for o in observed if isinstance(o, history.ScenarioBegan) and o.scenario == "gap-timeout-probes"
    )
    probe = next(o.t for o in observed if isinstance(o, history.RequestSeen) and o.world_id == world)
    gap = max(o.t for o in observed if isinstance(o, history.Delivered) and o.world_id == world and o.t < probe)
    assert 5_000 <= (probe - gap) / 1e6 < 5_100
    assert CliRunner().invoke(cli, ["recheck", str(tmp_path / "out" / "bundle.zip"), "--quiet"]).exit_code == 0


def test_a_gateway_that_keeps_3000_ms_is_convicted_by_a_contract_that_says_5000(copied, tmp_path):
    it = copied()
    it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000")
    (tmp_path / "stubborn.py").write_text(
        "from ackgap_reference.gateway import build\n"
        "def core(*, gap_timeout_ms, resync_enforced, seed):\n"
        "    return build(gap_timeout_ms=3000, resync_enforced=resync_enforced, seed=seed)\n"
    )
    (tmp_path / "stubborn.yaml").write_text("ackgap: 1\nname: stubborn\nstart: {python: 'stubborn:core'}\n")
    done = certify(tmp_path / "stubborn.yaml", it.folder, tmp_path / "out", "--scenario", "gap-timeout-probes")
    assert done.exit_code == 1
    assert "before the timeout of 5000 ms" in " ".join(done.output.split())


RENAMED = {
    "activation_topic: activation": "activation_topic: world.activation",
    "control.activation.ack": "control.activation.confirmed",
    "activation_envelope_type: activation_updated": "activation_envelope_type: activation_changed",
    "ack_envelope_type: activation_ack": "ack_envelope_type: activation_confirmed",
    "activation_body_type: ActivationUpdated": "activation_body_type: ActivationChanged",
    "ack_body_type: ActivationAck": "ack_body_type: ActivationConfirmed",
    "activation_ack:{world_id}:{run_id}:{sequence}:{phase}:{version}": "ack/{run_id}/{world_id}/{sequence}/{phase}/{version}",
    "/worlds/{world_id}/activation/state_hash": "/v2/state-hashes/{world_id}",
    "/worlds/{world_id}/activation\n": "/v2/activations/{world_id}\n",
    "/worlds/{world_id}/order-gate": "/gates/{world_id}/orders",
    "max_requests_per_second: 10": "max_requests_per_second: 12",
    "controlbus_apply_ack_latency_ms": "controlbus_ack_ms",
}


def rename_everything(it):
    for old, new in RENAMED.items():
        it.text("contract.yaml", old, new)
    for name, old, new in (
        ("activation-updated-envelope.schema.json", '"activation_updated"', '"activation_changed"'),
        ("activation-ack-envelope.schema.json", '"activation_ack"', '"activation_confirmed"'),
        ("activation-updated.schema.json", '"ActivationUpdated"', '"ActivationChanged"'),
        ("activation-ack.schema.json", '"ActivationAck"', '"ActivationConfirmed"'),
        ("asyncapi.yaml", "address: activation\n", "address: world.activation\n"),
        ("asyncapi.yaml", "address: control.activation.ack", "address: control.activation.confirmed"),
        ("openapi.yaml", "  /worlds/{world_id}/activation/state_hash:", "  /v2/state-hashes/{world_id}:"),
        ("openapi.yaml", "  /worlds/{world_id}/activation:", "  /v2/activations/{world_id}:"),
        ("gateway-probe.openapi.yaml", "  /worlds/{world_id}/order-gate:", "  /gates/{world_id}/orders:"),
    ):
        it.text(name, old, new)


def test_every_other_constant_flows_too(copied, descriptor, tmp_path):
    it = copied()
    rename_everything(it)
    done = certify(descriptor, it.folder, tmp_path / "out", "--profile", "extended")
    assert done.exit_code == 0, done.output[-3000:]
    told = open_bundle(tmp_path / "out" / "bundle.zip").read("history.jsonl").decode()
    for gone in ("ActivationUpdated", "ActivationAck", '"activation_ack', "/worlds/", "activation_ack:"):
        assert gone not in told.replace('\\"', '"'), gone
    for there in ("ActivationConfirmed", "/v2/state-hashes/", "/v2/activations/", "ack/r1/"):
        assert there in told, there


@pytest.mark.timeout(200)
def test_a_real_reference_follows_the_folder_it_is_told(copied, tmp_path):
    it = copied()
    rename_everything(it)
    it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 1200")
    done = subprocess.run(
        [sys.executable, "-c", "from ackgap.cli import main; main()", "certify", "reference", "--contract", str(it.folder),
         "--scenario", "gap-*", "--scenario", "sync-[fp]*", "--scenario", "ack-*", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {s["setting"] for s in report["scenarios"]} == {"enforced-1200", "unforced-1200", "enforced-600"}
    verdicts = {r["id"]: r["verdict"] for r in report["requirements"]}
    assert {verdicts[r] for r in ("GAP-04", "GAP-05", "GAP-01", "SYNC-02", "ACK-01")} == {"pass"}
    assert "fail" not in verdicts.values()


def test_no_code_carries_a_copy_of_a_constant():
    """What contract.yaml says stands nowhere else in the code, docstrings aside."""
    ambiguous = {"activation", "activation_ack"}  # words of other things too, such as metrics
    words = [v for v in vars_of(load().constants) if isinstance(v, str) and v not in ambiguous]
    found = []
    for path in [*(ROOT / "conformance").rglob("*.py"), *(ROOT / "reference_impl").rglob("*.py")]:
        code = re.sub(r'"""(.|\n)*?"""', "", path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if f'"{word}"' in code or f"'{word}'" in code]
    assert found == []


def vars_of(constants: Constants) -> list[object]:
    return [getattr(constants, name) for name in Constants.__dataclass_fields__]


def test_the_reference_refuses_a_folder_that_is_none(tmp_path):
    from ackgap_reference.service.settings import SettingsError, from_environment

    base = {"KAFKA_BROKERS": "h:1", "WORLDSERVICE_URL": "http://h"}
    with pytest.raises(SettingsError, match="CONTRACT is"):
        from_environment({**base, "CONTRACT": str(tmp_path / "nothing")})


def test_the_reference_takes_its_defaults_from_the_folder_it_is_told(copied):
    from ackgap_reference.service.settings import from_environment

    it = copied()
    it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000")
    it.text("contract.yaml", "resync_enforced: false", "resync_enforced: true")
    told = {"KAFKA_BROKERS": "h:1", "WORLDSERVICE_URL": "http://h", "CONTRACT": str(it.folder)}
    settings = from_environment(told)
    assert (settings.gap_timeout_ms, settings.resync_enforced) == (5000, True)
