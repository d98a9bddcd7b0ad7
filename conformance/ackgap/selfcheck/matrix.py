"""The kill matrix: which faulty Gateway is convicted of what, and what that says of requirements, scenarios and tiers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackgap.contract import Contract, Requirement
from ackgap.harness.blame import Exit
from ackgap.selfcheck.trial import ALL_TIERS, TIER_SETS, Kill, Kind, Tiers, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One faulty Gateway. `own` is its quickest kill for its own requirement, None if it survived that one."""

    name: str
    sentence: str
    requirement: str
    tier: str
    also: tuple[str, ...]  # further requirements that a pair of bugs has to be convicted of
    own: Kill | None
    missed: tuple[str, ...]  # of `also`
    others: tuple[str, ...]  # further requirements convicted
    lone: bool  # no other MUST is convicted
    shows: str  # the tiers from which its own requirement is convicted, as measured
    scenarios: tuple[str, ...]  # all in which its own requirement is convicted


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangeRow:
    """One right but strange Gateway; cleared if it would get its certificate."""

    name: str
    sentence: str
    cleared: bool
    why: str
    musts: tuple[str, ...]
    shoulds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """What a certification with these tiers can see: `right` is convicted of its own requirement, `at_all` of any."""

    tiers: Tiers
    right: int
    at_all: int
    unseen: tuple[str, ...]
    not_observable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRow:
    """A scenario that alone convicts some Gateways of their requirements."""

    scenario: str
    gateways: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All of it. `problems` is empty if the kit holds what it promises."""

    rows: tuple[Row, ...]
    strange: tuple[StrangeRow, ...]
    killers: Mapping[str, tuple[str, ...]]  # requirement -> faulty Gateways of its own
    lone: Mapping[str, tuple[str, ...]]  # requirement -> those that it alone convicts
    tiers: tuple[TierRow, ...]
    indispensable: tuple[ScenarioRow, ...]
    redundant: tuple[str, ...]  # they kill, but each kill is made elsewhere too
    idle: tuple[str, ...]  # they kill nobody
    smallest: tuple[str, ...]  # a small set that keeps every kill
    problems: tuple[str, ...]


def judged(contract: Contract) -> list[Requirement]:
    """The requirements on Gateways that are judged today."""
    return [r for r in contract.requirements.values() if r.status == "active" and r.role == "gateway"]


def of_faults(requirement: Requirement) -> bool:
    """Whether it speaks of faults, or of a metrics page, which only a service has."""
    return requirement.profile == "resilience" or not set(requirement.tiers) & set(ALL_TIERS)


def tabulate(
    contract: Contract,
    trials: Sequence[Trial],
    *,
    faulty: Mapping[str, Any],
    strange: Mapping[str, Any],
    scenarios: Sequence[str],
    whole: bool = True,
    service: bool = False,
) -> Matrix:
    """Make the matrix of all trials.

    `whole` is False if only some Gateways were run: then nothing is missing. As services the faulty ones are played in a
    few scenarios, with all tiers, which says nothing of lone killers, tiers and scenarios.
    """
    levels = {r.id: r.level for r in contract.requirements.values()}
    musts = {r for r, level in levels.items() if level == "MUST"}
    by_name: dict[tuple[Kind, str], Trial] = {(t.kind, t.name): t for t in trials}
    rows = tuple(_row(faulty[n], by_name["faulty", n], musts) for n in faulty if ("faulty", n) in by_name)
    strangers = tuple(
        _strange(n, strange[n].sentence, by_name["strange", n], musts) for n in strange if ("strange", n) in by_name
    )
    requirements = [r.id for r in judged(contract)]
    killers = {r: tuple(row.name for row in rows if row.own is not None and row.requirement == r) for r in requirements}
    lone = {r: tuple(row.name for row in rows if row.lone and row.requirement == r) for r in requirements}
    # What holds under faults was given its faulty Gateways later, and a fault often breaks several requirements at once.
    demanded = [r.id for r in judged(contract) if whole and not service and not of_faults(r)]
    kills = {row.name: set(row.scenarios) for row in rows if row.scenarios}
    only = {s: tuple(n for n, where in kills.items() if where == {s}) for s in scenarios}
    killing = set().union(*kills.values()) if kills else set()
    return Matrix(
        rows=rows,
        strange=strangers,
        killers=killers,
        lone=lone,
        tiers=tuple(_tiers(contract, tiers, rows, by_name) for tiers in TIER_SETS if not service),
        indispensable=tuple(ScenarioRow(scenario=s, gateways=names) for s, names in only.items() if names),
        redundant=tuple(s for s in scenarios if s in killing and not only[s]),
        idle=tuple(s for s in scenarios if s not in killing),
        smallest=_smallest(kills),
        problems=(
            *_survived(rows),
            *_accused(strangers, by_name, patient=service),
            *(f"{r} convicts no faulty Gateway" for r in demanded if not killers[r]),
            *(
                f"{r} has no faulty Gateway that it alone convicts"
                for r in demanded
                if r in musts and killers[r] and not lone[r]
            ),
        ),
    )


def _row(faulty: Any, trial: Trial, musts: set[str]) -> Row:
    own = trial.kills.get(faulty.requirement, ())
    others = tuple(r for r in sorted(trial.convicted) if r != faulty.requirement)
    return Row(
        name=faulty.name,
        sentence=faulty.sentence,
        requirement=faulty.requirement,
        tier=faulty.tier,
        also=faulty.also,
        own=own[0] if own else None,
        missed=tuple(r for r in faulty.also if r not in trial.convicted),
        others=others,
        lone=bool(own) and not any(r in musts for r in others),
        shows=shows(trial, faulty.requirement),
        scenarios=tuple(dict.fromkeys(k.scenario for k in own if ":" not in k.scenario)),
    )


def shows(trial: Trial, requirement: str) -> str:
    """The weakest tiers from which the requirement is convicted: `ack`, `relay`, `gate`, `relay or gate`; "" if that
    was not measured."""
    if len(trial.by_tiers) < len(TIER_SETS):
        return ""
    seen = {tiers for tiers, convicted in trial.by_tiers.items() if requirement in convicted}
    if ("ack",) in seen:
        return "ack"
    alone = [tier for tier in ("relay", "gate") if ("ack", tier) in seen]
    return " or ".join(alone) if alone else "relay and gate" if ALL_TIERS in seen else ""


def _strange(name: str, sentence: str, trial: Trial, musts: set[str]) -> StrangeRow:
    convicted = sorted(trial.convicted)
    return StrangeRow(
        name=name, sentence=sentence, cleared=trial.exit_code == 0, why=trial.why,
        musts=tuple(r for r in convicted if r in musts), shoulds=tuple(r for r in convicted if r not in musts),
    )  # fmt: skip


def _tiers(contract: Contract, tiers: Tiers, rows: Iterable[Row], trials: Mapping[tuple[Kind, str], Trial]) -> TierRow:
    seen = {row.name: trials["faulty", row.name].by_tiers.get(tiers, frozenset()) for row in rows}
    needed = {row.name: row.requirement for row in rows}
    return TierRow(
        tiers=tiers,
        right=sum(1 for name, convicted in seen.items() if needed[name] in convicted),
        at_all=sum(1 for convicted in seen.values() if convicted),
        unseen=tuple(name for name, convicted in seen.items() if not convicted),
        not_observable=tuple(r.id for r in judged(contract) if not set(tiers) & set(r.tiers)),
    )


def _smallest(kills: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Scenarios that together keep every kill, chosen greedily: the one that kills most of what is left comes next."""
    left, chosen = dict(kills), []
    while left:
        counts: dict[str, int] = {}
        for where in left.values():
            for scenario in where:
                counts[scenario] = counts.get(scenario, 0) + 1
        best = min(counts, key=lambda s: (-counts[s], s))
        chosen.append(best)
        left = {name: where for name, where in left.items() if best not in where}
    return tuple(chosen)


def _survived(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        if row.own is None:
            instead = f"only of {', '.join(row.others)}" if row.others else "of nothing"
            yield f"{row.name} is not convicted of {row.requirement}, {instead}"
        elif row.shows and row.shows != row.tier:
            yield f"{row.name} shows from {row.shows}, but its row says {row.tier}"
        for requirement in row.missed:
            yield f"{row.name} is not convicted of {requirement}, its second bug"


def _accused(rows: Iterable[StrangeRow], trials: Mapping[tuple[Kind, str], Trial], *, patient: bool) -> Iterable[str]:
    """Strange Gateways without a certificate. On a busy machine a run may be inconclusive, which accuses nobody."""
    for row in rows:
        inconclusive = trials["strange", row.name].exit_code == int(Exit.INCONCLUSIVE)
        if not row.cleared and not (patient and inconclusive):
            yield f"strange-{row.name} does nothing wrong and gets no certificate: {row.why}"
