"""The kill matrix in words: Markdown for the docs and for CI, JSON for tools, lines for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ackgap.contract import Contract
from ackgap.selfcheck.matrix import Matrix, Row, judged

TIERS = {
    ("ack",): "ACK topic only",
    ("ack", "relay"): "ACK topic and relay",
    ("ack", "gate"): "ACK topic and gate",
    ("ack", "relay", "gate"): "all three",
}


def document(contract: Contract, matrix: Matrix, *, seed: int, mode: str) -> dict[str, Any]:
    """The matrix as JSON. Times are virtual ms since the beginning of the scenario, or real ones in service mode."""
    return {
        "contract_digest": contract.digest,
        "mode": mode,
        "seed": seed,
        "holds": not matrix.problems,
        "problems": list(matrix.problems),
        "gateways": [asdict(row) for row in matrix.rows],
        "strange": [asdict(row) for row in matrix.strange],
        "requirements": [
            {"id": r.id, "level": r.level, "killers": list(matrix.killers[r.id]), "lone": list(matrix.lone[r.id])}
            for r in judged(contract)
        ],
        "scenarios": {
            "indispensable": [asdict(row) for row in matrix.indispensable],
            "redundant": list(matrix.redundant),
            "idle": list(matrix.idle),
            "smallest": list(matrix.smallest),
        },
        "tiers": [asdict(row) for row in matrix.tiers],
    }


def summary(matrix: Matrix) -> str:
    """One line of figures."""
    killed = sum(1 for row in matrix.rows if row.own is not None)
    cleared = sum(1 for row in matrix.strange if row.cleared)
    lone = sum(1 for names in matrix.lone.values() if names)
    return (
        f"{killed} of {len(matrix.rows)} faulty Gateways convicted of their own requirement, {cleared} of "
        f"{len(matrix.strange)} strange ones cleared, {lone} of {len(matrix.lone)} requirements with a Gateway that they "
        "alone convict"
    )


def markdown(contract: Contract, matrix: Matrix, *, head: str = "") -> str:
    """The whole matrix as one page."""
    parts = [
        "# Kill matrix",
        head,
        "A judge is as good as the wrong Gateways that it convicts and the right ones that it clears. These ship with the "
        "kit, each one decision away from the reference; `ackgap selfcheck` plays them all in virtual time, and with "
        "`--service` as real processes over Kafka.",
        f"{summary(matrix)}.",
        *_problems(matrix),
        "## Faulty Gateways",
        "Played as `reference:NAME`. *Shows from* is the weakest tier that suffices besides the ACK topic. *Killed by* is "
        "the scenario that convicts soonest, with the virtual time and the records delivered until then. *Alone* marks "
        "those that no other MUST convicts.",
        *(_group(group, rows) for group, rows in _by_group(matrix.rows).items()),
        "## Right but strange Gateways",
        "Played as `reference:strange-NAME`. They do what the contract allows and the reference does not do; each has to "
        "get its certificate. What a SHOULD says of them is listed.",
        _table(
            ("Gateway", "what it does", "certificate", "SHOULDs broken"),
            (
                (f"`{s.name}`", s.sentence, "yes" if s.cleared else f"no: {s.why}", ", ".join(s.shoulds))
                for s in matrix.strange
            ),
        ),
        "## Requirements",
        "Faulty Gateways of each requirement; in bold those that no other MUST convicts. Every MUST needs one of them, or "
        "it could go and nobody would notice; not so those of the group FLT, as one fault breaks several promises. What "
        "shows only on a metrics page (OBS) has its faulty Gateways too; they are played with `--service`.",
        _table(
            ("requirement", "level", "faulty Gateways"),
            ((r.id, r.level, _killers(matrix, r.id)) for r in judged(contract)),
        ),
        "## What fewer tiers can see",
        "A target that offers fewer tiers is certified on less. *Convicted at all* counts the faulty Gateways of which "
        "something is seen, *of their own requirement* those that are convicted of what is wrong with them.",
        _table(
            ("tiers", "convicted at all", "of their own requirement", "requirements not observable"),
            (
                (
                    TIERS[t.tiers],
                    f"{t.at_all} of {len(matrix.rows)}",
                    str(t.right),
                    ", ".join(t.not_observable) or "none",
                )
                for t in matrix.tiers
            ),
        ),
        *(f"Not seen with {TIERS[t.tiers]}: {_names(t.unseen)}." for t in matrix.tiers if t.unseen),
        "## Scenarios",
        f"{len(matrix.indispensable)} scenarios are the only ones that convict some faulty Gateway of its requirement:",
        _table(("scenario", "alone convicts"), ((s.scenario, _names(s.gateways)) for s in matrix.indispensable)),
        f"Without any one of the other {len(matrix.redundant)} nothing would be lost, and {len(matrix.idle)} convict nobody: "
        f"{_plain(matrix.idle)}. A conformant Gateway that is wrong in a way that nobody has thought of yet may still fail "
        "there, so they stay.",
        f"A small set that keeps every kill has {len(matrix.smallest)} scenarios: {_plain(matrix.smallest)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def lines(matrix: Matrix) -> list[tuple[str, ...]]:
    """Rows for a terminal table: Gateway, requirement, tier, scenario, time, alone."""
    rows: list[tuple[str, ...]] = []
    for row in matrix.rows:
        kill = row.own
        rows.append(
            (
                row.name,
                row.requirement,
                row.shows or row.tier,
                kill.scenario if kill else "SURVIVES",
                f"{kill.after_ms:.0f} ms" if kill else "",
                "alone" if row.lone else f"+{len(row.others)}" if row.others else "",
            )
        )
    return rows


def _problems(matrix: Matrix) -> list[str]:
    return ["**It does not hold:**\n" + "\n".join(f"- {p}" for p in matrix.problems)] if matrix.problems else []


def _by_group(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.requirement.partition("-")[0], []).append(row)
    return groups


def _group(group: str, rows: Sequence[Row]) -> str:
    cells = (
        (
            f"`{row.name}`",
            row.sentence,
            ", ".join([row.requirement, *row.also]),
            row.tier,
            f"{row.own.scenario} ({row.own.after_ms:.0f} ms, {row.own.deliveries} records)" if row.own else "nothing",
            "yes" if row.lone else "",
            ", ".join(row.others),
        )
        for row in sorted(rows, key=lambda row: row.requirement)
    )
    heads = ("Gateway", "what is wrong", "breaks", "shows from", "killed by", "alone", "convicted of as well")
    return f"### {group}\n\n{_table(heads, cells)}"


def _killers(matrix: Matrix, requirement: str) -> str:
    lone = matrix.lone[requirement]
    return ", ".join(f"**`{n}`**" if n in lone else f"`{n}`" for n in matrix.killers[requirement]) or "none"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _plain(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    found += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(found)
