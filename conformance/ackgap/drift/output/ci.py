"""Findings for CI systems: annotations of GitHub, and JUnit XML."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from ackgap.drift.findings import Finding
from ackgap.drift.gate import Report
from ackgap.drift.output.codes import CODES
from ackgap.drift.output.terminal import quoted

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def annotations(report: Report) -> Iterator[str]:
    """One workflow command per finding; GitHub shows them beside the lines of a pull request."""
    for finding in report.findings:
        place = finding.place
        properties = {
            "file": place.path,
            "line": str(place.line),
            "col": str(place.column),
            "endColumn": str(max(place.end - 1, place.column)),
            "title": f"{finding.code}{f' {finding.norm}' if finding.norm else ''}",
        }
        told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        yield f"::{_COMMANDS[finding.level]} {told}::{_data(f'{finding.message}. What to do: {finding.remedy}')}"


def junit(report: Report) -> str:
    """JUnit XML: one test case per code that the run knows, failed where something was found."""
    failed: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.level != "note":
            failed.setdefault(finding.code, []).append(finding)
    suite = ET.Element(
        "testsuite",
        name="ackgap drift",
        tests=str(len(CODES)),
        failures=str(len(failed)),
        errors="0",
        skipped="0",
        time=f"{report.seconds:.3f}",
    )
    for code, meaning in CODES.items():
        case = ET.SubElement(suite, "testcase", classname=f"ackgap.drift.{code[:2]}", name=code)
        if code in failed:
            text = "\n\n".join(_told(finding) for finding in failed[code])
            ET.SubElement(case, "failure", message=f"{len(failed[code])}: {meaning}").text = _clean(text)
    ET.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _told(finding: Finding) -> str:
    line, caret = quoted(finding)
    return f"{finding.place}: {finding.level}: {finding.message}\n  {line}\n  {caret}\n  what to do: {finding.remedy}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub(lambda m: f"\\u{ord(m.group()):04x}", text)
