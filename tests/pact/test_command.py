"""`ackgap pact`: exit codes and words."""

import json
import re
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import load
from ackgap.pact.documents import pacts, written
from tests.fuzz.small_service import WORLD, small_service

PACT = "gateway-worldservice.json"


def call(*arguments, **env):
    done = CliRunner().invoke(cli, ["pact", *map(str, arguments)], env=env)
    return done.exit_code, done.output


@pytest.fixture
def pact(tmp_path):
    path = tmp_path / PACT
    path.write_text(written(pacts(load())[PACT]))
    return path


def test_write_tells_both_files(tmp_path):
    code, said = call("write", "--out", tmp_path / "pacts")
    assert code == 0
    assert len(said.split()) == 2 == len(list((tmp_path / "pacts").iterdir()))


def test_the_scripted_worldservice_keeps_the_contracts_pact(pact):
    code, said = call("verify", "--pact", pact)
    assert (code, said.splitlines()[-1]) == (0, "12 hold, 0 do not hold, 0 skipped")


def test_the_reference_worldservice_keeps_it_and_its_events_do():
    code, said = call("verify", "reference-worldservice", "--format", "json")
    rows = {row["interaction"]: row["verdict"] for row in json.loads(said)}
    assert code == 0
    assert list(rows.values()).count("ok") == 10
    assert rows["an unfreeze event in its envelope"] == "ok"
    assert rows["a flat unfreeze event"] == "skipped"


DESCRIPTOR = """
ackgap: 1
name: described
role: worldservice
start:
  command: [{python}, -m, ackgap_reference.service.main, worldservice]
  env:
    KAFKA_BROKERS: "{{bus.bootstrap}}"
    ACTIVATION_TOPIC: "{{bus.activation_topic}}"
    ACK_TOPIC: "{{bus.ack_topic}}"
    HTTP_PORT: "{{port.http}}"
    DATABASE: ":memory:"
    WIRE_FORM: flat
    LOG_LEVEL: warning
  ready: {{http: "http://{{host}}:{{port.http}}/ready"}}
worldservice:
  url: "http://{{host}}:{{port.http}}"
  apply:
    http: {{url: "http://{{host}}:{{port.http}}/worlds/{{world_id}}/apply", body: {{run_id: "{{run_id}}", entries: "{{entries}}"}}}}
"""


def test_a_described_worldservice_is_applied_as_its_descriptor_says_and_may_send_flat_events(tmp_path):
    (tmp_path / "ws.yaml").write_text(DESCRIPTOR.format(python=sys.executable))
    code, said = call("verify", tmp_path / "ws.yaml")
    assert code == 0, said
    assert "ok   a flat unfreeze event" in said
    assert "skip a freeze event in its envelope: the target sends its events flat, which is allowed" in said


def test_the_reference_gateway_keeps_both_sides():
    code, said = call("verify", "reference")
    assert code == 0, said
    assert "ok   an ACK in its envelope" in said
    assert re.search(r"ok   requests of this Gateway \(\d+\)", said)


def test_a_url_with_a_changed_field_does_not_hold_and_the_words_are_harmless():
    with small_service(changes={"snapshot": {"sequence": "\x1b[31m2"}}) as server:
        code, said = call("verify", server.url, "--world", WORLD)
    assert code == 1
    assert "FAIL a snapshot (given a world to which a run has been applied)" in said
    assert "body at $.sequence" in said
    assert "\x1b" not in said


def test_nothing_verified_is_not_green(tmp_path):
    message = {
        "consumer": {"name": "a"},
        "provider": {"name": "b"},
        "messages": [{"description": "m", "contents": {"x": 1}}],
    }
    (tmp_path / "m.json").write_text(json.dumps(message))
    with small_service() as server:
        code, said = call("verify", server.url, "--pact", tmp_path / "m.json")
    assert code == 6
    assert "nothing was verified" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no TARGET; expected `reference`"),
        (["gatewy"], 2, "TARGET 'gatewy': expected"),
        (["reference", "--world", "w"], 2, "--world and --header belong to a URL"),
        (["http://127.0.0.1:9"], 3, "no WorldService answers at http://127.0.0.1:9"),
        (["scripted", "--broker"], 2, "PACT_BROKER_BASE_URL is not set"),
        (["http://127.0.0.1:9", "--header", "Authorization"], 2, "expected NAME=VARIABLE"),
        (["http://127.0.0.1:9", "--header", "Authorization=NOT_THERE"], 2, "has no variable NOT_THERE"),
    ],
)
def test_what_is_wrong_with_a_call_is_told(arguments, code, said):
    found, text = call("verify", *arguments, PACT_BROKER_BASE_URL="")
    assert (found, said in text) == (code, True), text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"), ("[]", "expected a JSON object"), ("{}", "expected at least one interaction"),
        ('{"interactions": [{}]}', "is no pact"),
        ('{"metadata": {"plugins": [{"name": "x"}]}, "interactions": [{}]}', "loads no plugins"),
    ],
)  # fmt: skip
def test_a_broken_pact_is_refused_by_name(tmp_path, text, said):
    (tmp_path / "broken.json").write_text(text)
    code, told = call("verify", "--pact", tmp_path / "broken.json")
    assert code == 2
    assert "broken.json" in told
    assert said in told


# --- broker --------------------------------------------------------------------------------------------------------


@contextmanager
def broker(text):
    """The few answers of a broker that are needed; wants a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            allowed = self.headers.get("Authorization") == "Bearer geheim"
            href = f"http://127.0.0.1:{self.server.server_port}/one"
            listed = {"_links": {"pb:pacts": [{"href": href}]}}
            body = {"/pacts/provider/worldservice/latest": json.dumps(listed), "/one": text}.get(self.path)
            self.send_response(401 if not allowed else 200 if body else 404)
            self.end_headers()
            self.wfile.write((body or "").encode() if allowed else b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_broker_named_by_the_environment_is_asked_and_its_token_never_told(pact):
    with broker(pact.read_text()) as url:
        named = {"PACT_BROKER_BASE_URL": url.replace("//", "//user:kennwort@"), "PACT_BROKER_TOKEN": "geheim"}
        assert call("verify", "--broker", "scripted", **{**named, "PACT_BROKER_BASE_URL": url})[0] == 0
        code, said = call(
            "verify", "--broker", "scripted", "--provider", "other", **{**named, "PACT_BROKER_BASE_URL": url}
        )
        assert code == 4
        assert "status 404" in said
        code, said = call("verify", "--broker", "scripted", PACT_BROKER_BASE_URL=url, PACT_BROKER_TOKEN="falsch-geheim")
        assert code == 4
        assert "refuses" in said
        assert "geheim" not in said
    code, said = call("verify", "--broker", "scripted", PACT_BROKER_BASE_URL="http://user:kennwort@127.0.0.1:9")
    assert code == 4
    assert "does not answer at http://127.0.0.1:9" in said
    assert "kennwort" not in said
