"""The fixtures, used as somebody would who tests a Gateway of his own: here the reference, as a real process."""

import json
import urllib.request

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(autouse=True)
def options(monkeypatch, request):
    """The session at hand was started without --ackgap-target, so the target is the reference."""
    if request.config.getoption("--ackgap-target"):
        pytest.skip("these tests are about the reference")


@pytest.mark.ackgap(resync_enforced=True, gap_timeout_ms=600)
def test_a_gap_closes_the_gate_and_ends_in_a_resync(ackgap_target, ackgap_worldservice):
    stream = ackgap_target.stream()
    stream.deliver(1, 2)
    assert stream.await_ack(2)
    assert stream.gate() == "closed"
    ackgap_worldservice.behave(stream.world_id, snapshot=[{"status": 503}])
    stream.emit(3)
    stream.deliver(4)
    assert stream.settle()
    assert stream.acks() == [1, 2]
    assert stream.gate() == "closed"
    assert ackgap_worldservice.await_requests(stream.world_id, 2)
    assert stream.await_ack(4)
    assert stream.acks() == [1, 2, 4]
    assert stream.gate() == "open"
    assert [frame["sequence"] for frame in stream.frames()][:2] == [1, 2]
    asked = ackgap_worldservice.requests(stream.world_id)
    assert asked[0] == f"GET /worlds/{stream.world_id}/activation/state_hash"
    assert ackgap_worldservice.requests("another-world") == []


@pytest.mark.ackgap(resync_enforced=False, gap_timeout_ms=300)
def test_a_target_is_started_in_the_settings_asked_for_and_survives_a_restart(ackgap_target):
    assert ackgap_target.instance.name == "unforced-300"
    stream = ackgap_target.stream(entries=["only/long"])
    stream.deliver(1, form="flat")
    assert stream.await_ack(1)
    before = ackgap_target.values["port.http"]
    ackgap_target.restart(kill=True)
    assert ackgap_target.values["port.http"] == before
    stream.deliver(2)
    assert stream.await_ack(2)
    assert not stream.await_ack(3, timeout_s=0.05)
    assert "Traceback" not in ackgap_target.log


def test_the_bus_takes_and_gives_records(ackgap_bus):
    topic = ackgap_bus.topic(partitions=3)
    sent = ackgap_bus.produce(topic, b"value", key=b"key")
    assert ackgap_bus.await_records(topic)
    assert [(r.key, r.value, r.partition) for r in ackgap_bus.records(topic)] == [(b"key", b"value", sent.partition)]
    assert not ackgap_bus.await_records(topic, 2, timeout_s=0.05)
    assert ackgap_bus.bootstrap.startswith("127.0.0.1:")


def test_the_worldservice_tells_the_truth_it_was_told(ackgap_worldservice):
    body = {"world_id": "w", "run_id": "r", "sequence": 1, "strategy_id": "a", "side": "long", "state_hash": "h1"}
    ackgap_worldservice.emit(body)
    with urllib.request.urlopen(f"{ackgap_worldservice.url}/worlds/w/activation/state_hash", timeout=5) as answer:
        assert json.load(answer)["state_hash"] == "h1"
    assert ackgap_worldservice.requests("w") == ["GET /worlds/w/activation/state_hash"]


def test_certifying_from_a_test_gives_the_report(ackgap_certify, tmp_path):
    (tmp_path / "core.yaml").write_text('ackgap: 1\nname: core\nstart: {python: "ackgap_reference.gateway:build"}\n')
    done = ackgap_certify(str(tmp_path / "core.yaml"), scenarios=("gap-filled-in-time",), out=tmp_path / "out")
    assert done.report["exit_code"] == 0
    assert {r["id"]: r["verdict"] for r in done.report["requirements"]}["GAP-02"] == "pass"
    assert (tmp_path / "out" / "bundle.zip").is_file()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--ackgap-bus", "rabbit"), "def test_it(ackgap_bus): pass", "*--bus rabbit: expected one of embedded*"),
        (("--ackgap-target", "nowhere.yaml"), "def test_it(ackgap_target): pass", "*nowhere.yaml: cannot be read*"),
        (("--ackgap-target", "core.yaml"), "def test_it(ackgap_target): pass", "*is played in virtual time*use ackgap_certify*"),
        (("--ackgap-target", "core.yaml"), "def test_it(ackgap_certify): ackgap_certify()", "*could not be imported: nowhere:build*"),
    ],
)  # fmt: skip
def test_errors_are_in_the_words_of_the_command_without_a_traceback(pytester, options, code, said):
    (pytester.path / "core.yaml").write_text("ackgap: 1\nname: core\nstart: {python: nowhere:build}\n")
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess(*options, "-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines([said])
    assert result.ret == 1
    assert "shared.py" not in result.stdout.str()


def test_a_target_that_dies_fails_the_test_at_once_with_its_log(pytester):
    (pytester.path / "dead.yaml").write_text(
        "ackgap: 1\nname: dead\nstart: {command: [python3, -c, \"print('no db'); raise SystemExit(7)\"]}\n"
    )
    pytester.makepyfile("def test_it(ackgap_target): pass")
    result = pytester.runpytest_subprocess("--ackgap-target", "dead.yaml", "-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines(["*exit code 7*", "*no db*"])
    result.assert_outcomes(errors=1)


def test_settings_that_the_target_cannot_have_are_refused(pytester):
    (pytester.path / "fixed.yaml").write_text(
        "ackgap: 1\nname: fixed\nstart: {command: [python3]}\nsettings: {resync_enforced: [true], gap_timeout_ms: 3000}\n"
    )
    pytester.makepyfile("import pytest\n@pytest.mark.ackgap(resync_enforced=False)\ndef test_it(ackgap_target): pass")
    result = pytester.runpytest_subprocess("--ackgap-target", "fixed.yaml", "-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines(["*cannot be set to resync_enforced false and 3000 ms*"])
