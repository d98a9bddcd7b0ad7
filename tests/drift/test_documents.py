"""D1, D2 and D7: examples, constants, names, links and citations in documents."""

import pytest

ACK = '"type": "ActivationAck", "version": 1, "world_id": "w1", "run_id": "r1", "sequence": 3, "phase": "freeze"'


def example(text: str) -> str:
    return f"# Gateway activation\n\n```json\n{text}\n```\n"


def test_a_right_example_raises_nothing(documents):
    documents.write("a.md", example("{" + ACK + "}"))
    assert documents.found("D1") == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{" + ACK.replace('"sequence": 3', '"sequence": "3"') + "}", '"3"'),
        ("{" + ACK.replace('"freeze"', '"thaw"') + "}", '"thaw"'),
        ("{" + ACK.replace('"world_id"', '"worldId"') + "}", '"worldId"'),
        ('{"state_hash": 5}', "5"),
        ("{" + ACK + ', "idempotency_key": "activation_ack:w1:r1:4:freeze:1"}', '"activation_ack:w1:r1:4:freeze:1"'),
        (
            "{" + ACK.replace('"type": "ActivationAck"', '"type": "ActivationAcknowledged"') + "}",
            '"ActivationAcknowledged"',
        ),
    ],
)
def test_a_wrong_value_is_quoted_with_its_columns(documents, text, word):
    documents.write("a.md", example(text))
    quoted = [f.quoted[f.place.column - 1 : f.place.end - 1] for f in documents.run("D1").findings]
    assert word in quoted


def test_what_an_example_leaves_out_is_told_by_an_ellipsis(documents):
    documents.write("short.md", example('{"type": "ActivationAck", "world_id": "w1"}'))
    documents.write("told.md", example('{"type": "ActivationAck", "world_id": "w1", ...}'))
    documents.write("inline.md", '# Gateway\n\nThe ACK is `{"type": "ActivationAck", "world_id": "w1"}`.\n')
    assert {path for path, _, _ in documents.found("D1")} == {"short.md"}


def test_examples_may_hold_comments_placeholders_and_trailing_commas(documents):
    text = '{\n  // one per event\n  "type": "ActivationAck", "world_id": "<world>", "run_id": "...", "sequence": <n>, "phase": "freeze",\n}'
    documents.write("a.md", example(text))
    assert documents.found("D1") == []


def test_a_mark_says_what_an_example_is(documents):
    body = '{"world_id": "w1", "sequence": 0}'
    documents.write("a.md", example(body))
    documents.write(
        "b.md", example(body).replace("```json", "<!-- ackgap-drift: schema activation-ack -->\n```json", 1)
    )
    assert {path for path, _, _ in documents.found("D1")} == {"b.md"}


@pytest.mark.parametrize(
    "sentence",
    [
        "The gap timeout is 5 seconds by default.",
        "`activation_gap_timeout_ms` defaults to 5000.",
        "gap timeout 기본값은 5초이다.",
        "`activation_gap_timeout_ms`의 기본값은 `30000`이다.",
        "By default the Gateway waits 10 s for a missing event.",
        "`activation_resync_enforced` is enabled by default.",
        "`activation_resync_enforced`(기본 on)로 켠다.",
    ],
)
def test_another_default_is_found_whatever_its_unit(documents, sentence):
    documents.write("a.md", f"# Gateway activation\n\n{sentence}\n")
    assert documents.found("D2") == [("a.md", 3, "D2-default")]


@pytest.mark.parametrize(
    "sentence",
    [
        "The gap timeout is 3 seconds by default.",
        "`activation_gap_timeout_ms` defaults to 3000.",
        "gap timeout 기본값은 3초이다.",
        "gap timeout 기본값은 3,000밀리초이다.",
        "For tests set `activation_gap_timeout_ms=200`.",
        "The gap timeout was 5 seconds by default in v1.",
        "Is a gap timeout of 5 seconds by default too long?",
        "`activation_resync_enforced` is off by default; staging runs with true.",
        "A gap timeout of less than 1 s is not advisable.",
    ],
)
def test_the_contract_s_default_overrides_and_history_raise_nothing(documents, sentence):
    documents.write("a.md", f"# Gateway activation\n\n{sentence}\n")
    assert documents.found("D2") == []


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("ACKs go to the topic `control.activation.acks`.", "D2-topic"),
        ("ACK는 `controlbus.activation.ack` 토픽에 게시한다.", "D2-topic"),
        ("The probe is `GET /worlds/{world_id}/activation/hash`.", "D2-path"),
        ("점검은 `POST /worlds/{world_id}/activation/state_hash`로 한다.", "D2-method"),
        ("Watch `controlbus_apply_ack_latency_seconds`.", "D2-metric"),
        ("`controlbus_apply_ack_latency_ms` is measured in seconds.", "D2-unit"),
        ("The key is `activation_ack:{world_id}:{sequence}:{phase}:{version}`.", "D2-key"),
        ("The phases are `freeze`, `melt` and `unfreeze`.", "D2-phase"),
        ("`ActivationAck` carries `world_id`, `run_id` and `seq`.", "D2-field"),
    ],
)
def test_another_name_on_the_wire_is_found(documents, sentence, code):
    documents.write("a.md", f"# Gateway activation\n\n{sentence}\n")
    assert documents.found("D2") == [("a.md", 3, code)]


