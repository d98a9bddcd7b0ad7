"""The two pacts of the contract, in Pact's V4 format: HTTP and messages in one file, matchers and no literal values.

Written by hand rather than by a mock server, so that the same contract always gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ackgap.contract import Contract
from ackgap.pact.shapes import Body, body_of, example

GATEWAY, WORLDSERVICE = "gateway", "worldservice"

APPLIED = "a world to which a run has been applied"
APPLYING = "a world in the middle of an apply"
UNKNOWN = "a world that nobody knows"

WORLD, STRATEGY, SIDE, ETAG = "world-1", "alpha", "long", '"etag-1"'
JSON_TYPE, PROBLEM_TYPE = r"^application/json(;.*)?$", r"^application/problem\+json(;.*)?$"
# What a Gateway needs besides what the schemas require: to apply in order, and to re-base on a snapshot.
SEQUENCED = {"ActivationUpdated body": ("run_id", "sequence", "phase", "requires_ack")}
REBASING = {"Activation snapshot": ("run_id", "sequence")}


def pacts(contract: Contract) -> dict[str, dict[str, Any]]:
    """Both pacts by file name."""
    return {
        "gateway-worldservice.json": _pact(GATEWAY, WORLDSERVICE, [*_resync(contract), *_events(contract)]),
        "worldservice-gateway.json": _pact(WORLDSERVICE, GATEWAY, _acks(contract)),
    }


def written(document: Mapping[str, Any]) -> str:
    """The text of a pact file."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(contract: Contract, folder: Path) -> list[Path]:
    """Write both pacts; returns their paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, document in pacts(contract).items():
        (folder / name).write_text(written(document), encoding="utf-8")
        paths.append(folder / name)
    return paths


def _pact(consumer: str, provider: str, interactions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "consumer": {"name": consumer},
        "provider": {"name": provider},
        "interactions": list(interactions),
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }


# --- HTTP: what a Gateway asks when events are missing (RFC 5) -----------------------------------------------------


def _resync(contract: Contract) -> list[dict[str, Any]]:
    probe, snapshot = contract.constants.state_hash_path, contract.constants.snapshot_path
    hash_body = body_of(contract, "state-hash", example(contract, "state-hash"), besides={})
    state = _with_any_state(
        body_of(contract, "activation-snapshot", example(contract, "activation-snapshot"), besides=REBASING)
    )
    envelope = body_of(
        contract, "activation-updated-envelope", example(contract, "activation-updated-envelope"), besides={}
    )
    entry = {"strategy_id": STRATEGY, "side": SIDE}
    return [
        _get("a probe of the state hash", APPLIED, probe, _answer(200, JSON_TYPE, hash_body)),
        _get("a snapshot", APPLIED, snapshot, _answer(200, JSON_TYPE, state)),
        _get("one entry", APPLIED, snapshot, _answer(200, JSON_TYPE, envelope), query=entry),
        _get("a probe whose answer is known already", APPLIED, probe, {"status": 304}, known=True),
        _get("a probe while an apply goes on", APPLYING, probe, _answer(200, JSON_TYPE, hash_body)),
        _get("a snapshot while an apply goes on", APPLYING, snapshot, _answer(200, JSON_TYPE, state)),
        _get("a probe of an unknown world", UNKNOWN, probe, _answer(404, PROBLEM_TYPE, None)),
        _get("a snapshot of an unknown world", UNKNOWN, snapshot, _answer(404, PROBLEM_TYPE, None)),
    ]  # fmt: skip


def _with_any_state(body: Body) -> Body:
    """A snapshot whose `state` may hold any strategies and sides: their names are data."""
    entry: dict[str, Any] = {}
    content = {**body.content, "state": {STRATEGY: {SIDE: entry}}}
    any_key = {"combine": "AND", "matchers": [{"match": "values"}]}
    rules = {
        **body.rules,
        "$.state": any_key,
        "$.state.*": any_key,
        "$.state.*.*": {"combine": "AND", "matchers": [{"match": "type"}]},
    }
    return Body(content, rules)


def _get(
    description: str,
    state: str,
    template: str,
    response: dict[str, Any],
    *,
    query: Mapping[str, str] | None = None,
    known: bool = False,
) -> dict[str, Any]:
    """A GET; world, strategy, side and entity tag are put in by the provider's state."""
    path = template.replace("{world_id}", WORLD)
    regex = "^" + template.replace("{world_id}", "[^/]+") + "$"
    request: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "matchingRules": {"path": {"combine": "AND", "matchers": [{"match": "regex", "regex": regex}]}},
        "generators": {"path": _from_state(template.replace("{world_id}", "${world_id}"))},
    }
    parameters: dict[str, Any] = {"world_id": WORLD}
    if query:
        request["query"] = {name: [value] for name, value in query.items()}
        request["matchingRules"]["query"] = {name: _one("type") for name in query}
        request["generators"]["query"] = {name: _from_state(f"${{{name}}}") for name in query}
        parameters |= query
    if known:
        request["headers"] = {"If-None-Match": [ETAG]}
        request["matchingRules"]["header"] = {"If-None-Match": _one("type")}
        request["generators"]["header"] = {"If-None-Match": _from_state("${etag}")}
        parameters |= {"etag": ETAG}
    return {
        "type": "Synchronous/HTTP",
        "description": description,
        "pending": False,
        "providerStates": [{"name": state, "params": parameters}],
        "request": request,
        "response": response,
    }


