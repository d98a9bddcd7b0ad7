"""report.html and badge.json."""

import re
from html.parser import HTMLParser

import pytest
from tests.report.test_reports import EVIL, finding, judgement, report

from ackgap.oracle.ledger import Finding
from ackgap.report import badge, html
from ackgap.report.conclusion import Question


class Page(HTMLParser):
    """Every element and all text of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def hostile_report():
    found = judgement(ACK_02="inconclusive")
    found.findings["ACK-01"] = finding("ACK-01", "fail", message=EVIL, scenario=EVIL)
    found.findings["GATE-01"] = Finding(
        requirement="GATE-01", verdict="not_exercised", exercised=0, convictions=0, tier="ack", reason=EVIL, evidence=()
    )
    made = report(found)
    made["why"] = made["notes"] = EVIL
    made["notes"] = [EVIL]
    made["environment"]["bus_fallback"] = EVIL
    made["target"]["version"] = made["target"]["given"] = EVIL
    for scenario in made["scenarios"]:
        scenario["id"] = scenario["setting"] = EVIL
        scenario["exercised"] = [EVIL]
    return made


def test_whatever_a_target_sends_is_escaped():
    text = html.render(hostile_report())
    text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    page = Page(text)
    assert "script" not in page.elements
    assert "<script>alert(1)</script>" in page.text
    assert page.text.count("[bold]x[/bold]") > 8
    assert "&lt;" not in page.text
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_the_page_needs_nothing_else_and_shows_everything():
    made = report(judgement(ACK_01="fail", GAP_02="waived"))
    page = Page(html.render(made))
    assert not {"script", "link", "img", "iframe"} & set(page.elements)
    links = [value for name, value in page.attributes if name in {"src", "href"}]
    assert links
    assert {link[1:] for link in links} <= {value for name, value in page.attributes if name == "id"}
    assert (
        "Content-Security-Policy" in dict(page.attributes).values()
        or ("http-equiv", "Content-Security-Policy") in page.attributes
    )
    for row in made["requirements"]:
        assert row["id"] in page.text
        assert row["sentence"] in page.text
    assert "what happened, in order" in page.text
    assert made["why"] in page.text


@pytest.mark.parametrize(
    ("verdicts", "question", "changes", "message", "colour"),
    [
        ({}, Question(), {}, "resync conformant (ack)", "brightgreen"),
        ({}, Question(profiles=("core",)), {}, "core conformant (ack)", "brightgreen"),
        ({"ACK_01": "fail"}, Question(), {}, "not conformant", "red"),
        ({"ACK_01": "not_exercised"}, Question(), {}, "not conformant", "red"),
        ({"ACK_01": "inconclusive"}, Question(), {}, "inconclusive", "yellow"),
        ({}, Question(partial=True), {}, "no certificate: a part of the suite", "lightgrey"),
        ({}, Question(), {"gap_timeout_ms": 1200}, "no certificate: shortened timeout", "lightgrey"),
    ],
)
def test_the_badge_claims_no_more_than_the_report(verdicts, question, changes, message, colour):
    made = report(judgement(**verdicts), question)
    made["question"] = {"profiles": list(question.profiles), **changes}
    assert badge.badge(made) == {"schemaVersion": 1, "label": "ACK/Gap Resync", "message": message, "color": colour}


def test_tiers_are_named_unless_all_were_seen_and_virtual_time_always():
    made = report(judgement())
    made["question"] = {"profiles": ["resync"]}
    made["target"]["tiers"] = ["ack", "relay", "gate"]
    assert badge.badge(made)["message"] == "resync conformant"
    made["environment"]["time"] = "virtual"
    assert badge.badge(made)["message"] == "resync conformant, virtual time"
    made["exit_code"] = 5
    assert badge.badge(made)["message"] == "not judged"