@pytest.mark.parametrize(
    "sentence",
    [
        "ACKs go to the topic `control.activation.ack`.",
        "A manual override is written with `PUT /worlds/{world_id}/activation`.",
        "The probe of world w1 is `GET /api/v1/worlds/w1/activation/state_hash?x=1`.",
        "`controlbus_apply_ack_latency_ms_bucket` is the histogram.",
        "The key is `activation_ack:<world_id>:<run_id>:<sequence>:<phase>:<version>`.",
        "See `activation-ack.schema.json` and the class `activation.ack.Handler`.",
        "The phases of the apply are `freeze`, `switch` and `unfreeze`.",
    ],
)
def test_right_names_and_other_names_raise_nothing(documents, sentence):
    documents.write("a.md", f"# Gateway activation\n\n{sentence}\n")
    assert documents.found("D2") == []


def test_two_documents_that_give_different_defaults_are_shown_together(documents):
    table = "# Gateway\n\n| key | default |\n| --- | --- |\n| `activation_ack_retention_ms` | {} |\n"
    documents.write("a.md", table.format("1 h"))
    documents.write("b.md", table.format("3600000"))
    documents.write("c.md", table.format("24 h"))
    report = documents.run("D2")
    assert [(f.place.path, f.code, f.related[0].path) for f in report.findings] == [("c.md", "D2-conflict", "a.md")]


def test_a_wrong_default_names_the_document_that_has_it_right(documents):
    documents.write("a.md", "# Gateway\n\nThe gap timeout defaults to 3 s.\n")
    documents.write("b.md", "# Gateway\n\nThe gap timeout defaults to 5 s.\n")
    finding = documents.run("D2").findings[0]
    assert (finding.place.path, finding.related[0].path) == ("b.md", "a.md")


def test_links_anchors_requirements_and_sections(documents):
    documents.write(
        "guide/a.md",
        "# Gateway activation\n\n## 순서 규칙\n\n[b](../b.md#two-words) [c](#순서-규칙) [d](../b.md#x) [e](f.md)\n",
    )
    documents.write(
        "b.md", "# B\n\n## Two `words`\n\nThe Gateway keeps GAP-01 and GAP-98, see RFC 5 step 2, RFC 11 and RFC 8259.\n"
    )
    assert documents.found("D7") == [
        ("b.md", 5, "D7-requirement"),
        ("b.md", 5, "D7-section"),
        ("guide/a.md", 5, "D7-anchor"),
        ("guide/a.md", 5, "D7-link"),
    ]


def test_links_in_code_comments_and_templates_are_none(documents):
    documents.write(
        "a.md",
        "# A\n\n`[x](no.md)` <!-- [x](no.md) --> [x]({{ base }}/no.md) [y](https://example.org/no.md)\n\n```\n[x](no.md)\n```\n",
    )
    assert documents.found("D7") == []


def test_a_document_torn_out_of_its_tree_is_only_noted(documents):
    documents.write("a.md", "# A\n\n[b](b.md) [c](c.md)\n")
    assert documents.found("D7") == []
    assert documents.found("D7", notes=True) == [("a.md", 3, "D7-torn")]


def test_status_and_date_of_the_rfc_are_those_of_the_contract(documents):
    head = "---\ntitle: ACK/Gap Resync RFC\nstatus: {}\nlast_modified: {}\n---\n\n# ACK/Gap Resync RFC\n"
    documents.write("rfc.md", head.format("accepted", "2026-02-06"))
    assert documents.found("D7") == [("rfc.md", 3, "D7-status")]
    documents.write("rfc.md", head.format("draft", "2026-02-06"))
    assert documents.found("D7") == []


def test_a_section_that_requirements_cite_may_not_vanish(documents):
    sections = "".join(f"## {n}. Section\n\n" for n in range(1, 10) if n != 5)
    documents.write("rfc.md", f"# ACK/Gap Resync RFC\n\n{sections}")
    assert documents.found("D7") == [("rfc.md", 1, "D7-section")]


def test_two_documents_whose_sentences_give_different_defaults(documents):
    """Located in both; the same value in another unit, a past value and a question are none."""
    documents.write("a.md", "# Gateway\n\nThe setting `resync_backoff_ms` defaults to 500 ms.\n")
    documents.write("b.md", "# Gateway\n\n`resync_backoff_ms`의 기본값은 0.5초이다.\n")
    documents.write("c.md", "# Gateway\n\nIn production `resync_backoff_ms` defaults to 2 s.\n")
    documents.write("d.md", "# Gateway\n\n## Change log\n\n`resync_backoff_ms` defaults to 9000.\n")
    documents.write(
        "e.md",
        "# Gateway\n\nPreviously `resync_backoff_ms` defaulted to 8 s. Should `resync_backoff_ms` default to 7 s?\n",
    )
    report = documents.run()
    assert [(f.place.path, f.place.line, f.code, f.related[0].path) for f in report.findings] == [
        ("c.md", 3, "D2-conflict", "a.md")
    ]
