"""A page in two languages as its history might change it: one wrong edit, one alarm on its line."""

from pathlib import Path

import pytest

PAIR = Path(__file__).parent / "pair"
EDITS = [
    ("en", "Apply completion does not block on the ACK stream.", "Apply completion blocks on the ACK stream."),
    ("en", "Apply completion does not block on the ACK stream.", "Apply returns once the ACK stream has converged."),
    ("en", "Gateways apply the events linearly and publish", "Gateways publish on receipt"),
    (
        "en",
        "Gateways apply the events linearly and publish `ActivationAck` to",
        "Gateways acknowledge each event when it arrives by publishing `ActivationAck` to",
    ),
    ("en", "inactive, gate closed", "last known state, gate open"),
    (
        "en",
        "the Gateway reconciles by HTTP before any unfreeze",
        "the Gateway skips them after a timeout and applies the unfreeze",
    ),
    ("en", "the Gateway reconciles by HTTP before any unfreeze", "the Gateway may reconcile by HTTP"),
    ("en", "delivered at least once; consumers deduplicate", "delivered exactly once; consumers sort"),
    ("en", "Stale snapshots are rejected by", "Stale snapshots are accepted by"),
    (
        "en",
        "Orders are gated by the Gateway until the unfreeze has been applied.",
        "Orders are accepted while events are missing.",
    ),
    ("en", "Duplicates are ignored.", "Duplicates are applied again."),
    ("ko", "apply 완료는 ACK 스트림을 기다리지 않는다.", "apply 완료는 ACK 스트림을 기다린다."),
    ("ko", "apply 완료는 ACK 스트림을 기다리지 않는다.", "ACK 스트림이 수렴해야 apply가 완료된다."),
    ("ko", "Gateway는 이벤트를 선형으로 적용하고", "Gateway는 이벤트를 수신하는 즉시"),
    ("ko", "Gateway는 이벤트를 선형으로 적용하고", "Gateway는 이벤트를 도착 순서대로 적용하고"),
    ("ko", "비활성, 게이트 닫힘", "마지막 상태, 게이트 열림"),
    ("ko", "Gateway는 unfreeze 전에 HTTP로 reconcile한다", "Gateway는 timeout 후 이를 건너뛰고 unfreeze를 적용한다"),
    ("ko", "Gateway는 unfreeze 전에 HTTP로 reconcile한다", "Gateway는 HTTP로 reconcile할 수 있다"),
    ("ko", "at-least-once로 전달되며 소비자는", "정확히 한 번 전달되며 소비자는"),
    ("ko", "오래된 snapshot은 `etag`와 `state_hash`로 거부한다", "오래된 snapshot도 받아들인다"),
    ("ko", "unfreeze가 적용될 때까지 Gateway가 주문을 막는다.", "이벤트가 빠져 있어도 주문을 받는다."),
    ("ko", "중복은 무시한다.", "중복은 다시 적용한다."),
]


def page(language: str) -> str:
    return (PAIR / language / "worldservice.md").read_text(encoding="utf-8")


def test_the_pair_raises_nothing(documents):
    for language in ("en", "ko"):
        documents.write(f"docs/{language}/worldservice.md", page(language))
    assert documents.found() == []


@pytest.mark.parametrize(("language", "said", "turned"), EDITS, ids=range(len(EDITS)))
def test_a_wrong_edit_is_found_where_it_was_made(documents, language, said, turned):
    text = page(language)
    assert said in text
    line = text[: text.index(said)].count("\n") + 1
    documents.write("worldservice.md", text.replace(said, turned))
    assert [(at, code[:3]) for _, at, code in documents.found("D1", "D2", "D3")] == [(line, "D3-")]
