"""Single edits of the shipped contract, and how each is to be classified: (name, edit, area, kind, verdict, who breaks)."""

import yaml

ACK, UPDATED, ENTRY = "activation-ack.schema.json", "activation-updated.schema.json", "activation-entry.schema.json"
SNAPSHOT, GATE, EVENT = "activation-snapshot.schema.json", "order-gate.schema.json", "cloudevent.schema.json"
GATEWAYS, SERVICES, READERS = "Gateways", "WorldServices", "WorldServices and other readers of ACKs"
CLIENT = "whoever asks the order gate"
RELYING = "those who rely on certificates"
NAMING = "waivers, pipelines and badges that name it"


def schema(name, change):
    return lambda it: it.json(name, change)


def text(name, old, new):
    return lambda it: it.text(name, old, new)


def row(requirement, old, new):
    return lambda it: it.row(requirement, old, new)


def rows(change):
    def edit(it):
        path = it.folder / "requirements.yaml"
        document = yaml.safe_load(path.read_text())
        change(document["requirements"])
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))

    return edit  # fmt: skip


def props(document):
    return document["properties"]


def without(requirement):
    def change(found):
        found[:] = [r for r in found if r["id"] != requirement]

    return change  # fmt: skip


def renamed(found):
    next(r for r in found if r["id"] == "ACK-09")["id"] = "ACK-19"


def added(found):
    new = dict(next(r for r in found if r["id"] == "ACK-01"))
    new.update(
        id="ACK-10", sentence="An ACK is published within one second of the application of its event.", profile="core"
    )
    found.append(new)


def all_of(*edits):
    def edit(it):
        for one in edits:
            one(it)

    return edit  # fmt: skip


def scenario_gone(it):
    (it.folder / "scenarios" / "GAP" / "gap-two-missing.yaml").unlink()


def scenario_came(it):
    source = (it.folder / "scenarios" / "GAP" / "gap-two-missing.yaml").read_text()
    (it.folder / "scenarios" / "GAP" / "gap-mine.yaml").write_text(source.replace("gap-two-missing", "gap-mine"))


def moved_behind_a_reference(document):
    document["$defs"] = {"World": dict(props(document)["world_id"])}
    props(document)["world_id"] = {"$ref": "#/$defs/World"}


def in_other_order(document):
    document["required"].reverse()
    props(document)["phase"]["enum"].reverse()


def drop_operation(it):
    path = it.folder / "openapi.yaml"
    document = yaml.safe_load(path.read_text())
    del document["paths"]["/worlds/{world_id}/activation/state_hash"]
    path.write_text(yaml.safe_dump(document, sort_keys=False))


