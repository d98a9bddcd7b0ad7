"""Descriptors, templates and process targets."""

import asyncio
import sys

import psutil
import pytest

from ackgap.contract import ContractError, load
from ackgap.harness.instance import Instance
from ackgap.peers.gate import GateClient, GateMap, pointed
from ackgap.peers.metrics import parse
from ackgap.target import descriptor
from ackgap.target.faulty import find
from ackgap.target.process import ProcessTarget
from ackgap.target.running import Place
from ackgap.target.spec import TargetError, TargetSpec, TemplateError, fill

GOOD = """\
ackgap: 1
name: acme
version: "2.3"
start:
  command: [./gateway]
  env: {PORT: "{port.http}", FLAG: true, N: 3}
  ready: {http: "http://{host}:{port.http}/health"}
observe:
  gate:
    url: "http://{host}:{port.http}/g?w={world_id}&r={run_id}"
    map: {pointer: /gate/orders, open: pass, closed: [stop, halt]}
settings: {resync_enforced: [true], gap_timeout_ms: 2000}
"""


def load_text(tmp_path, text):
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    return descriptor.load(path, load())


def test_a_descriptor_is_read(tmp_path):
    spec = load_text(tmp_path, GOOD)
    assert (spec.name, spec.version, spec.command) == ("acme", "2.3", ("./gateway",))
    assert spec.env == {"PORT": "{port.http}", "FLAG": "true", "N": "3"}
    assert spec.tiers == ("ack", "gate")
    assert spec.observe.gate_map == GateMap(pointer="/gate/orders", open=("pass",), closed=("stop", "halt"))
    assert (spec.resync_values, spec.gap_timeout_ms) == ((True,), 2000)


def test_broken_yaml_and_missing_files_are_told(tmp_path):
    with pytest.raises(ContractError, match=r"gateway\.yaml:1: is not valid YAML"):
        load_text(tmp_path, "a: [1")
    (tmp_path / "binary.yaml").write_bytes(b"a: 1\nb: \xff")
    with pytest.raises(ContractError, match=r"binary\.yaml:2: is not UTF-8 text"):
        descriptor.load(tmp_path / "binary.yaml", load())
    with pytest.raises(ContractError, match="cannot be read"):
        descriptor.load(tmp_path / "nowhere.yaml", load())


def test_unknown_templates_are_told_with_the_known_ones():
    assert fill("{a}-{b.c}", {"a": "1", "b.c": "2"}, where="x") == "1-2"
    assert fill('${{a}} {"k": {"a": 1}} {a}', {"a": "1"}, where="x") == '${a} {"k": {"a": 1}} 1'
    with pytest.raises(
        TemplateError, match=r"start\.env\.X: unknown template \{bus\.bootstrp\}; known are bus\.bootstrap"
    ):
        fill("{bus.bootstrp}", {"bus.bootstrap": "h:1"}, where="start.env.X")


def target(tmp_path, code, **fields):
    spec = TargetSpec(name="t", command=(sys.executable, "-c", code), startup_timeout_s=1.5, **fields)
    return ProcessTarget(spec, place(tmp_path))


def place(tmp_path):
    return Place(name="i", values={}, log=tmp_path / "t.log", folder=tmp_path)


def test_a_target_that_ends_before_it_is_ready_is_told_with_its_log(tmp_path):
    made = target(tmp_path, "print('no database'); raise SystemExit(7)", ready_http="http://{host}:{port.http}/")

    async def turn():
        try:
            await made.start()
        finally:
            await made.stop()

    with pytest.raises(TargetError, match="exit code 7") as caught:
        asyncio.run(turn())
    assert "no database" in caught.value.log


def test_a_target_that_never_gets_ready_is_told_within_its_deadline(tmp_path):
    made = target(
        tmp_path, "import time; print('waiting', flush=True); time.sleep(60)", ready_http="http://{host}:{port.http}/"
    )

    async def turn():
        try:
            await made.start()
        finally:
            await made.stop()

    with pytest.raises(TargetError, match=r"not ready within 1\.5 s") as caught:
        asyncio.run(turn())
    assert "waiting" in caught.value.log
    assert made.process.returncode is not None