def _answer(status: int, kind: str, body: Body | None) -> dict[str, Any]:
    media = "application/problem+json" if kind == PROBLEM_TYPE else "application/json"
    rules: dict[str, Any] = {
        "header": {"Content-Type": {"combine": "AND", "matchers": [{"match": "regex", "regex": kind}]}}
    }
    response = {"status": status, "headers": {"Content-Type": [media]}, "matchingRules": rules}
    if body is not None:
        response["body"] = {"content": body.content, "contentType": media, "encoded": False}
        rules["body"] = body.rules
    return response


def _from_state(expression: str) -> dict[str, str]:
    return {"type": "ProviderState", "expression": expression, "dataType": "STRING"}


def _one(match: str) -> dict[str, Any]:
    return {"combine": "AND", "matchers": [{"match": match}]}


# --- messages ------------------------------------------------------------------------------------------------------


def _events(contract: Contract) -> list[dict[str, Any]]:
    """Events of both phases, in the envelope and flat."""
    topic = contract.constants.activation_topic
    freeze, unfreeze = example(contract, "activation-updated"), example(contract, "activation-updated", "unfreeze")
    envelope = example(contract, "activation-updated-envelope")
    made = []
    for article, phase, event in (("a", "freeze", freeze), ("an", "unfreeze", unfreeze)):
        inside = body_of(contract, "activation-updated-envelope", {**envelope, "data": event}, besides=SEQUENCED)
        flat = body_of(contract, "activation-updated", event, besides=SEQUENCED)
        made.append(
            _message(f"{article} {phase} event in its envelope", topic, _of_phase(inside, "$.data.phase", phase))
        )
        made.append(_message(f"a flat {phase} event", topic, _of_phase(flat, "$.phase", phase)))
    return made


def _of_phase(body: Body, path: str, phase: str) -> Body:
    return Body(
        body.content, {**body.rules, path: {"combine": "AND", "matchers": [{"match": "regex", "regex": f"^{phase}$"}]}}
    )


def _acks(contract: Contract) -> list[dict[str, Any]]:
    topic = contract.constants.ack_topic
    inside = body_of(contract, "activation-ack-envelope", example(contract, "activation-ack-envelope"), besides={})
    flat = body_of(contract, "activation-ack", example(contract, "activation-ack"), besides={})
    return [_message("an ACK in its envelope", topic, inside), _message("a flat ACK", topic, flat)]


def _message(description: str, topic: str, body: Body) -> dict[str, Any]:
    return {
        "type": "Asynchronous/Messages",
        "description": description,
        "pending": False,
        "comments": {"text": [f"topic {topic}, record key world_id"]},
        "contents": {"content": body.content, "contentType": "application/json", "encoded": False},
        "matchingRules": {"body": body.rules},
        "metadata": {},
    }