BREAKING = [
    # --- message schemas: what producers may send no longer
    ("required added", schema(ACK, lambda d: d["required"].append("phase")), "message", "required", GATEWAYS),
    ("required in then", schema(UPDATED, lambda d: d["then"]["required"].append("etag")), "message", "required", SERVICES),
    ("enum narrowed", schema(ENTRY, lambda d: props(d)["effective_mode"]["enum"].remove("paper")), "message", "values", SERVICES),
    ("enum to const", schema(GATE, lambda d: d["properties"].update(state={"const": "closed"})), "message", "values", GATEWAYS),
    ("const changed", schema(EVENT, lambda d: props(d)["specversion"].update(const="1.1")), "message", "values", SERVICES),
    ("null taken out", schema(ACK, lambda d: props(d)["etag"].update(type="string")), "message", "type", GATEWAYS),
    ("number to integer", schema(ENTRY, lambda d: props(d)["weight"].update(type="integer")), "message", "type", SERVICES),
    ("minimum raised", schema(ACK, lambda d: props(d)["sequence"].update(minimum=2)), "message", "bound", GATEWAYS),
    ("maximum added", schema(UPDATED, lambda d: props(d)["sequence"].update(maximum=2**31 - 1)), "message", "bound", SERVICES),
    ("maxLength added", schema(UPDATED, lambda d: props(d)["world_id"].update(maxLength=64)), "message", "bound", SERVICES),
    ("pattern added", schema(UPDATED, lambda d: props(d)["world_id"].update(pattern="^[a-z0-9-]+$")), "message", "pattern", SERVICES),
    ("closed", schema(ACK, lambda d: d.update(additionalProperties=False)), "message", "part", GATEWAYS),
    ("closed by unevaluated", schema(ACK, lambda d: d.update(unevaluatedProperties=False)), "message", "part", GATEWAYS),
    ("either of two needed", schema(ACK, lambda d: d.update(anyOf=[{"required": ["phase"]}, {"required": ["etag"]}])), "message", "anyOf",
     GATEWAYS),
    ("something forbidden", schema(ACK, lambda d: d.update({"not": {"required": ["node"]}})), "message", "condition", GATEWAYS),
    ("multiples only", schema(SNAPSHOT, lambda d: props(d)["sequence"].update(multipleOf=2)), "message", "multipleOf", SERVICES),
    ("entries made strict", schema(SNAPSHOT, lambda d: props(d)["state"].update(maxProperties=1)), "message", "bound", SERVICES),
    # --- message schemas: what consumers may be sent newly
    ("required dropped", schema(ACK, lambda d: d["required"].remove("run_id")), "message", "required", READERS),
    ("enum widened", schema(ENTRY, lambda d: props(d)["effective_mode"]["enum"].append("dark")), "message", "values", GATEWAYS),
    ("gate has a third state", schema(GATE, lambda d: props(d)["state"]["enum"].append("ajar")), "message", "values", CLIENT),
    ("type widened", schema(UPDATED, lambda d: props(d)["version"].update(type=["integer", "string"])), "message", "type", GATEWAYS),
    ("null allowed", schema("state-hash.schema.json", lambda d: props(d)["state_hash"].update(type=["string", "null"])), "message", "type",
     GATEWAYS),
    ("minimum lowered", schema(ACK, lambda d: props(d)["sequence"].update(minimum=0)), "message", "bound", READERS),
    ("minLength dropped", schema(SNAPSHOT, lambda d: props(d)["state_hash"].pop("minLength")), "message", "bound", GATEWAYS),
    ("optional field dropped", schema(ACK, lambda d: props(d).pop("ack_ts")), "message", "property removed", READERS),
    # --- OpenAPI
    ("path renamed", all_of(text("openapi.yaml", "  /worlds/{world_id}/activation/state_hash:", "  /worlds/{world_id}/hash:"),
                            text("contract.yaml", "activation/state_hash", "hash")), "http", "operation moved", GATEWAYS),
    ("operation dropped", drop_operation, "http", "operation removed", GATEWAYS),
    ("query parameter required", text("openapi.yaml", "required: false, description: Side", "required: true, description: Side"), "http",
     "parameter required", GATEWAYS),
    ("gate parameter dropped", text("gateway-probe.openapi.yaml",
     '        - {name: run_id, in: query, required: true, description: Run of the stream; opaque., schema: {type: string, minLength: 1}, example: run-7}\n', ""),
     "http", "parameter removed", CLIENT),
    ("media type changed", text("gateway-probe.openapi.yaml", "            application/json:", "            application/vnd.gate+json:"), "http",
     "media type", GATEWAYS),
    ("credentials demanded", text("openapi.yaml", "security: []", "security: [{token: []}]"), "http", "security", GATEWAYS),
    # --- AsyncAPI
    ("topic renamed", all_of(text("asyncapi.yaml", "address: control.activation.ack", "address: activation.ack"),
                             text("contract.yaml", "ack_topic: control.activation.ack", "ack_topic: activation.ack")), "bus", "address", GATEWAYS),
    ("record key is a number", text("asyncapi.yaml", "key: {type: string, description: The world id.}", "key: {type: integer}"), "bus",
     "record key", SERVICES),
    ("direction turned", text("asyncapi.yaml", "action: send", "action: receive"), "bus", "direction", GATEWAYS),
    # --- constants
    ("timeout longer", text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000"), "constant", "gap_timeout_ms", GATEWAYS),
    ("timeout shorter", text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 1200"), "constant", "gap_timeout_ms", GATEWAYS),
    ("flag on by default", text("contract.yaml", "resync_enforced: false", "resync_enforced: true"), "constant", "resync_enforced", GATEWAYS),
    ("fewer requests", text("contract.yaml", "max_requests_per_second: 10", "max_requests_per_second: 4"), "constant",
     "max_requests_per_second", GATEWAYS),
    ("more requests", text("contract.yaml", "max_requests_per_second: 10", "max_requests_per_second: 20"), "constant",
     "max_requests_per_second", SERVICES),
    ("key format", text("contract.yaml", ":{version}", ":v{version}"), "constant", "idempotency_key", GATEWAYS),
    ("metric renamed", text("contract.yaml", "controlbus_apply_ack_latency_ms", "controlbus_ack_ms"), "constant", "ack_latency_metric", GATEWAYS),
    # --- requirements
    ("SHOULD to MUST", row("SYNC-05", "level: SHOULD", "level: MUST"), "requirement", "strengthened", GATEWAYS),
    ("MUST to SHOULD", row("GATE-01", "level: MUST", "level: SHOULD"), "requirement", "weakened", RELYING),
    ("profile stronger", row("SYNC-06", "profile: resync", "profile: core"), "requirement", "strengthened", GATEWAYS),
    ("profile weaker", row("ACK-09", "profile: core", "profile: extended"), "requirement", "weakened", RELYING),
    ("judged no longer", row("DUP-04", "status: active", "status: planned"), "requirement", "weakened", RELYING),
    ("id dropped", rows(without("GAP-08")), "requirement", "removed", NAMING),
    ("id renamed", rows(renamed), "requirement", "renamed", NAMING),
    ("id reused", row("ACK-07", "A repeated ACK carries the same idempotency key as the first.",
                      "Gateways write a log line whenever somebody restarts them."), "requirement", "reused", NAMING),
    ("requirement added", rows(added), "requirement", "added", GATEWAYS),
]  # fmt: skip

# Breaks by its nature; nobody can show it by a message of one contract that the other refuses.
WITHOUT_EXAMPLE = {"id dropped", "id renamed", "id reused", "requirement added"}

OTHERS = [
    ("optional field added", schema(ACK, lambda d: props(d).update(gateway_id={"type": "string"})), "message", "property added", "compatible"),
    ("description reworded", schema(ACK, lambda d: d.update(description="Other words.")), "message", "annotation", "compatible"),
    ("moved behind a reference", schema(ACK, moved_behind_a_reference), "message", "rewritten", "compatible"),
    ("written in another order", schema(ACK, in_other_order), "message", "rewritten", "compatible"),
    ("optional parameter added", text("openapi.yaml", "        - {name: side,", "        - {name: depth, in: query, schema: {type: integer}}\n        - {name: side,"),
     "http", "parameter added", "compatible"),
    ("summary of an operation", text("openapi.yaml", "summary: The whole state", "summary: All of the state"), "http", "annotation", "compatible"),
    ("scenario added", scenario_came, "scenario", "added", "compatible"),
    ("head only", text("contract.yaml", "status: draft", "status: accepted"), "folder", "head", "compatible"),
    ("format added", schema(UPDATED, lambda d: props(d)["idempotency_key"].update(format="uuid")), "message", "format", "unknown"),
    ("keyword that no rule knows", schema(UPDATED, lambda d: props(d)["idempotency_key"].update(contentSchema={"minLength": 3})), "message", "keyword", "unknown"),
    ("unknown binding", text("asyncapi.yaml", "defaultContentType: application/json", "defaultContentType: application/cbor"), "bus", "other", "unknown"),
    ("links changed", text("openapi.yaml", "operationId: getActivation\n              parameters", "operationRef: x\n              parameters"), "http", "other", "unknown"),
    ("sentence reworded", row("GAP-04", "is probed once the gap timeout has run out", "is asked for its hash when the gap timeout has run out"),
     "requirement", "reworded", "review"),
    ("antecedent reworded", row("GAP-04", "A gap was open for longer", "A gap had been open for longer"), "requirement", "reworded", "review"),
    ("scenario dropped", scenario_gone, "scenario", "taken out", "review"),
    ("default added", schema(ACK, lambda d: props(d)["version"].update(default=1)), "message", "default", "review"),
]  # fmt: skip
