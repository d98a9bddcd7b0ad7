"""Findings for programs: JSON, and SARIF 2.1.0 for code hosts and editors."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ackgap.drift.findings import Finding, Place
from ackgap.drift.gate import Report
from ackgap.drift.output.codes import CODES

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object; `holds` decides the exit code."""
    return {
        "drift": 1,
        "holds": report.holds,
        "documents": report.documents,
        "files": report.files,
        "seconds": round(report.seconds, 3),
        "known": report.known,
        "gone": report.gone,
        "findings": [finding.as_json() for finding in report.findings],
        "suppressed": [{**finding.as_json(), "reason": reason} for finding, reason in report.suppressed],
    }


def as_sarif(report: Report, root: Path) -> dict[str, Any]:
    """The report as a SARIF log; paths are relative to `root`, which is named SRCROOT. Columns count UTF-16 units."""
    used = sorted({f.code for f in report.findings} | {f.code for f, _ in report.suppressed})
    rules = [{"id": code, "name": _camel(code), "shortDescription": {"text": CODES[code]}} for code in used]
    results = [_result(finding, used) for finding in report.findings]
    results += [
        {
            **_result(finding, used),
            "suppressions": [{"kind": "inSource", "status": "accepted", "justification": reason}],
        }
        for finding, reason in report.suppressed
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ackgap drift", "semanticVersion": _version(), "rules": rules}},
                "columnKind": "utf16CodeUnits",
                "originalUriBaseIds": {"SRCROOT": {"uri": root.resolve().as_uri() + "/"}},
                "invocations": [{"executionSuccessful": True, "exitCode": 0 if report.holds else 1}],
                "results": results,
            }
        ],
    }


def _result(finding: Finding, used: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": finding.level,
        "message": {"text": f"{finding.message}. {finding.remedy[:1].upper()}{finding.remedy[1:]}."},
        "locations": [_location(finding.place, finding.quoted)],
        "partialFingerprints": {"ackgapDrift/v1": finding.fingerprint},
    }
    if finding.norm:
        result["properties"] = {"norm": finding.norm}
    if finding.related:
        result["relatedLocations"] = [
            {"id": n, **_location(place, "")} for n, place in enumerate(finding.related, start=1)
        ]
    return result


def _location(place: Place, quoted: str) -> dict[str, Any]:
    start = _utf16(quoted, place.column)
    end = max(_utf16(quoted, place.end), start)
    region: dict[str, Any] = {"startLine": max(place.line, 1), "startColumn": start, "endColumn": end}
    if quoted:
        region["snippet"] = {"text": quoted.encode("utf-8", "replace").decode()}
    if "://" in place.path:
        artifact: dict[str, Any] = {"uri": place.path}
    elif place.path.startswith("/"):
        artifact = {"uri": Path(place.path).as_uri()}
    else:
        artifact = {"uri": quote(place.path or "."), "uriBaseId": "SRCROOT"}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _utf16(line: str, column: int) -> int:
    """A column in characters as one in UTF-16 units."""
    return column + sum(1 for c in line[: column - 1] if ord(c) > 0xFFFF)


def _camel(code: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in code.split("-"))


def _version() -> str:
    try:
        return version("ackgap")
    except PackageNotFoundError:
        return "0"
