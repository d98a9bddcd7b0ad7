"""The pacts that ship with the contract: fresh, all matchers, and demanding no more than the schemas do."""

import json
from pathlib import Path

from ackgap.contract import load
from ackgap.pact.documents import pacts, write, written
from ackgap.pact.files import read_pacts

FOLDER = load().folder / "pacts"


def rows():
    return [row for document in pacts(load()).values() for row in document["interactions"]]


def leaves(value, path="$"):
    if isinstance(value, dict) and value:
        return [leaf for name, inner in value.items() for leaf in leaves(inner, f"{path}.{name}")]
    return [path]


def test_the_committed_files_are_what_the_schemas_and_examples_give():
    assert {p.name for p in FOLDER.iterdir()} == set(pacts(load()))
    for name, document in pacts(load()).items():
        assert (FOLDER / name).read_text(encoding="utf-8") == written(document), "run `ackgap pact write`"


def test_writing_twice_gives_the_same_bytes(tmp_path):
    first = [p.read_bytes() for p in write(load(), tmp_path / "a")]
    assert first == [p.read_bytes() for p in write(load(), tmp_path / "b")]


def test_every_value_of_every_body_stands_behind_a_matcher():
    for row in rows():
        part = row.get("response", {}).get("body") or row.get("contents")
        if not part:
            continue
        rules = (row["response"]["matchingRules"] if "response" in row else row["matchingRules"])["body"]
        for leaf in leaves(part["content"]):
            generic = leaf if "$.state." not in leaf else "$.state.*.*"
            assert generic in rules, (row["description"], leaf)


def test_headers_paths_and_queries_are_matched_too():
    for row in rows():
        if "request" not in row:
            continue
        assert set(row["request"]["generators"]) <= set(row["request"]["matchingRules"])
        assert set(row["request"].get("headers", {})) == set(row["request"]["matchingRules"].get("header", {}))
        assert set(row["response"].get("headers", {})) == set(
            row["response"].get("matchingRules", {}).get("header", {})
        )


def test_sparse_examples_of_the_schemas_keep_the_pacts():
    """What is demanded is required by the schema, or by the contract of sequenced events and snapshots that can re-base."""
    besides = {"run_id", "sequence", "phase", "requires_ack"}
    for row in rows():
        part = row.get("response", {}).get("body") or row.get("contents")
        if not part:
            continue
        content = part["content"]
        schema = {
            "a probe": "state-hash", "a snapshot": "activation-snapshot", "one entry": "activation-updated-envelope",
            "an ACK in": "activation-ack-envelope", "a flat ACK": "activation-ack",
        }  # fmt: skip
        named = next((s for prefix, s in schema.items() if row["description"].startswith(prefix)), "activation-message")
        validator = load().validator(named)
        assert validator.is_valid(content)
        for name in content:
            lacking = {k: v for k, v in content.items() if k != name}
            assert not validator.is_valid(lacking) or name in besides, (row["description"], name)


def test_http_and_messages_lie_in_one_file_of_the_fourth_version():
    pact = next(p for p in read_pacts(FOLDER) if p.consumer == "gateway")
    assert {i.kind for i in pact.interactions} == {"http", "message"}
    assert json.loads(Path(pact.where).read_text())["metadata"]["pactSpecification"]["version"] == "4.0"
