"""`ackgap validate`: messages against the schemas."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from ackgap.contract import Constants, Contract, load
from ackgap.harness.blame import Exit
from ackgap.report.terminal import harmless

SIZE_LIMIT = 64 << 20
KINDS = (
    "activation-message",
    "ack-message",
    "state-hash",
    "activation-snapshot",
    "order-gate",
    "problem",
    "history",
    "report",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--schema", type=click.Choice(KINDS), help="What the messages are; by default it is inferred from their keys."
)
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
def validate(file: Path, schema: str | None, shape: str) -> None:
    """Check messages (JSON or JSON Lines) against the schemas.

    Example: ackgap validate messages.jsonl
    """
    contract = load()
    try:
        raw = sys.stdin.buffer.read(SIZE_LIMIT + 1) if str(file) == "-" else _read(file)
    except OSError as error:
        _usage(f"{file}: cannot be read: {error.strerror}")
    if len(raw) > SIZE_LIMIT:
        _usage(f"{file}: larger than {SIZE_LIMIT >> 20} MiB; split it")
    problems: list[dict[str, Any]] = []
    count = 0
    for line, text in _documents(raw.decode("utf-8", "surrogateescape")):
        count += 1
        problems += [{"line": line, **problem} for problem in check(text, schema, contract)]
    if not count:
        _usage(f"{file}: holds no message")
    if shape == "json":
        print(json.dumps({"messages": count, "problems": problems}, indent=1))
    else:
        for p in problems:
            print(harmless(f"{file}:{p['line']}: {p['pointer'] or '(whole message)'}: {p['reason']} [{p['schema']}]"))
        print(f"{count} messages, {len(problems)} problems")
    sys.exit(int(Exit.DOES_NOT_HOLD if problems else Exit.HOLDS))


def check(text: str, schema: str | None, contract: Contract) -> list[dict[str, str]]:
    """The problems of one message: schema, JSON pointer and reason of each."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [{"schema": "json", "pointer": "", "reason": f"not JSON: {error}"}]
    kind = schema or infer(document, contract.constants)
    found = []
    for problem in contract.validator(kind).iter_errors(document):
        deepest = problem
        while deepest.context:
            deepest = min(deepest.context, key=lambda e: -len(e.absolute_path))
        pointer = "".join(f"/{part}" for part in deepest.absolute_path)
        found.append({"schema": kind, "pointer": pointer, "reason": deepest.message[:300]})
    return found


def infer(document: Any, constants: Constants) -> str:
    """Which schema a message is meant to follow, by its keys."""
    if not isinstance(document, dict):
        return "activation-message"
    body = document.get("data", document) if "specversion" in document else document
    kind = document.get("type")
    if kind in {constants.ack_envelope_type, constants.ack_body_type} or (isinstance(body, dict) and "ack_ts" in body):
        return "ack-message"
    if kind in {constants.activation_envelope_type, constants.activation_body_type} or "specversion" in document:
        return "activation-message"
    if "state" in document and "state_hash" in document:
        return "activation-snapshot"
    if document.get("state") in {"open", "closed"}:
        return "order-gate"
    if "title" in document and "status" in document:
        return "problem"
    if set(document) <= {"state_hash", "world_id"} and "state_hash" in document:
        return "state-hash"
    return "activation-message"


def _documents(text: str) -> list[tuple[int, str]]:
    """One JSON document, or one per line: (line, text)."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
        whole = len(lines) > 1 and text.lstrip()[:1] in "{[" and not lines[0][1].rstrip().endswith(("}", "]"))
        return [(1, text)] if whole else lines
    return [(1, text)]


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(SIZE_LIMIT + 1)


def _usage(message: str) -> None:
    print(f"ackgap: {harmless(message)}", file=sys.stderr)
    sys.exit(int(Exit.USAGE))
