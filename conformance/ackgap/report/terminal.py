"""What a person reads: the table of verdicts, and failures that read like bug reports.

Everything that a target has sent is made harmless first: no control character of it reaches the terminal.
"""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

STYLES = {
    "pass": "green", "fail": "bold red", "waived": "yellow", "not_exercised": "magenta",
    "not_observable": "cyan", "inconclusive": "yellow",
}  # fmt: skip
SHOWN_OBSERVATIONS = 16
SHOWN_EVIDENCE = 2
CUT = 260


def harmless(text: str) -> str:
    """Control characters, surrogates and the like become visible escapes; line breaks stay."""
    return "".join(c if c == "\n" or (c.isprintable() and not 0xD800 <= ord(c) < 0xE000) else _visible(c) for c in text)


def show(report: dict[str, Any], console: Console, *, quiet: bool = False) -> None:
    """Print a report."""
    if not quiet:
        console.print(_table(report))
    for row in report["requirements"]:
        if row["verdict"] == "fail":
            console.rule(f"[bold red]{row['id']}[/] {row['level']}", align="left")
            console.print(escape(bug_report(row, report)), highlight=False, soft_wrap=True)
    if report.get("recovery") and not quiet:
        console.print(_recovery_table(report["recovery"]))
    _notes(report, console)
    for name, profile in report["profiles"].items():
        counts = ", ".join(f"{profile[k]} {k}" for k in STYLES if profile.get(k))
        word = "[green]conformant[/]" if profile["conformant"] else "[red]no certificate[/]"
        lacking = profile.get("not_applicable")
        limits = f"; without {', '.join(lacking)}, for which it lacks the setting" if lacking else ""
        console.print(f"profile [bold]{name}[/]: {word} ({counts}){limits}", highlight=False)
    console.print(
        f"exit code {report['exit_code']}: {escape(harmless(report['why']))}", highlight=False, soft_wrap=True
    )


def bug_report(row: dict[str, Any], report: dict[str, Any]) -> str:
    """One failed requirement: what it says, what was sent, what was seen, why that is forbidden, how to see it again."""
    lines = [row["sentence"], f"source: {row['section']} ({row['basis']})", f"broken {row['convictions']} times", ""]
    for evidence in row["evidence"][:SHOWN_EVIDENCE]:
        lines += [f"in scenario {evidence['scenario']} ({evidence['setting']}), seen from the {evidence['tier']} tier:"]
        lines += [f"  {evidence['message']}"]
        if evidence["margin_ms"] is not None:
            lines += [f"  beyond the tolerated margin by {evidence['margin_ms']:.0f} ms"]
        lines += ["  what happened, in order:"]
        lines += [f"    {line}" for line in told(evidence["observations"])]
        lines += [
            f"  again: ackgap certify {report['target'].get('given', 'TARGET')} --scenario {evidence['scenario']}",
            "",
        ]
    return harmless("\n".join(lines).rstrip())


def _table(report: dict[str, Any]) -> Table:
    table = Table(
        title=escape(harmless(f"{report['target']['name']} on the {report['environment']['bus']} bus")),
        title_justify="left",
    )
    for column in ("id", "level", "verdict", "tier", "times", "requirement"):
        table.add_column(column, no_wrap=column != "requirement", justify="right" if column == "times" else "left")
    for row in report["requirements"]:
        style = STYLES[row["verdict"]]
        table.add_row(
            row["id"],
            row["level"],
            f"[{style}]{row['verdict']}[/]",
            row["tier"] or "-",
            str(row["exercised"]),
            escape(row["sentence"]),
        )
    return table


