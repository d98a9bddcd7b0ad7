"""Where monitors write what they found: antecedents that happened, convictions, and what could not be decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "fail", "not_exercised", "not_observable", "inconclusive"]

# Evidence beyond this many pieces per requirement is counted, not kept: memory stays bounded however bad a target is.
KEPT_EVIDENCE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One conviction (or one doubt): which scenario, what was seen, why it is forbidden, by how much (ms, if timed)."""

    scenario: str
    instance: str
    world_id: str
    tier: str
    message: str
    observations: tuple[Mapping[str, Any], ...]
    margin_ms: float | None = None
    proof: str = "barrier"


@dataclass(slots=True)
class Row:
    """What is known of one requirement so far."""

    exercised: int = 0
    convictions: int = 0
    doubts: int = 0
    evidence: list[Evidence] = field(default_factory=list)
    doubt_evidence: list[Evidence] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict on one requirement. `tier` is the strongest one that the target offers and the requirement uses."""

    requirement: str
    verdict: Verdict
    exercised: int
    convictions: int
    tier: str
    reason: str
    evidence: Sequence[Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFinding:
    """What one scenario brought about in one instance."""

    instance: str
    scenario: str
    exercised: frozenset[str]
    convicted: frozenset[str]
    doubted: frozenset[str]
    not_felt: frozenset[str] = frozenset()  # faults that had no effect


class Ledger:
    """Rows by requirement id, and what each scenario contributed. `kept` limits the evidence per requirement."""

    def __init__(self, *, kept: int = KEPT_EVIDENCE) -> None:
        self.kept = kept
        self.rows: dict[str, Row] = {}
        self.scenarios: dict[tuple[str, str], tuple[set[str], set[str], set[str]]] = {}
        self.unfelt: dict[tuple[str, str], set[str]] = {}

    def row(self, requirement: str) -> Row:
        """The row of a requirement; its counters are the caller's to raise."""
        return self._row(requirement)

    def tally(self, instance: str, scenario: str) -> set[str]:
        """The requirements that a scenario has exercised so far; the caller adds to it."""
        return self._scenario(instance, scenario)[0]

    def convict(self, requirement: str, evidence: Evidence) -> None:
        """The target broke the requirement; counts as exercised."""
        row = self._row(requirement)
        row.exercised += 1
        row.convictions += 1
        seen, convicted, _ = self._scenario(evidence.instance, evidence.scenario)
        seen.add(requirement)
        convicted.add(requirement)
        if len(row.evidence) < self.kept:
            row.evidence.append(evidence)

    def convict_again(self, requirement: str, instance: str, scenario: str) -> bool:
        """Count one more conviction without evidence, if enough of that is kept. Returns whether that was so."""
        row = self._row(requirement)
        if len(row.evidence) < self.kept:
            return False
        row.exercised += 1
        row.convictions += 1
        seen, convicted, _ = self._scenario(instance, scenario)
        seen.add(requirement)
        convicted.add(requirement)
        return True

    def doubt(self, requirement: str, evidence: Evidence) -> None:
        """The antecedent happened but noise or a stall of the tester forbids a verdict."""
        row = self._row(requirement)
        row.doubts += 1
        self._scenario(evidence.instance, evidence.scenario)[2].add(requirement)
        if len(row.doubt_evidence) < self.kept:
            row.doubt_evidence.append(evidence)

    def scenario_findings(self) -> list[ScenarioFinding]:
        """One finding per scenario and instance, in the order in which they first appeared."""
        return [
            ScenarioFinding(
                instance=instance,
                scenario=scenario,
                exercised=frozenset(sets[0]),
                convicted=frozenset(sets[1]),
                doubted=frozenset(sets[2]),
                not_felt=frozenset(self.unfelt.get((instance, scenario), ())),
            )
            for (instance, scenario), sets in self.scenarios.items()
        ]

    def not_felt(self, instance: str, scenario: str, fault: str) -> None:
        """A fault of the scenario has ended without any effect."""
        self.unfelt.setdefault((instance, scenario), set()).add(fault)

    def scenario_began(self, instance: str, scenario: str) -> None:
        """Make the scenario known, so that one that brought about nothing shows up too."""
        self._scenario(instance, scenario)

    def absorb(self, other: "Ledger") -> None:
        """Add what another ledger holds, as if both had been written into this one, the other last."""
        for requirement, theirs in other.rows.items():
            row = self._row(requirement)
            row.exercised += theirs.exercised
            row.convictions += theirs.convictions
            row.doubts += theirs.doubts
            row.evidence += theirs.evidence[: self.kept - len(row.evidence)]
            row.doubt_evidence += theirs.doubt_evidence[: self.kept - len(row.doubt_evidence)]
        for (instance, scenario), sets in other.scenarios.items():
            for mine, added in zip(self._scenario(instance, scenario), sets, strict=True):
                mine.update(added)
        for (instance, scenario), faults in other.unfelt.items():
            self.unfelt.setdefault((instance, scenario), set()).update(faults)

    def _row(self, requirement: str) -> Row:
        row = self.rows.get(requirement)
        if row is None:
            row = self.rows[requirement] = Row()
        return row

    def _scenario(self, instance: str, scenario: str) -> tuple[set[str], set[str], set[str]]:
        sets = self.scenarios.get((instance, scenario))
        if sets is None:
            sets = self.scenarios[instance, scenario] = (set(), set(), set())
        return sets


def verdict_of(row: Row, usable: list[str], tiers: tuple[str, ...]) -> tuple[Verdict, str]:
    """The verdict on a requirement, and why it is no pass. `usable`: tiers of the target that show it; `tiers`: all that do."""
    if row.convictions:
        return "fail", f"broken {row.convictions} times"
    if not usable:
        return "not_observable", f"needs one of the tiers {', '.join(tiers)}, which the target does not offer"
    if row.doubts:
        return "inconclusive", "the tester stalled or noise exceeded the margin; run again on a quieter machine"
    if not row.exercised:
        return "not_exercised", "its antecedent never happened"
    return "pass", ""
