"""Input that nobody should have to fear: a clear word, no fetch, no hang."""

import re
import socket
import time

import pytest

from ackgap.drift.findings import DriftError


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def no_hang():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 20


def told(documents, *checks):
    return [(f.place.path, f.code, f.message) for f in documents.run(*checks).findings]


def test_cut_off_yaml(documents):
    documents.write(
        "openapi.yaml", "openapi: 3.1.0\npaths:\n  /worlds/{world_id}/activation:\n    get: {responses: {'200'"
    )
    (finding,) = told(documents)
    assert finding[:2] == ("openapi.yaml", "D0-unreadable")
    assert re.match("line [45]: is no valid YAML", finding[2])


def test_cut_off_json(documents):
    documents.write("activation-ack.schema.json", '{"title": "ActivationAck", "properties": {')
    ((path, code, message),) = told(documents)
    assert (path, code) == ("activation-ack.schema.json", "D0-unreadable")
    assert "line 1: is no valid JSON" in message


def test_a_line_of_fifty_megabytes(documents):
    documents.write("a.md", "# Gateway activation\n\n" + "gap timeout " * (50 * 1024 * 1024 // 12))
    ((path, code, message),) = told(documents)
    assert (path, code) == ("a.md", "D0-unreadable")
    assert "line 3" in message


def test_a_file_without_end(documents):
    documents.write("a.md", ("# Gateway activation\n\nThe gap timeout.\n" * (66 * 1024 * 1024 // 40)))
    ((path, code, message),) = told(documents)
    assert (path, code) == ("a.md", "D0-unreadable")
    assert "MiB" in message


@pytest.mark.parametrize("raw", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"# Gateway\n\n\xff\xfe broken"])
def test_a_binary_or_wrongly_encoded_document(documents, raw):
    (documents.root / "a.md").write_bytes(raw)
    ((path, code, message),) = told(documents)
    assert (path, code) == ("a.md", "D0-unreadable")
    assert "binary" in message or "UTF-8" in message


def test_binary_files_among_settings_are_passed_over(documents):
    (documents.root / "a.json").write_bytes(b"\0activation_gap_timeout_ms: 5000")
    assert told(documents) == []


SCHEMA = '{"title": "ActivationAck", "type": "object", "properties": {"world_id": %s}, "$defs": {"a": %s, "b": {"$ref": "#/$defs/a"}}}'


def test_a_reference_that_leads_back_to_itself(documents):
    reference = '{"$ref": "#/$defs/a"}'
    documents.write("activation-ack.schema.json", SCHEMA % (reference, '{"$ref": "#/$defs/b"}'))
    ((_, code, message),) = told(documents, "D5")
    assert code == "D0-unreadable"
    assert "leads back to itself" in message


def test_a_recursive_schema_is_no_loop(documents):
    tree = '{"type": "string", "properties": {"child": {"$ref": "#/$defs/a"}}}'
    documents.write("activation-ack.schema.json", SCHEMA % ('{"$ref": "#/$defs/a"}', tree))
    assert "D0-unreadable" not in {code for _, code, _ in told(documents, "D5")}


@pytest.mark.parametrize(
    "target", ["https://example.org/x.json", "//example.org/x.json", "../../../../etc/passwd", "missing.json"]
)
def test_a_reference_to_elsewhere_is_not_followed(documents, target):
    documents.write("specs/activation-ack.schema.json", SCHEMA % (f'{{"$ref": "{target}"}}', "{}"))
    ((_, code, message),) = told(documents, "D5")
    assert code == "D0-unreadable"
    assert target in message


def test_an_alias_bomb(documents):
    lines = ["openapi: 3.1.0", "x: &a0 [activation, activation]"]
    lines += [f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    documents.write("openapi.yaml", "\n".join(lines) + "\npaths: {/worlds/{id}/activation: *a11}\n")
    ((_, code, message),) = told(documents, "D5")
    assert code == "D0-unreadable"
    assert "aliases" in message or "YAML" in message


def test_symbolic_links_that_loop(documents):
    documents.write("docs/a.md", "# Gateway\n\n[b](loop/a.md) [c](self.md)\n")
    docs = documents.root / "docs"
    (docs / "loop").symlink_to(docs)
    (docs / "self.md").symlink_to(docs / "self.md")
    assert documents.run().documents == 1
    with pytest.raises(DriftError, match="leads to itself"):
        documents.run(paths=("docs/self.md",))


def test_a_named_file_that_cannot_be_read_is_a_usage_error(documents):
    (documents.root / "a.md").write_bytes(b"\0\0")
    with pytest.raises(DriftError, match=r"a\.md: is a binary file"):
        documents.run(paths=("a.md",))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "> " * 5_000 + "gap",
        "```json\n" + '{"state_hash": ' * 5_000 + "\n```",
        "```json\n" + "[" * 100_000 + "\n```",
        "| a " * 20_000 + "\n" + "| - " * 20_000 + "\n",
        "*" * 100_000 + " gap timeout",
        "`" * 50_000 + " gateway ack",
        "<!--" * 20_000 + " activation",
        "the gateway acks " * 30_000,
        "gap이 열려 있는 동안 " * 20_000,
        "(" * 30_000 + "RFC 5",
        "[x](" * 20_000,
        "activation_ack:" * 20_000,
        "\\" * 100_000 + " gap",
        "a.b-c_d" * 40_000 + " activation topic",
        "/worlds/" * 30_000,
        "option B " * 20_000,
        "- " * 10_000 + "gap",
        "---\n" + "a: [" * 30_000 + "\n---\n# Gateway\n",
    ],
    ids=range(19),
)
def test_no_text_makes_the_checks_hang(documents, text):
    documents.write("a.md", f"# Gateway activation\n\n{text}\n" if not text.startswith("---") else text)
    documents.run()