def _recovery_table(recovery: dict[str, Any]) -> Table:
    limit = f", limit {recovery['limit_ms']:g} ms" if recovery["limit_ms"] is not None else ""
    table = Table(title=f"recovery after the last fault, ms (p50 / p99{limit})", title_justify="left")
    for column in ("fault", "times", "gate right", "ACKs complete", "worst"):
        table.add_column(column, no_wrap=column != "fault", justify="left" if column == "fault" else "right")
    for row in recovery["faults"]:
        over = recovery["limit_ms"] is not None and row["whole_ms"]["p99"] > recovery["limit_ms"]
        worst = f"{row['whole_ms']['max']:.0f}"
        table.add_row(
            escape(harmless(row["fault"])), str(row["count"]), _pair(row["gate_ms"]), _pair(row["acks_ms"]),
            f"[red]{worst}[/]" if over else worst,
        )  # fmt: skip
    return table


def _pair(figures: dict[str, float]) -> str:
    return f"{figures['p50']:.0f} / {figures['p99']:.0f}"


def _notes(report: dict[str, Any], console: Console) -> None:
    fallback = report["environment"].get("bus_fallback")
    if fallback:
        console.print(f"note: {escape(fallback)}", highlight=False)
    for reason, ids in _left_out(report):
        console.print(f"note: not applicable: {reason}: {', '.join(ids)}", highlight=False, soft_wrap=True)
    for note in report["notes"]:
        console.print(f"note: {escape(harmless(note))}", highlight=False, soft_wrap=True)
    certified = report.get("question", {}).get("gap_timeout_ms")
    if certified:
        console.print(f"note: run with a gap timeout of {certified} ms: no certificate of the default", highlight=False)
    timing = report["timing"]
    console.print(
        f"{len(report['scenarios'])} scenario runs in {timing['wall_s']:.1f} s ({timing['startup_s']:.1f} s start-up, longest "
        f"scenario {timing['longest_scenario_s']:.1f} s, round trip p50 {timing['round_trip_ms']['p50']:.1f} ms)",
        highlight=False,
    )


def _left_out(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Scenarios that were not played, by the reason."""
    reasons: dict[str, list[str]] = {}
    for scenario, reason in sorted(report["environment"].get("left_out", {}).items()):
        reasons.setdefault(reason, []).append(scenario)
    return sorted(reasons.items())


def told(observations: list[dict[str, Any]]) -> Iterator[str]:
    """The last observations of a piece of evidence, one line each: when, and what was seen."""
    kept = [o for o in observations if o["kind"] != "emitted"][-SHOWN_OBSERVATIONS:]
    for o in kept:
        text = f"{o['t'] / 1e9:9.3f} s  {_line(o)}"
        yield text if len(text) <= CUT else text[:CUT] + "…"


def _line(o: dict[str, Any]) -> str:
    match o["kind"]:
        case "delivered":
            return f"delivered  partition {o['partition']} offset {o['offset']}: {_message(o['value'])}"
        case "ack_seen":
            return (
                f"ACK        partition {o['partition']} offset {o['offset']} key {o['key']!r}: {_message(o['value'])}"
            )
        case "frame_seen":
            return f"relay      {_message(o['value'])}"
        case "gate_seen":
            return f"gate       run {o['run_id']!r} is {o['state']} (status {o['status']})"
        case "request_seen":
            return f"request    {o['method']} {o['path']}"
        case "answer_sent":
            return f"answer     {o['endpoint']} {o['failure'] or o['status']}: {o['body'][:120]}"
        case "settled":
            return f"settled    everything up to {o['upto'] / 1e9:.3f} s was read ({o['proof']})"
        case "barrier_missed":
            return f"no marker  within {o['waited_ms']:.0f} ms"
        case other:
            return str(other)


def _message(value: str) -> str:
    try:
        document = json.loads(value)
        body = document.get("data", document) if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "sequence" not in body:
        return value[:120]
    flags = " ".join(f"{k}={str(body[k]).lower()}" for k in ("freeze", "drain", "active") if k in body)
    return f"run {body.get('run_id')!r} sequence {body.get('sequence')} {body.get('phase')} {flags}".rstrip()


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
