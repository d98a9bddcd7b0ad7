"""`ackgap requirements`, `ackgap scenarios` and `ackgap explain`: what the kit demands and how it looks for it."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ackgap.contract import Contract, Requirement, load
from ackgap.harness.blame import Exit
from ackgap.scenario import catalogue, worldservice
from ackgap.scenario.loader import dump
from ackgap.scenario.model import Scenario
from ackgap.scenario.worldservice import WorldScenario

NO_SCENARIO = "none has to bring it about; it is judged wherever that happens"
SHAPES = click.Choice(["table", "json", "markdown"])


@click.command()
@click.option("--format", "shape", type=SHAPES, default="table", help="How to print it.")
def requirements(shape: str) -> None:
    """The requirement catalogue: id, level, profile, sentence, section.

    Example: ackgap requirements --format markdown
    """
    rows = list(load().requirements.values())
    if shape == "json":
        print(json.dumps([_requirement(r) for r in rows], indent=1))
    elif shape == "markdown":
        print(requirements_markdown(rows))
    else:
        _table(("id", "level", "profile", "status", "sentence", "section"),
               [(r.id, r.level, r.profile, r.status, r.sentence, r.section) for r in rows])  # fmt: skip


@click.command()
@click.option("--format", "shape", type=SHAPES, default="table", help="How to print it.")
def scenarios(shape: str) -> None:
    """The scenario catalogue and which requirements each must exercise.

    Example: ackgap scenarios --format json
    """
    rows = _all(load())
    if shape == "json":
        print(json.dumps([_scenario(s) for s in rows], indent=1))
        return
    cells = [(s.id, _role(s), *_settings(s), " ".join(s.exercises), s.title) for s in rows]
    heads = ("id", "role", "settings", "timeout", "must exercise", "title")
    if shape == "markdown":
        print("\n".join(_markdown(heads, cells)))
    else:
        _table(heads, cells)


@click.command()
@click.argument("name", metavar="ID")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table", help="How to print it.")
def explain(name: str, shape: str) -> None:
    """One requirement or scenario: sentence, source, interpretation, what would convict.

    Example: ackgap explain GAP-04
    """
    contract = load()
    requirement = contract.requirements.get(name.upper())
    scenario = next((s for s in _all(contract) if s.id == name), None)
    if requirement is None and scenario is None:
        print(f"ackgap: {name!r} is neither a requirement nor a scenario; see `ackgap requirements` and `ackgap scenarios`",
              file=sys.stderr)  # fmt: skip
        sys.exit(int(Exit.USAGE))
    if shape == "json":
        print(
            json.dumps(_requirement(requirement) if requirement else _scenario(scenario) if scenario else {}, indent=1)
        )
    elif requirement is not None:
        _explain_requirement(requirement, contract)
    elif scenario is not None:
        print(f"{scenario.id}: {scenario.title}\nfrom {scenario.path}\n")
        print(dump(scenario) if isinstance(scenario, Scenario) else _source_of(scenario))


def requirements_markdown(rows: list[Requirement]) -> str:
    """The catalogue as Markdown, one table per group; docs/requirements.md is made of it."""
    lines: list[str] = []
    for group in dict.fromkeys(r.group for r in rows):
        mine = [r for r in rows if r.group == group]
        lines += ["", f"## {group}", ""]
        cells = [
            (
                r.id,
                r.level,
                r.profile,
                r.sentence,
                r.section,
                r.interpretation or r.basis,
                " or ".join(r.tiers),
                r.status,
            )
            for r in mine
        ]
        lines += _markdown(("id", "level", "profile", "requirement", "source", "basis", "tiers", "status"), cells)
    return "\n".join(lines).strip()


def _explain_requirement(r: Requirement, contract: Contract) -> None:
    playing = [s for s in _all(contract) if r.id in s.exercises]
    basis = f"interpretation {r.interpretation}, see docs/interpretations.md" if r.interpretation else r.basis
    print(f"{r.id} {r.level} (profile {r.profile}, role {r.role}, {r.status})\n\n{r.sentence}\n")
    print(f"source:      {r.section}\nbasis:       {basis}\nseen from:   {' or '.join(r.tiers)}")
    print(f"antecedent:  {r.antecedent}\nconvicted by: {r.convicted_by}")
    print(f"scenarios:   {', '.join(s.id for s in playing) or NO_SCENARIO}")


def _requirement(r: Requirement) -> dict[str, Any]:
    return {name: getattr(r, name) for name in Requirement.__dataclass_fields__}


def _all(contract: Contract) -> list[Scenario | WorldScenario]:
    """The scenarios of both roles."""
    return [*catalogue.scenarios(contract), *worldservice.scenarios(contract)]


def _role(s: Scenario | WorldScenario) -> str:
    return "worldservice" if isinstance(s, WorldScenario) else "gateway"


def _settings(s: Scenario | WorldScenario) -> tuple[str, str]:
    """What a Gateway is set to; a WorldService has no settings."""
    return ("", "") if isinstance(s, WorldScenario) else (s.applies_to, s.timeout)


def _source_of(s: WorldScenario) -> str:
    return yaml.safe_dump(s.source, sort_keys=False, allow_unicode=True, width=120)


def _scenario(s: Scenario | WorldScenario) -> dict[str, Any]:
    settings, timeout = _settings(s)
    return {"id": s.id, "role": _role(s), "title": s.title, "group": s.group, "settings": settings, "timeout": timeout,
            "exercises": list(s.exercises), "path": s.path.rsplit("/schemas/", 1)[-1], "source": s.source}  # fmt: skip


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table()
    for head in heads:
        table.add_column(head, no_wrap=head in {"id", "level"})
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def _markdown(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return lines
