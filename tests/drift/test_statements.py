"""D3: contradictions, how documents speak for themselves, and the lock."""

import pytest

from ackgap.drift.findings import DriftError
from ackgap.drift.lock import load_lock, write_lock
from ackgap.drift.reading import load_rules

WRONG = "After the timeout the Gateway continues from the earliest buffered event."
WRONG_KO = "timeout 후 Gateway는 가장 이른 버퍼 이벤트부터 계속 적용한다."


@pytest.mark.parametrize("sentence", [WRONG, WRONG_KO])
def test_a_contradiction_is_found_where_it_stands(documents, sentence):
    documents.write("a.md", f"# Gateway\n\nText before. {sentence}\n")
    finding = documents.run("D3").findings[0]
    assert (finding.code, finding.norm, finding.place.line) == ("D3-contradiction", "gap-no-skip", 3)
    assert finding.place.column > len("Text before. ")


@pytest.mark.parametrize(
    "text",
    [
        f"> {WRONG}",
        f"```\n{WRONG}\n```",
        f"## Changelog\n\n- {WRONG}",
        f"## Rejected alternatives\n\n{WRONG}",
        f"## Open questions\n\n- {WRONG}",
        f'The old page said: "{WRONG}" This is wrong.',
        f"A Gateway must not do this:\n\n- {WRONG[0].lower() + WRONG[1:]}",
        f"## 기각된 대안\n\n- {WRONG_KO}",
        f"## 변경 이력\n\n- {WRONG_KO}",
        f"다음은 금지된다:\n\n- {WRONG_KO}",
        "Before v2 the Gateway continued from the earliest buffered event after the timeout.",
        "It is forbidden that the Gateway continues from the earliest buffered event after the timeout.",
        "Never continue from the earliest buffered event after the timeout.",
        "timeout 후 가장 이른 버퍼 이벤트부터 계속 적용해서는 안 된다.",
        "예전에는 timeout 후 가장 이른 버퍼 이벤트부터 계속 적용했다.",
    ],
)
def test_what_a_document_quotes_forbids_or_recounts_is_not_its_own_rule(documents, text):
    documents.write("a.md", f"# Gateway\n\n{text}\n")
    assert documents.found("D3") == []


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("After the gap timeout the Gateway MUST resync.", None),
        ("After the gap timeout the Gateway SHOULD resync.", "D3-weakened"),
        ("After the gap timeout the Gateway MAY resync.", "D3-weakened"),
        ("gap timeout 후 resync는 필수이다.", None),
        ("gap timeout 후 resync를 권장한다.", "D3-weakened"),
        ("gap timeout 후 resync는 선택 사항이다.", "D3-weakened"),
    ],
)
def test_the_strength_of_a_norm_counts(documents, sentence, code):
    documents.write("a.md", f"# Gateway\n\n{sentence}\n")
    assert [c for _, _, c in documents.found("D3")] == ([code] if code else [])


def test_the_document_that_says_otherwise_is_named(documents):
    documents.write("a.md", "# Gateway\n\nAn ACK is published after the event was applied.\n")
    documents.write("b.md", "# Gateway\n\nAn ACK is published on receipt of the event.\n")
    finding = documents.run("D3").findings[0]
    assert (finding.place.path, [p.path for p in finding.related]) == ("b.md", ["a.md"])


def test_choosing_another_option_than_the_rfc_is_found(documents):
    options = (
        "# ADR\n\n## Option A: single ACK\n\n## Option B: two-stage ACK with downstream consumers\n\n## Decision\n\n"
    )
    documents.write("a.md", options + "We recommend option B.\n")
    documents.write("b.md", options + "We recommend option A.\n")
    documents.write("c.md", options + "We do not recommend option B.\n")
    assert documents.found("D3") == [("a.md", 9, "D3-contradiction")]


def lock(documents):
    rules = load_rules()
    report = documents.run("D3")
    return write_lock(documents.root / "ackgap-drift.lock.yaml", report.statements, rules.norms, rules.contract)


KEPT = "The order gate stays closed while a gap is open."


def test_an_unchanged_lock_raises_nothing_wherever_the_lines_move(documents):
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    assert lock(documents) >= 1
    documents.write("a.md", f"# Gateway\n\nSome new words on top.\n\nAnd more.\n\n{KEPT}\n")
    assert documents.found("D3") == []


def test_locked_statements_that_change_vanish_or_appear_are_told(documents):
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    lock(documents)
    documents.write("a.md", "# Gateway\n\nThe order gate stays closed for 10 s while a gap is open.\n")
    assert documents.found("D3") == [("a.md", 3, "D3-lock-changed")]
    documents.write("a.md", "# Gateway\n\nNothing is said here.\n")
    assert documents.found("D3") == [("a.md", 1, "D3-lock-vanished")]
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    documents.write("b.md", "# Gateway\n\nAn ACK is published after the event was applied.\n")
    assert documents.found("D3") == [("b.md", 3, "D3-lock-new")]


def test_a_locked_statement_turned_round_is_one_alarm(documents):
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    lock(documents)
    documents.write("a.md", "# Gateway\n\nThe order gate stays open while a gap is open.\n")
    assert documents.found("D3") == [("a.md", 3, "D3-contradiction")]


def test_a_locked_document_that_is_gone_is_told(documents):
    file = documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    documents.write("b.md", "# Other\n")
    lock(documents)
    file.unlink()
    assert documents.found("D3") == [("ackgap-drift.lock.yaml", 1, "D3-lock-vanished")]


def test_what_contradicts_the_contract_is_never_locked(documents):
    documents.write("a.md", f"# Gateway\n\n{WRONG}\n")
    assert lock(documents) == 0
    assert documents.found("D3") == [("a.md", 3, "D3-contradiction")]


def test_a_lock_edited_by_hand_is_refused(documents):
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    lock(documents)
    path = documents.root / "ackgap-drift.lock.yaml"
    path.write_text(path.read_text().replace("stays closed", "stays open"))
    with pytest.raises(DriftError, match="edited by hand"):
        load_lock(path)


def test_a_norm_that_must_be_stated_somewhere_is_missed(documents):
    documents.write("a.md", "# Gateway\n\nNothing.\n")
    assert [c for _, _, c in documents.found("D3", must_state=("gap-keeps-closed",))] == ["D3-unstated"]
    documents.write("a.md", f"# Gateway\n\n{KEPT}\n")
    assert documents.found("D3", must_state=("gap-keeps-closed",)) == []
