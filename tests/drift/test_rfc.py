"""The RFC itself raises no alarm; turned round by one small edit it raises exactly one."""

import pytest
from tests.drift.conftest import SEEDS

TURNS = [
    ("선형 재생을 강제하며", "선형 재생을 강제하지 않으며", {"linear-replay"}),
    ("2단 ACK는 구현 필수가 아닙니다", "2단 ACK는 구현 필수입니다", {"ack-single-stage"}),
    ("하드 블로킹하지 않습니다", "하드 블로킹합니다", {"completion-does-not-wait"}),
    ("순서대로 적용한 확인으로 고정", "수신한 확인으로 고정", {"ack-after-apply"}),
    ("reconcile 수행.", "reconcile 생략.", {"resync-forced"}),
    ("권고안은 **옵션 A**", "권고안은 **옵션 B**", {"option-a"}),
    ("Gateway 단일 ACK를 의미한다", "2단 ACK를 의미한다", {"ack-single-stage"}),
    (
        "적용/ACK되기 전까지 후행 이벤트(특히 unfreeze)를 적용하지 않는다",
        "적용/ACK되기 전에도 후행 이벤트(특히 unfreeze)를 적용한다",
        {"linear-replay", "no-unfreeze-in-gap"},
    ),
    ("activation_gap_timeout_ms=3000", "activation_gap_timeout_ms=5000", {"gap-timer"}),
    ("주문 게이트 유지(닫힘)", "주문 게이트 개방(열림)", {"gap-keeps-closed"}),
    ("로 divergence 확인.", "로 divergence 확인하지 않음.", {"resync-probe-first"}),
    ("snapshot 조회 후 로컬 상태 재동기화", "snapshot 조회 없이 로컬 상태 유지", {"resync-forced"}),
    ("unfreeze 적용 금지", "unfreeze 적용 허용", {"no-unfreeze-in-gap"}),
    ("하드 블로킹하지 않는다", "하드 블로킹한다", {"completion-does-not-wait"}),
    ("(기본 off)", "(기본 on)", {"flag-default-off"}),
    ("exactly-once로 변경하지 않는다", "exactly-once로 변경한다", {"at-least-once"}),
    ("를 포함해 발행합니다", "를 제외하고 발행합니다", {"event-fields"}),
    (
        "`control.activation.ack`로 ACK를 게시합니다",
        "`control.activation.ack`로 ACK를 게시하지 않습니다",
        {"ack-published"},
    ),
]


@pytest.fixture(scope="module")
def rfc() -> str:
    files = [file for seed in SEEDS if seed.is_dir() for file in sorted(seed.glob("*.txt"))]
    if not files:
        pytest.skip("the text of the RFC is not beside this project (shared/seed/)")
    return files[0].read_text(encoding="utf-8")


def test_the_rfc_raises_no_alarm(documents, rfc):
    documents.write("rfc.md", rfc)
    assert documents.found() == []


@pytest.mark.parametrize(("said", "turned", "norms"), TURNS, ids=[f"{n}-{t[0][:24]}" for n, t in enumerate(TURNS, 1)])
def test_one_norm_turned_round_raises_exactly_that_alarm(documents, rfc, said, turned, norms):
    assert said in rfc
    edited = rfc.replace(said, turned, 1)
    line = next(
        n for n, pair in enumerate(zip(rfc.split("\n"), edited.split("\n"), strict=True), 1) if pair[0] != pair[1]
    )
    documents.write("rfc.md", edited)
    alarms = [f for f in documents.run().findings if f.level != "note"]
    assert [f.place.line for f in alarms] == [line]
    assert alarms[0].norm in norms
    assert alarms[0].quoted == edited.split("\n")[line - 1]
