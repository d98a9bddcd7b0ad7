"""junit.xml: one test case per requirement, for CI systems."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from ackgap.report.terminal import bug_report

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: dict[str, Any], path: Path) -> None:
    """Fail and waived are failures, not_exercised and inconclusive are errors, not_observable is a skip."""
    rows = report["requirements"]
    suite = ET.Element(
        "testsuite",
        name=f"ackgap {_clean(report['target']['name'])}",
        tests=str(len(rows)),
        failures=str(sum(1 for r in rows if r["verdict"] in {"fail", "waived"})),
        errors=str(sum(1 for r in rows if r["verdict"] in {"not_exercised", "inconclusive"})),
        skipped=str(sum(1 for r in rows if r["verdict"] == "not_observable")),
        time=f"{report['timing']['wall_s']:.3f}",
    )
    for row in rows:
        case = ET.SubElement(
            suite, "testcase", classname=f"ackgap.{row['profile']}", name=f"{row['id']} {row['level']}"
        )
        verdict = row["verdict"]
        if verdict in {"fail", "waived"}:
            ET.SubElement(case, "failure", message=_clean(f"{verdict}: {row['sentence']}")).text = _clean(
                bug_report(row, report)
            )
        elif verdict in {"not_exercised", "inconclusive"}:
            ET.SubElement(case, "error", message=f"{verdict}: {_clean(row['reason'])}")
        elif verdict == "not_observable":
            ET.SubElement(case, "skipped", message=_clean(row["reason"]))
    tree = ET.ElementTree(suite)
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    """Characters that XML cannot hold become visible escapes."""
    return _FORBIDDEN.sub(lambda m: f"\\u{ord(m.group()):04x}", text)
