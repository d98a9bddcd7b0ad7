"""From a judgement to a conclusion: verdict rows, profiles, scenarios and the exit code. Pure, so that it can be redone."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ackgap.contract import PROFILES, Contract, Requirement
from ackgap.harness.blame import Exit
from ackgap.oracle.judge import Judgement
from ackgap.oracle.ledger import Evidence, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedScenario:
    """A scenario as it was played: what it had to exercise, and how it went."""

    id: str
    setting: str
    world_id: str
    must_exercise: tuple[str, ...]
    duration_s: float
    complete: bool
    failure: str = ""  # what the kit could not do as the scenario wants it


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A known failure: `requirement` and `scenario` are globs; `expires` is a date or ""."""

    requirement: str
    reason: str
    scenario: str = "*"
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the conclusion is asked for."""

    profiles: tuple[str, ...] = ("resync",)
    requirements: tuple[str, ...] = ()  # globs; empty means all
    partial: bool = False  # only chosen scenarios were played: no certificate
    role: str = "gateway"
    own: bool = False  # the target ships with the kit: a broken scenario is the kit's fault
    waivers: tuple[Waiver, ...] = ()
    cut_short: str = ""  # why the run ended before everything was played; the target is to blame
    advice: str = ""  # which options to change if the target was too slow to be judged
    not_applicable: Mapping[str, str] = field(default_factory=dict)  # requirement -> which setting the target lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """All verdicts of a run, ready to be written."""

    requirements: tuple[dict[str, Any], ...]
    profiles: Mapping[str, dict[str, Any]]
    scenarios: tuple[dict[str, Any], ...]
    exit_code: Exit
    why: str
    notes: tuple[str, ...] = field(default=())


def conclude(
    contract: Contract, judgement: Judgement, played: Sequence[PlayedScenario], question: Question
) -> Conclusion:
    """Draw the conclusion."""
    demanded = {r.id for name in question.profiles for r in contract.demanded(name)}
    rows: list[dict[str, Any]] = []
    needed: list[Waiver] = []
    for finding in judgement.findings.values():
        requirement = contract.requirements[finding.requirement]
        if requirement.id not in demanded or not _chosen(requirement.id, question.requirements):
            continue
        fitting = [w for w in question.waivers if fnmatch.fnmatchcase(finding.requirement, w.requirement)]
        covering, waived = _covering(finding, fitting, judgement)
        needed += covering
        row = _row(requirement, finding, covering if waived else ())
        if row["verdict"] == "not_exercised" and requirement.id in question.not_applicable:
            row |= {"verdict": "not_observable", "reason": question.not_applicable[requirement.id]}
        rows.append(row)
    stale = _stale(question, rows, needed)
    scenarios = _scenarios(judgement, played)
    own = {*contract.own_profiles(question.role), *question.profiles}
    included = [name for name in PROFILES if any(set(PROFILES[name]) <= set(PROFILES[p]) for p in question.profiles)]
    included = [name for name in included if name in own]
    profiles = {name: _profile(contract, rows, name, question) for name in included}
    code, why = _exit(rows, scenarios, stale, question)
    notes = [
        f"scenario {s['id']} ({s['setting']}) is broken: it did not bring about {', '.join(s['missing'])}"
        for s in scenarios
        if s["verdict"] == "broken" and s["missing"]
    ]
    notes += [
        f"scenario {s['id']} ({s['setting']}) is broken: nothing was felt of {', '.join(s['not_felt'])}"
        for s in scenarios
        if s["not_felt"]
    ]
    notes += [f"scenario {s['id']} ({s['setting']}) is broken: {s['failure']}" for s in scenarios if s["failure"]]
    notes += [f"{row['id']} is {row['reason']}" for row in rows if row["verdict"] == "waived"]
    notes += [f"waiver for {w.requirement} ({w.reason}) is not needed any more: take it out" for w in stale]
    return Conclusion(
        requirements=tuple(rows),
        profiles=profiles,
        scenarios=tuple(scenarios),
        exit_code=code,
        why=why,
        notes=tuple(notes),
    )


def within_limit(conclusion: Conclusion, too_slow: Sequence[str]) -> Conclusion:
    """The same conclusion, unless a limit was set for recoveries and some faults took longer."""
    if not too_slow or conclusion.exit_code is not Exit.HOLDS:
        return conclusion
    why = f"{conclusion.why}, but recovery took longer than the limit after {', '.join(too_slow)}"
    return replace(conclusion, exit_code=Exit.DOES_NOT_HOLD, why=why)


def _chosen(requirement: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatch.fnmatchcase(requirement, glob) for glob in globs)


def _covering(finding: Finding, fitting: Sequence[Waiver], judgement: Judgement) -> tuple[list[Waiver], bool]:
    """The waivers that cover some of the failures of a requirement, and whether together they cover them all."""
    if finding.verdict != "fail":
        return [], False
    failed = {f.scenario for f in judgement.scenarios if finding.requirement in f.convicted}
    failed |= {e.scenario for e in finding.evidence}
    covering = [w for w in fitting if any(fnmatch.fnmatchcase(scenario, w.scenario) for scenario in failed)]
    left = [s for s in failed if not any(fnmatch.fnmatchcase(s, w.scenario) for w in covering)]
    return covering, bool(covering) and not left


def _stale(question: Question, rows: Sequence[dict[str, Any]], needed: Sequence[Waiver]) -> list[Waiver]:
    """The waivers that cover nothing although everything they speak of was judged, and judged well."""
    if question.partial or question.requirements:
        return []
    stale = []
    for waiver in question.waivers:
        spoken_of = [row for row in rows if fnmatch.fnmatchcase(row["id"], waiver.requirement)]
        judged = spoken_of and all(row["verdict"] not in {"inconclusive", "not_exercised"} for row in spoken_of)
        if judged and waiver not in needed:
            stale.append(waiver)
    return stale


def _row(requirement: Requirement, finding: Finding, waivers: Sequence[Waiver]) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "level": requirement.level,
        "profile": requirement.profile,
        "verdict": "waived" if waivers else finding.verdict,
        "tier": finding.tier,
        "basis": requirement.interpretation or requirement.basis,
        "section": requirement.section,
        "sentence": requirement.sentence,
        "exercised": finding.exercised,
        "convictions": finding.convictions,
        "reason": "; ".join(_told(w) for w in waivers) or finding.reason,
        "evidence": [_evidence(e) for e in finding.evidence],
    }


def _told(waiver: Waiver) -> str:
    where = "" if waiver.scenario == "*" else f" in {waiver.scenario}"
    return f"waived{where}: {waiver.reason}" + (f" (until {waiver.expires})" if waiver.expires else "")


def _evidence(e: Evidence) -> dict[str, Any]:
    return {
        "scenario": e.scenario,
        "setting": e.instance,
        "world_id": e.world_id,
        "tier": e.tier,
        "message": e.message,
        "margin_ms": e.margin_ms,
        "proof": e.proof,
        "observations": list(e.observations),
    }


def _scenarios(judgement: Judgement, played: Sequence[PlayedScenario]) -> list[dict[str, Any]]:
    seen = {(f.instance, f.scenario): f for f in judgement.scenarios}
    observable = {f.requirement for f in judgement.findings.values() if f.tier}
    rows = []
    for scenario in played:
        found = seen.get((scenario.setting, scenario.id))
        exercised = found.exercised if found else frozenset()
        excused = (found.convicted | found.doubted) if found else frozenset()
        missing = sorted((set(scenario.must_exercise) & observable) - exercised - excused)
        not_felt = sorted(found.not_felt) if found else []
        broken = (missing and not excused) or not_felt
        verdict = "ok" if scenario.complete and not broken else "broken"
        if not scenario.complete and not scenario.failure:
            verdict = "aborted"
        rows.append(
            {
                "id": scenario.id,
                "world_id": scenario.world_id,
                "setting": scenario.setting,
                "verdict": verdict,
                "duration_s": round(scenario.duration_s, 3),
                "exercised": sorted(exercised),
                "must_exercise": sorted(scenario.must_exercise),
                "missing": missing,
                "not_felt": not_felt,
                "failure": scenario.failure,
            }
        )
    return rows


def _profile(contract: Contract, rows: Sequence[dict[str, Any]], name: str, question: Question) -> dict[str, Any]:
    demanded = {r.id for r in contract.demanded(name)}
    mine = [row for row in rows if row["id"] in demanded]
    counts = {
        verdict: sum(1 for row in mine if row["verdict"] == verdict)
        for verdict in ("pass", "fail", "not_exercised", "not_observable", "inconclusive", "waived")
    }
    musts = [row for row in mine if row["level"] == "MUST"]
    whole = not question.partial and not question.requirements and not question.cut_short
    conformant = whole and bool(musts) and all(row["verdict"] in {"pass", "not_observable"} for row in musts)
    planned = sorted(r.id for r in contract.demanded(name) if r.status == "planned" and r.role == question.role)
    lacking = sorted(
        row["id"] for row in mine if row["verdict"] == "not_observable" and row["id"] in question.not_applicable
    )
    return {"conformant": conformant, **counts, "planned": planned, "not_applicable": lacking}


def _exit(
    rows: Sequence[dict[str, Any]], scenarios: Sequence[dict[str, Any]], stale: Sequence[Waiver], question: Question
) -> tuple[Exit, str]:
    musts = [row for row in rows if row["level"] == "MUST"]
    failed = [row["id"] for row in musts if row["verdict"] == "fail"]
    if failed:
        more = f"; {question.cut_short}" if question.cut_short else ""
        return Exit.DOES_NOT_HOLD, f"not conformant: {', '.join(failed)}{more}"
    if question.cut_short:
        return Exit.TARGET, f"cut short: {question.cut_short}"
    broken = sorted({s["id"] for s in scenarios if s["verdict"] != "ok"})
    if broken and question.own and not question.advice:  # on a busy machine our own target is slow, too
        return Exit.KIT, f"fault in the kit: broken scenarios {', '.join(broken)}"
    doubtful = [row["id"] for row in musts if row["verdict"] == "inconclusive"]
    if doubtful:
        more = f"; {question.advice}" if question.advice else ""
        return Exit.INCONCLUSIVE, f"inconclusive: {', '.join(doubtful)}{more}"
    if broken:
        some = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        advice = question.advice or "if the target was overloaded, try --jobs 20"
        return Exit.INCONCLUSIVE, f"inconclusive: broken scenarios {some}; {advice}"
    if question.partial or question.requirements:
        if any(row["verdict"] in {"pass", "waived"} for row in rows):
            return Exit.HOLDS, "what was exercised holds; a part of the suite is no certificate"
        return Exit.INCONCLUSIVE, "nothing was exercised"
    untested = [row["id"] for row in musts if row["verdict"] == "not_exercised"]
    if untested:
        return Exit.DOES_NOT_HOLD, f"not conformant: never exercised: {', '.join(untested)}"
    waived = [row["id"] for row in musts if row["verdict"] == "waived"]
    if stale:
        return Exit.DOES_NOT_HOLD, f"waivers that are not needed any more: {', '.join(w.requirement for w in stale)}"
    if waived:
        return Exit.DOES_NOT_HOLD, f"not conformant: waived: {', '.join(waived)}"
    return Exit.HOLDS, "conformant"
