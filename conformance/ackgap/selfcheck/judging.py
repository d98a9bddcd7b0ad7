"""A judge that notes when it convicted first, and that can be made blind for one requirement."""

from collections.abc import Callable, Collection, Iterable

from ackgap.contract import Contract
from ackgap.history import Delivered, Observation, ScenarioBegan, ScenarioEnded
from ackgap.oracle.groups import MONITORS
from ackgap.oracle.judge import Judge
from ackgap.oracle.ledger import Evidence, Ledger
from ackgap.oracle.monitor import Monitor
from ackgap.selfcheck.trial import Kill

Place = tuple[str, str]  # instance, scenario
NS_PER_MS = 1_000_000
EVIDENCE = 1  # pieces kept per requirement: the matrix counts convictions and quotes none


class WatchedLedger(Ledger):
    """Notes the time of the first conviction by requirement, instance and scenario; leaves out what is silenced."""

    def __init__(self, clock: Callable[[], int], silenced: Collection[str]) -> None:
        super().__init__(kept=EVIDENCE)
        self.clock, self.silenced = clock, frozenset(silenced)
        self.first: dict[tuple[str, str, str], int] = {}

    def convict(self, requirement: str, evidence: Evidence) -> None:
        """See Ledger."""
        if requirement not in self.silenced:
            self.first.setdefault((requirement, evidence.instance, evidence.scenario), self.clock())
            super().convict(requirement, evidence)

    def convict_again(self, requirement: str, instance: str, scenario: str) -> bool:
        """See Ledger."""
        if requirement in self.silenced:
            return True
        counted = super().convict_again(requirement, instance, scenario)
        if counted:
            self.first.setdefault((requirement, instance, scenario), self.clock())
        return counted


class WatchedJudge(Judge):
    """Judges like any other, and gives the kills. `silenced` requirements have no monitor: neither claim nor hook."""

    def __init__(
        self, contract: Contract, *, silenced: Collection[str] = (), monitors: tuple[type[Monitor], ...] = MONITORS
    ) -> None:
        super().__init__(contract, monitors=monitors)
        self.now = 0
        self.watched = WatchedLedger(lambda: self.now, silenced)
        self.bench.ledger = self.watched
        for claims in self.bench.claims.values():
            claims[:] = [claim for claim in claims if claim.requirement not in self.watched.silenced]
        self.spans: dict[Place, list[int]] = {}
        self.deliveries: dict[Place, list[int]] = {}
        self.places: dict[tuple[str, str], Place] = {}

    def observe(self, observation: Observation) -> None:
        """See Judge."""
        self.now = max(self.now, observation.t)
        match observation:
            case ScenarioBegan(t=t, instance=instance, scenario=scenario, worlds=worlds):
                self.spans.setdefault((instance, scenario), [t, t])
                self.places.update({(instance, world): (instance, scenario) for world in worlds})
            case ScenarioEnded(t=t, instance=instance, scenario=scenario):
                self.spans[instance, scenario][1] = t
            case Delivered(t=t, instance=instance, world_id=world_id):
                place = self.places.get((instance, world_id))
                if place is not None:
                    self.deliveries.setdefault(place, []).append(t)
        super().observe(observation)

    def kills(self) -> dict[str, tuple[Kill, ...]]:
        """The kills by requirement, quickest first; ask after `finish`."""
        found: list[Kill] = []
        for (requirement, instance, scenario), t in self.watched.first.items():
            begin, end = self.spans.get((instance, scenario), [0, t])
            moment = min(t, end) if end > begin else t
            kill = Kill(
                requirement=requirement,
                scenario=scenario,
                setting=instance,
                after_ms=round((moment - begin) / NS_PER_MS, 1),
                deliveries=sum(1 for d in self.deliveries.get((instance, scenario), ()) if d <= moment),
            )
            found.append(kill)
        return merged(found)


def merged(kills: Iterable[Kill]) -> dict[str, tuple[Kill, ...]]:
    """Kills by requirement, quickest first, one for each setting and scenario."""
    found: dict[str, dict[Place, Kill]] = {}
    for kill in sorted(kills, key=_order):
        found.setdefault(kill.requirement, {}).setdefault((kill.setting, kill.scenario), kill)
    return {requirement: tuple(mine.values()) for requirement, mine in sorted(found.items())}


def _order(kill: Kill) -> tuple[bool, float, int, str, str]:
    """Scenarios of the catalogue come before the kit's own markers, then the quicker ones."""
    return ":" in kill.scenario, kill.after_ms, kill.deliveries, kill.scenario, kill.setting
