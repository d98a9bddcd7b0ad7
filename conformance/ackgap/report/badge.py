"""badge.json: one line for a README, in the form of shields.io's endpoint badges. It claims no more than the report."""

import json
from pathlib import Path
from typing import Any

from ackgap.report.terminal import harmless

LABEL = "ACK/Gap Resync"
EVERY_TIER = 3  # ack, relay and gate; metrics are offered by few
COLOURS = {0: "brightgreen", 1: "red", 6: "yellow"}


def badge(report: dict[str, Any]) -> dict[str, Any]:
    """What the badge says: the strongest profile that was asked for, and on which tiers it was seen."""
    asked = report["question"].get("profiles") or list(report["profiles"])
    name = asked[-1]
    code = report["exit_code"]
    message, colour = "not conformant", COLOURS.get(code, "lightgrey")
    if code == 0 and report["question"].get("gap_timeout_ms"):
        message, colour = "no certificate: shortened timeout", "lightgrey"
    elif code == 0 and all(report["profiles"][profile]["conformant"] for profile in asked):
        tiers = report["target"]["tiers"]
        seen = f" ({', '.join(tiers)})" if len(tiers) < EVERY_TIER else ""
        virtual = ", virtual time" if report["environment"].get("time") == "virtual" else ""
        message = f"{name} conformant{seen}{virtual}"
    elif code == 0:
        message, colour = "no certificate: a part of the suite", "lightgrey"
    elif code != 1:
        message = "inconclusive" if code == 6 else "not judged"
    return {"schemaVersion": 1, "label": LABEL, "message": harmless(message), "color": colour}


def write(report: dict[str, Any], path: Path) -> None:
    """Write it."""
    path.write_text(json.dumps(badge(report), indent=1) + "\n", encoding="utf-8")