def test_a_program_that_does_not_exist_is_told(tmp_path):
    spec = TargetSpec(name="t", command=("/nowhere/gateway",))
    with pytest.raises(TargetError, match="/nowhere/gateway"):
        asyncio.run(ProcessTarget(spec, place(tmp_path)).start())


def test_stopping_takes_the_whole_process_group_down(tmp_path):
    code = "import subprocess,sys,time; c=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']); print(c.pid, flush=True); time.sleep(60)"
    made = target(tmp_path, code)

    async def turn():
        await made.start()
        while not made.log.read_text().strip():
            await asyncio.sleep(0.01)
        child = psutil.Process(int(made.log.read_text()))
        await made.stop()
        return child

    child = asyncio.run(turn())
    gone, _ = psutil.wait_procs([child], timeout=3)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("sign", [{"ready_log": r"now listening on \d+"}, {"ready_tcp": "{port.http}"}])
def test_readiness_shows_in_the_log_or_at_a_port(tmp_path, sign):
    code = "import os,socket,time; s=socket.create_server(('127.0.0.1', int(os.environ['P']))); print('now listening on 1', flush=True); time.sleep(60)"
    made = target(tmp_path, code, env={"P": "{port.http}"}, **sign)

    async def turn():
        try:
            await made.start()
            return made.process.returncode
        finally:
            await made.stop()

    assert asyncio.run(turn()) is None


def test_secrets_in_headers_come_from_the_environment_and_are_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "very-secret")
    spec = load_text(tmp_path, GOOD + "headers: {Authorization: '{env.ACME_TOKEN}'}\n")
    assert spec.observe.headers == {"Authorization": "very-secret"}
    assert "very-secret" not in repr(spec)
    spec = load_text(tmp_path, GOOD + "headers: {Authorization: 'Bearer {env.ACME_TOKEN}', X-Plain: yes-plain}\n")
    assert spec.observe.headers == {"Authorization": "Bearer very-secret", "X-Plain": "yes-plain"}


def test_a_tcp_port_may_be_named(tmp_path):
    spec = load_text(tmp_path, GOOD.replace('{http: "http://{host}:{port.http}/health"}', "{tcp: http}"))
    assert spec.ready_tcp == "{port.http}"


def test_death_is_noticed_and_a_wanted_stop_is_no_death(tmp_path):
    async def turn():
        dying = target(tmp_path, "raise SystemExit(3)")
        await dying.start()
        said = await dying.died()
        await dying.stop()
        wanted = target(tmp_path, "import time; time.sleep(60)")
        await wanted.start()
        waiting = asyncio.create_task(wanted.died())
        await asyncio.sleep(0)
        await wanted.stop()
        return said, await waiting

    said, wanted = asyncio.run(turn())
    assert "exit code 3" in said
    assert wanted == ""


def test_gate_answers_are_mapped():
    client = GateClient(
        url=lambda w, r: "", gate_map=GateMap(pointer="/gate/0/orders", open=("pass",), closed=("stop",))
    )
    assert client._state(200, '{"gate":[{"orders":"pass"}]}') == "open"
    assert client._state(200, '{"gate":[{"orders":"stop"}]}') == "closed"
    assert client._state(200, '{"gate":[{"orders":"maybe"}]}') == "unknown"
    assert client._state(200, "<html>") == "unknown"
    assert client._state(200, '{"gate":[]}') == "unknown"
    assert client._state(503, '{"gate":[{"orders":"pass"}]}') == "unknown"
    assert client._state(404, "") == "closed"
    assert pointed({"a/b": {"~": 1}}, "/a~1b/~0") == 1


def test_metrics_pages_are_read():
    page = '# TYPE a counter\na_total{b="2",a="1"} 3\n# TYPE g gauge\ng 7\n'
    assert parse(page) == {'a_total{a="1",b="2"}': 3.0, "g": 7.0}


def test_unknown_faulty_gateways_are_told_with_the_nearest():
    with pytest.raises(ContractError, match="did you mean baseline"):
        find("baselin")
    assert Instance.__doc__
