"""D5 and D6: specifications, schemas, running services, configuration and code."""

import http.server
import json
import threading

import pytest
import yaml

from ackgap.contract import load, schemas_dir
from ackgap.drift.compatibility import differences
from ackgap.drift.config import Service
from ackgap.drift.specifications import ServiceError

OPENAPI = {
    "openapi": "3.0.3",
    "info": {"title": "WorldService", "version": "1"},
    "paths": {
        "/worlds/{id}/activation/state_hash": {"get": {"responses": {"200": {"description": "", "content": {"application/json": {
            "schema": {"type": "object", "required": ["state_hash"], "properties": {"state_hash": {"type": "string", "minLength": 1}}}}}}}}},
        "/worlds/{id}/activation": {"get": {"responses": {"200": {"description": ""}}}},
    },
}  # fmt: skip


def openapi(edit=lambda spec: None) -> str:
    spec = json.loads(json.dumps(OPENAPI))
    edit(spec)
    return yaml.safe_dump(spec)


def answer(spec):
    return spec["paths"]["/worlds/{id}/activation/state_hash"]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["schema"]


def test_the_contract_s_own_specifications_agree_with_it(documents):
    for path in schemas_dir().glob("*"):
        if path.is_file():
            documents.write(f"schemas/{path.name}", path.read_text(encoding="utf-8"))
    for path in (schemas_dir() / "examples").rglob("*.json"):
        documents.write(f"schemas/{path.relative_to(schemas_dir())}", path.read_text(encoding="utf-8"))
    assert documents.found("D5", notes=True) == []


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda s: s["paths"].pop("/worlds/{id}/activation/state_hash"), "D5-path"),
        (
            lambda s: s["paths"]["/worlds/{id}/activation"].update(
                post=s["paths"]["/worlds/{id}/activation"].pop("get")
            ),
            "D5-method",
        ),
        (lambda s: answer(s)["properties"].update(state_hash={"type": "integer"}), "D5-looser"),
        (lambda s: answer(s).pop("required"), "D5-looser"),
        (lambda s: answer(s)["properties"]["state_hash"].update(nullable=True), "D5-looser"),
    ],
)
def test_an_openapi_file_that_promises_other_answers_is_found(documents, edit, code):
    documents.write("openapi.yaml", openapi(edit))
    assert [c for _, _, c in documents.found("D5")] == [code]


def test_a_producer_may_be_stricter_and_a_consumer_looser(documents):
    documents.write("openapi.yaml", openapi(lambda s: answer(s)["properties"]["state_hash"].update(pattern="^blake3:")))
    assert documents.found("D5") == []
    assert [c for _, _, c in documents.found("D5", roles={"**/openapi.yaml": "consumer"})] == ["D5-stricter"]
    documents.write("openapi.yaml", openapi(lambda s: answer(s).pop("required")))
    assert documents.found("D5", roles={"**/openapi.yaml": "consumer"}) == []


@pytest.mark.parametrize(
    ("edit", "side", "field"),
    [
        (lambda s: s["required"].remove("run_id"), "looser", "run_id"),
        (lambda s: s["properties"]["sequence"].update(minimum=0), "looser", "sequence"),
        (lambda s: s["properties"]["sequence"].update(maximum=1000), "stricter", "sequence"),
        (lambda s: s["properties"]["phase"].update(enum=["freeze", "unfreeze", "thaw", None]), "looser", "phase"),
        (lambda s: s["properties"].update(etag={"type": "string"}), "stricter", "etag"),
        (lambda s: s.update(additionalProperties=False), "stricter", ""),
        (lambda s: s["required"].append("etag"), "stricter", "etag"),
    ],
)
def test_every_difference_is_shown_by_a_message(edit, side, field):
    contract = load()
    schema = json.loads((schemas_dir() / "activation-ack.schema.json").read_text())
    edit(schema)
    found = {(d.side, d.field): d for d in differences(schema, "activation-ack", contract)}
    difference = found[side, field]
    assert contract.validator("activation-ack").is_valid(difference.message) == (side == "stricter")


def test_asyncapi_topics_and_payloads_are_compared_by_who_sends(documents):
    ack = json.loads((schemas_dir() / "activation-ack.schema.json").read_text())
    ack["properties"]["sequence"] = {"type": "integer", "minimum": 0}
    spec = {
        "asyncapi": "3.0.0",
        "info": {"title": "bus", "version": "1"},
        "channels": {"acks": {"address": "control.activation.acks", "messages": {"ActivationAck": {"payload": ack}}}},
        "operations": {"send": {"action": "send", "channel": {"$ref": "#/channels/acks"}}},
    }
    documents.write("asyncapi.yaml", yaml.safe_dump(spec))
    assert {c for _, _, c in documents.found("D5")} == {"D5-topic", "D5-looser"}
    spec["operations"]["send"]["action"] = "receive"
    documents.write("asyncapi.yaml", yaml.safe_dump(spec))
    assert {c for _, _, c in documents.found("D5")} == {"D5-topic"}


