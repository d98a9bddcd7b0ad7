"""Which certificates a changed contract costs or earns, by judging stored evidence again, offline.

Settings come from the history: a Gateway that was started with a timeout of 3000 ms is judged by 3000 ms for ever. What
a history cannot tell under the changed contract is *undecided*, never failed:

- A requirement that `rests_on` a constant (the default timeout) whose value changed was tested at another value. A pass
  says nothing of the new one; a failure by the Gateway's own setting stays a failure.
- Where the path of an endpoint changed, scenario runs in which the Gateway asked at the old path are void: the
  WorldService of the changed contract would have answered otherwise, and everything after that too.
- A requirement that is demanded newly and whose antecedent did not happen in what was recorded.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ackgap import history
from ackgap.certify import contract_of, played_of, question_of
from ackgap.contract import PROFILES, Contract, Requirement
from ackgap.history import Observation, RequestSeen, ScenarioBegan
from ackgap.oracle.bench import Bench
from ackgap.oracle.judge import judge
from ackgap.peers.worldservice import address
from ackgap.report.bundle import open_bundle
from ackgap.report.conclusion import Conclusion, Question, conclude
from ackgap.scenario import catalogue

Standing = Literal["certified", "holds as far as played", "not certified", "undecided"]
Outcome = Literal["keeps", "loses", "gains", "undecided", "stays without"]
GOOD = frozenset(["certified", "holds as far as played"])
PATHS = ("state_hash_path", "snapshot_path")
NAMED = 6  # scenarios named in a note


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One requirement before and after: level and verdict, "" where it is not demanded. `why` explains the second."""

    requirement: str
    level_before: str
    before: str
    level_after: str
    after: str
    why: str = ""
    scenarios: tuple[str, ...] = ()  # to be run again, where undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileImpact:
    """One profile: how the target stood, how it stands, and the requirements that make the difference."""

    profile: str
    before: Standing
    after: Standing
    outcome: Outcome
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetImpact:
    """One bundle. `verdicts` holds the requirements whose level or verdict changed, and those that are undecided."""

    bundle: str
    target: str
    given: str
    version: str
    profiles: tuple[ProfileImpact, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    @property
    def run_again(self) -> tuple[str, ...]:
        """The scenarios that decide what is undecided."""
        return tuple(sorted({s for v in self.verdicts for s in v.scenarios}))


def impact(contract: Contract, bundles: Sequence[Path]) -> list[TargetImpact]:
    """Judge every bundle by the contract in it and by the changed one. Raises BundleError or ContractError."""
    return [_one(contract, path) for path in bundles]


def _one(after: Contract, path: Path) -> TargetImpact:
    opened = open_bundle(path)
    report = opened.json("report.json")
    with tempfile.TemporaryDirectory(prefix="ackgap-") as scratch:
        before = contract_of(opened, Path(scratch))
        observations = list(history.read(opened.lines("history.jsonl")))
        return _Comparison(path, report, observations, before, after).result()


class _Comparison:
    """One bundle under both contracts."""

    def __init__(
        self, path: Path, report: dict[str, Any], observations: list[Observation], before: Contract, after: Contract
    ) -> None:
        self.path, self.report, self.observations = path, report, observations
        self.old, self.new = before, after
        self.question: Question = question_of(report)
        self.void = self._void()
        self.judged_old = judge(before, observations)
        kept = [o for o in observations if not self._is_void(o)] if self.void else observations
        self.judged_new = judge(after, kept)
        played = played_of(report)
        self.conclusion_old = conclude(before, self.judged_old, played, self.question)
        self.conclusion_new = conclude(after, self.judged_new, played, self.question)

    def result(self) -> TargetImpact:
        rows = self._verdicts()
        told = tuple(
            v for v in rows if (v.level_before, v.before) != (v.level_after, v.after) or v.after == "undecided"
        )
        target = self.report["target"]
        return TargetImpact(
            bundle=str(self.path), target=target["name"], given=str(target.get("given", "")), version=target.get("version", ""),
            profiles=tuple(self._profile(name, rows) for name in self.conclusion_old.profiles), verdicts=told,
            notes=tuple(self._notes()),
        )  # fmt: skip

    # --- what of the evidence counts ----------------------------------------------------------------------------

    def _void(self) -> frozenset[tuple[str, str]]:
        """(instance, world) of every scenario run in which the Gateway asked at a path that is another one now."""
        if all(getattr(self.old.constants, n) == getattr(self.new.constants, n) for n in PATHS):
            return frozenset()
        asked = {
            (o.instance, o.world_id)
            for o in self.observations
            if isinstance(o, RequestSeen) and address(o.path, self.new.constants)[1] != o.endpoint
        }
        families = [(o.instance, o.worlds) for o in self.observations if isinstance(o, ScenarioBegan)]
        return frozenset(
            (instance, world)
            for instance, worlds in families
            if any((instance, w) in asked for w in worlds)
            for world in worlds
        )

    def _is_void(self, o: Observation) -> bool:
        worlds = getattr(o, "worlds", None) or (getattr(o, "world_id", ""),)
        return any((o.instance, world) in self.void for world in worlds)

    def _untested(self, row: Requirement) -> str:
        """Why a pass says nothing of the value that a constant has now, or ""."""
        for name in row.rests_on:
            was, now = getattr(self.old.constants, name, None), getattr(self.new.constants, name, None)
            if was != now and not self._tested_at(row.id, name, now):
                return f"it was tested with the {name} of the recorded settings, never with {now}"
        return ""

    def _tested_at(self, requirement: str, constant: str, value: Any) -> bool:
        """Whether the requirement was exercised in a setting that has this value of the constant."""
        fitting = {
            o.instance
            for o in self.observations
            if isinstance(o, history.InstanceStarted) and getattr(o, constant, None) == value
        }
        return any(f.instance in fitting and requirement in f.exercised for f in self.judged_new.scenarios)

    # --- verdicts -----------------------------------------------------------------------------------------------

    def _verdicts(self) -> list[Verdict]:
        old, new = _rows(self.conclusion_old), _rows(self.conclusion_new)
        found = []
        for requirement in [*old, *(r for r in new if r not in old)]:
            was, now = old.get(requirement), new.get(requirement)
            after, why = self._after(requirement, was, now)
            found.append(
                Verdict(
                    requirement=requirement, level_before=was["level"] if was else "", before=was["verdict"] if was else "",
                    level_after=now["level"] if now else "", after=after, why=why,
                    scenarios=self._again(requirement) if after == "undecided" else (),
                )
            )  # fmt: skip
        return found

    def _after(self, requirement: str, was: dict[str, Any] | None, now: dict[str, Any] | None) -> tuple[str, str]:
        if now is None:
            return "", "it is not demanded any more"
        verdict = str(now["verdict"])
        if verdict == "fail":
            return verdict, now["evidence"][0]["message"] if now["evidence"] else ""
        if verdict == "pass":
            why = self._untested(self.new.requirements[requirement])
            return ("undecided", why) if why else (verdict, "")
        tested = was is not None and was["verdict"] in {"pass", "fail", "waived"}
        if verdict == "not_exercised" and self.void and tested:
            return "undecided", "the recorded requests went to a path that is another one now"
        if verdict == "not_exercised" and (was is None or tested):
            return "undecided", "its antecedent did not happen in what was recorded"
        return verdict, str(now["reason"])

    def _again(self, requirement: str) -> tuple[str, ...]:
        """The scenarios of the changed folder that bring it about, or those that did so in the old evidence."""
        known = catalogue.scenarios(self.new)
        named = [s.id for s in known if requirement in s.exercises]
        ids = {s.id for s in known}
        seen = {f.scenario for f in self.judged_old.scenarios if requirement in f.exercised and f.scenario in ids}
        return tuple(sorted(named or seen))

    def _profile(self, name: str, rows: Sequence[Verdict]) -> ProfileImpact:
        old = _demanded(self.old, name)
        new = _demanded(self.new, name)
        before = self._standing([v.before for v in rows if v.requirement in old and v.level_before == "MUST"])
        after = self._standing([v.after for v in rows if v.requirement in new and v.level_after == "MUST"])
        outcome = _outcome(before, after)
        return ProfileImpact(profile=name, before=before, after=after, outcome=outcome, by=_by(outcome, rows, old, new))

    def _standing(self, verdicts: Sequence[str]) -> Standing:
        if any(v in {"fail", "waived"} for v in verdicts):
            return "not certified"
        if self.question.partial or self.question.requirements:
            if "pass" in verdicts:
                return "undecided" if "undecided" in verdicts else "holds as far as played"
            return "undecided"
        if verdicts and all(v in {"pass", "not_observable"} for v in verdicts):
            return "certified"
        return "undecided" if any(v in {"undecided", "inconclusive"} for v in verdicts) else "not certified"

    # --- what to know besides -----------------------------------------------------------------------------------

    def _notes(self) -> Iterator[str]:
        recorded = {r["id"]: r["verdict"] for r in self.report["requirements"]}
        judged = {r: row["verdict"] for r, row in _rows(self.conclusion_old).items()}
        other = sorted(r for r in judged if recorded.get(r) != judged[r])
        if other:
            yield f"this kit judges {', '.join(other)} otherwise than the kit that recorded the bundle, by the same contract"
        if self.void:
            runs = {
                (o.instance, o.scenario) for o in self.observations if isinstance(o, ScenarioBegan) and self._is_void(o)
            }
            yield f"{len(runs)} scenario runs are void: their requests went to paths that are others now"
        yield from self._inputs()
        if not self.question.partial:
            played = {s["id"] for s in self.report["scenarios"]} | set(self.report["environment"].get("left_out", {}))
            demanded = frozenset[str]().union(*(_demanded(self.new, name) for name in self.question.profiles))
            known = catalogue.scenarios(self.new)
            fresh = [s.id for s in known if s.id not in played and demanded & set(s.exercises)]
            if fresh:
                more = f" and {len(fresh) - NAMED} more" if len(fresh) > NAMED else ""
                yield f"scenarios that were never played against it: {', '.join(fresh[:NAMED])}{more}"

    def _inputs(self) -> Iterator[str]:
        """Whether what was delivered means the same to both contracts."""
        old, new = Bench(self.old).valid_activation, Bench(self.new).valid_activation
        refused = taken = 0
        for value in {o.value for o in self.observations if isinstance(o, history.Delivered) and o.encoding == "utf-8"}:
            document = _parsed(value)
            was, now = old(document), new(document)
            refused += was and not now
            taken += now and not was
        if refused:
            yield (
                f"{refused} recorded messages that were right are invalid input now: whoever applied them is convicted by "
                "it, and what they showed besides counts no more; let the scenarios send what the changed contract demands"
            )
        if taken:
            yield f"{taken} recorded messages that were invalid input are right now: whoever dropped them is convicted by it"


def _parsed(value: str) -> Any:
    import json  # noqa: PLC0415

    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _rows(conclusion: Conclusion) -> Mapping[str, dict[str, Any]]:
    return {row["id"]: row for row in conclusion.requirements}


def _demanded(contract: Contract, profile: str) -> frozenset[str]:
    return frozenset(r.id for r in contract.demanded(profile)) if profile in PROFILES else frozenset()


def _outcome(before: Standing, after: Standing) -> Outcome:
    if after == "undecided":
        return "undecided" if before != "not certified" else "stays without"
    if before in GOOD:
        return "keeps" if after in GOOD else "loses"
    return "gains" if after in GOOD else "stays without"


def _by(outcome: Outcome, rows: Sequence[Verdict], old: frozenset[str], new: frozenset[str]) -> tuple[str, ...]:
    failed, lacking = frozenset(["fail", "waived"]), frozenset(["not_exercised", "inconclusive"])

    def among(wanted: frozenset[str]) -> tuple[str, ...]:
        return tuple(
            v.requirement for v in rows if v.requirement in new and v.level_after == "MUST" and v.after in wanted
        )

    match outcome:
        case "loses":
            return among(failed) or among(lacking)
        case "undecided":
            return among(frozenset(["undecided"]))
        case "stays without":
            return among(failed)
        case "gains":
            was = failed | lacking
            return tuple(
                v.requirement for v in rows if v.requirement in old and v.level_before == "MUST" and v.before in was
            )
        case "keeps":
            return ()
