"""D4: what two languages of one document must have in common."""

import pytest

from ackgap.drift.config import Translation

EN = """# Gateway

## Gap

The Gateway MUST keep the order gate closed during a gap. It waits 3 s and then asks
`GET /worlds/{world_id}/activation/state_hash`.

```json
{"state_hash": "blake3:1"}
```

## ACK

ACKs go to `control.activation.ack`.
"""
KO = """# 게이트웨이

## 갭

Gateway는 gap 동안 주문 게이트를 닫아야 한다. 3초를 기다린 다음 `GET /worlds/{id}/activation/state_hash`를 조회한다.

```json
{ "state_hash": "blake3:1" }
```

## ACK

ACK는 `control.activation.ack`에 게시한다.
"""


def codes(documents, en=EN, ko=KO, **config):
    documents.write("docs/en/gateway.md", en)
    documents.write("docs/ko/gateway.md", ko)
    return [(path, code) for path, _, code in documents.found("D4", **config)]


def test_a_faithful_translation_raises_nothing(documents):
    assert codes(documents) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("## ACK\n", "### ACK\n", "D4-headings"),
        ('"blake3:1"', '"blake3:2"', "D4-examples"),
        ("3초", "5초", "D4-constant"),
        ("control.activation.ack", "control.activation.acks", "D4-constant"),
        ("/worlds/{id}/activation/state_hash", "/worlds/{id}/state_hash", "D4-endpoint"),
        ("닫아야 한다", "닫는 것이 좋다", "D4-strength"),
        ("닫아야 한다", "닫아 둘 수 있다", "D4-strength"),
    ],
)
def test_a_difference_is_found_and_both_places_are_named(documents, old, new, code):
    assert old in KO
    assert {c for _, c in codes(documents, ko=KO.replace(old, new))} == {code}
    assert all(f.related for f in documents.run("D4").findings)


def test_a_name_may_be_marked_as_code_in_one_language_only(documents):
    assert codes(documents, en=EN + "\nThe `ControlBus` keeps it.\n", ko=KO + "\nControlBus가 보관한다.\n") == []


def test_a_section_that_is_missing_is_found(documents):
    assert "D4-headings" in {c for _, c in codes(documents, ko=KO[: KO.index("## ACK")])}


def test_pairs_are_recognised_by_their_names_or_configured(documents):
    documents.write("a.md", EN)
    documents.write("a.ko.md", KO.replace("3초", "5초"))
    documents.write("manual/x.md", EN)
    documents.write("handbuch/x.md", KO.replace("3초", "5초"))
    assert {path for path, _, _ in documents.found("D4")} == {"a.md", "a.ko.md"}
    configured = (Translation(original="manual/{path}.md", translated="handbuch/{path}.md"),)
    assert {path for path, _, _ in documents.found("D4", translations=configured)} == {"manual/x.md", "handbuch/x.md"}