@pytest.fixture
def served():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/openapi.json")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(yaml.safe_load(openapi(lambda s: answer(s).pop("required")))).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_specification_of_a_running_service_is_checked(documents, served):
    documents.write("a.md", "# A\n")
    report = documents.run("D5", services=(Service(url=f"{served}/openapi.json"),))
    assert [(f.place.path, f.code) for f in report.findings] == [(f"{served}/openapi.json", "D5-looser")]


def test_a_service_that_moves_or_is_not_there_is_the_environment_s_fault(documents, served):
    documents.write("a.md", "# A\n")
    for url in (f"{served}/moved", "http://127.0.0.1:9/openapi.json"):
        with pytest.raises(ServiceError, match="cannot be fetched"):
            documents.run("D5", services=(Service(url=url, timeout_s=2),))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("settings.py", "ACTIVATION_GAP_TIMEOUT_MS: int = 5_000"),
        ("settings.py", 'timeout = int(os.getenv("ACTIVATION_GAP_TIMEOUT_MS", "5000"))'),
        ("settings.py", "    activation_gap_timeout_ms: int = Field(default=5000)"),
        ("settings.py", "activation_gap_timeout = 1; ACTIVATION_GAP_TIMEOUT_SECONDS = 5"),
        ("Config.java", "private int activationGapTimeoutMs = 5000;"),
        ("Config.java", "static final Duration ACTIVATION_GAP_TIMEOUT_MS = Duration.ofSeconds(5);"),
        ("config.go", "const ActivationGapTimeoutMs = 5 * time.Second"),
        ("config.ts", "activationGapTimeoutMs: Number(process.env.GAP ?? 5000),"),
        ("config.yaml", "activation_gap_timeout_ms: 5000"),
        ("config.toml", 'activation_gap_timeout_ms = "5s"'),
        ("config.json", '{"activation_gap_timeout_ms": 5000}'),
        (".env.example", "ACTIVATION_GAP_TIMEOUT_MS=5000"),
        ("compose.yaml", "      - ACTIVATION_GAP_TIMEOUT_MS=${ACTIVATION_GAP_TIMEOUT_MS:-5000}"),
        ("application.properties", "activation.gap.timeout.ms=5000"),
        ("settings.py", "activation_resync_enforced: bool = True"),
        ("config.yaml", "activation_resync_enforced: on"),
        ("Config.java", "boolean activationResyncEnforced = true;"),
    ],
)
def test_another_default_in_configuration_or_code_is_found(documents, path, line):
    documents.write(path, line + "\n")
    assert documents.found("D6") == [(path, 1, "D6-default")]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("settings.py", "ACTIVATION_GAP_TIMEOUT_MS: int = 3_000"),
        ("Config.java", "Duration activationGapTimeoutMs = Duration.ofSeconds(3);"),
        ("config.go", "ActivationGapTimeoutMs := 3 * time.Second"),
        ("config.yaml", "activation_gap_timeout_ms: 3000"),
        ("config.yaml", "# activation_gap_timeout_ms: 5000"),
        ("settings.py", "activation_resync_enforced: bool = False"),
        ("gateway.py", "start(activation_gap_timeout_ms=500)"),
        ("gateway.py", "if activation_gap_timeout_ms == 5000:"),
        ("tests/test_x.py", "ACTIVATION_GAP_TIMEOUT_MS = 5000"),
        ("deploy/staging.yaml", "activation_gap_timeout_ms: 5000"),
        ("gateway.py", 'schema = "activation-ack.schema.json"'),
    ],
)
def test_the_contract_s_values_calls_comments_and_environments_raise_nothing(documents, path, line):
    documents.write(path, line + "\n")
    assert documents.found("D6") == []


def test_another_topic_in_configuration_or_code_is_found(documents):
    documents.write("a.yaml", "ack_topic: control.activation.acks\n")
    documents.write("b.py", 'ACK_TOPIC = "control.activation.ack"\n')
    documents.write("c.go", 'const AckTopic = "controlbus.activation.ack"\n')
    assert documents.found("D6") == [("a.yaml", 1, "D6-topic"), ("c.go", 1, "D6-topic")]
