"""The items of `ackgap.suite`: one per requirement, and one for the conclusion of the whole run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ackgap.certify import bus_for, find_target, profiles_of
from ackgap.contract import Contract, Requirement, load
from ackgap.contract_folder import open_folder
from ackgap.harness.blame import Exit, exit_code, words
from ackgap.report.terminal import bug_report, harmless
from ackgap.target.spec import TargetSpec
from ackgap.testing.shared import SHARED, RunError, run_of


class Suite(pytest.File):
    """All items, for the profiles and the target that the options name."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per requirement that is judged today, then the conclusion."""
        order = run_of(self.config).order
        if not order.target:
            raise self.CollectError(
                "ackgap: name what is to be certified: --ackgap-target gateway.yaml (or `reference`, to try it out)"
            )
        self._refuse_lone_workers()
        try:
            contract = load() if order.contract is None else open_folder(order.contract)
            spec = find_target(order.target, contract)
            demanded = {r.id for profile in profiles_of(order, spec, contract) for r in contract.demanded(profile)}
            if spec.kind != "python":
                bus_for(spec, order.bus)
        except Exception as error:
            if exit_code(error) is Exit.KIT:
                raise
            raise self.CollectError(f"ackgap: {harmless(words(error))}") from error
        for requirement in contract.requirements.values():
            if requirement.id in demanded and _judged(requirement, spec):
                yield RequirementItem.from_parent(self, name=requirement.id, requirement=requirement, contract=contract)
        yield ConclusionItem.from_parent(self, name="conclusion")

    def _refuse_lone_workers(self) -> None:
        """Workers of xdist share one run through a locked file; where that is impossible, say so."""
        if SHARED not in getattr(self.config, "workerinput", {}):
            return
        try:
            import fcntl  # noqa: F401, PLC0415
        except ImportError as error:
            raise self.CollectError("ackgap: this system has no file locks; run the suite with -n 0") from error


class SuiteItem(pytest.Item):
    """An item that needs the run."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.document: dict[str, Any] = {}
        if self.config.pluginmanager.hasplugin("timeout"):
            self.add_marker(pytest.mark.timeout(0))  # the run has deadlines of its own

    def setup(self) -> None:
        """Play the suite, unless an item before has; an error is one of the set-up, told without a traceback."""
        try:
            self.document = run_of(self.config).report()
        except RunError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None


class RequirementItem(SuiteItem):
    """One requirement."""

    def __init__(self, *, requirement: Requirement, contract: Contract, **fields: Any) -> None:
        super().__init__(**fields)
        self.requirement, self.contract = requirement, contract
        self.user_properties += [("level", requirement.level), ("profile", requirement.profile)]

    def runtest(self) -> None:
        """Pass only for the verdict `pass`."""
        row = next((r for r in self.document["requirements"] if r["id"] == self.requirement.id), None)
        if row is None:
            unmet(f"{self.requirement.id} was not judged; please report that with the bundle")
        verdict, reason = row["verdict"], harmless(row["reason"])
        if verdict == "not_observable":
            pytest.skip(f"not observable: {reason}")
        if verdict == "waived":
            pytest.xfail(f"{row['id']} {reason}")
        if verdict == "fail":
            unmet(f"{row['id']} {row['level']} fails\n{bug_report(row, self.document)}")
        if verdict != "pass":
            r = self.requirement
            unmet(f"{r.id} {r.level} {verdict}: {reason}\n{r.sentence}\nantecedent: {r.antecedent}")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What is shown of it in long reports."""
        return self.path, None, f"{self.requirement.id} ({self.requirement.level}): {self.requirement.sentence}"


class ConclusionItem(SuiteItem):
    """The run as a whole: broken scenarios and waivers that are not needed any more show here and nowhere else."""

    def runtest(self) -> None:
        """Pass only for exit code 0 of a whole run."""
        document = self.document
        code, why = document["exit_code"], harmless(document["why"])
        if code == Exit.HOLDS and document["question"]["partial"]:
            pytest.skip(why)
        if code == Exit.DOES_NOT_HOLD and why.startswith("not conformant: waived"):
            pytest.xfail(why)
        if code != Exit.HOLDS:
            notes = [f"  {harmless(note)}" for note in document["notes"]]
            unmet("\n".join([f"exit code {code}: {why}", *notes]))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What is shown of it in long reports."""
        return self.path, None, "conclusion of the run"


def unmet(evidence: str) -> NoReturn:
    """Fail an item with its evidence, not with a traceback through the plugin."""
    pytest.fail(evidence, pytrace=False)


def _judged(requirement: Requirement, spec: TargetSpec) -> bool:
    return requirement.status == "active" and requirement.role == spec.role
