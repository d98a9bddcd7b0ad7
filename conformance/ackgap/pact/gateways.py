"""A Gateway as the provider of ACKs, and as the consumer of the resync endpoints: played two small scenarios."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ackgap import history
from ackgap.certify import bus_for
from ackgap.contract import Contract, ContractError
from ackgap.harness.inprocess import run_in_process
from ackgap.harness.plan import make_plan, settings_of
from ackgap.harness.run import run_real
from ackgap.harness.surroundings import Surroundings
from ackgap.history import AckSeen, RequestSeen, bytes_of
from ackgap.pact.captured import Captured
from ackgap.pact.files import Interaction, PactFile
from ackgap.pact.verifying import NotPossibleError, Result
from ackgap.scenario import catalogue
from ackgap.target.spec import TargetSpec

SCENARIOS = ("gap-filled-in-time", "sync-all-covered")  # ACKs of both phases; a probe and a snapshot


class GatewayProvider:
    """What a Gateway has sent: ACKs for message pacts, requests to the WorldService to be held against its own pact."""

    def __init__(self, contract: Contract) -> None:
        self.headers: Mapping[str, str] = {}
        self.url = ""
        self.acks = Captured(contract, "ack-message", "ACK")
        self.requests: list[tuple[str, str]] = []

    async def play(
        self, spec: TargetSpec, contract: Contract, folder: Path, *, bus: str, image: str, run_id: str
    ) -> None:
        """Start the Gateway, play, and take it down. Raises what `ackgap.harness.blame` knows."""
        settings = settings_of(spec, contract.constants, gap_timeout_ms=None)
        plan = make_plan(
            catalogue.select(contract, SCENARIOS), settings, run_id=run_id, seed=1, constants=contract.constants, lanes=1
        )  # fmt: skip
        if spec.kind == "python":
            if bus:
                raise ContractError(f"--bus {bus}: a `python` target is played in virtual time and has no bus")
            result = run_in_process(
                plan=plan, spec=spec, folder=folder, seed=1, on_progress=lambda _: None, constants=contract.constants
            )
        else:
            surroundings = Surroundings(spec=spec, bus=bus_for(spec, bus), image=image, run_id=run_id, folder=folder)
            result = await run_real(plan=plan, surroundings=surroundings, spec=spec)
        with result.history.open(encoding="utf-8") as lines:
            for observation in history.read(lines):
                if isinstance(observation, AckSeen):
                    self.acks.add(bytes_of(observation.value, observation.encoding))
                elif isinstance(observation, RequestSeen):
                    self.requests.append((observation.method, observation.path))

    async def unable(self, interaction: Interaction) -> str:
        """What a Gateway does not send."""
        if interaction.kind == "http":
            return "a Gateway serves nothing of it"
        try:
            self.acks.for_interaction(interaction)
        except NotPossibleError as error:
            return str(error) if self.acks.values else ""
        return ""

    async def state(self, interaction: Interaction, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """A Gateway has sent its ACKs already."""
        return {}

    async def message(self, interaction: Interaction) -> bytes:
        """An ACK. Raises NotPossibleError."""
        return self.acks.for_interaction(interaction)

    def asked(self, pact: PactFile) -> list[Result]:
        """Every request of the Gateway is one that its own pact foresees."""
        patterns = [
            (row["request"]["method"], re.compile(rule["regex"]))
            for _, row in pact.rows
            for rule in row.get("request", {}).get("matchingRules", {}).get("path", {}).get("matchers", ())
            if "regex" in rule
        ]
        name = f"{pact.consumer} -> {pact.provider}"
        if not self.requests:
            return [
                Result(
                    pact=name, interaction="requests of this Gateway", verdict="skipped", told=("it asked for nothing",)
                )
            ]
        foreign = {
            f"{method} {path}" for method, path in self.requests
            if not any(method == m and p.fullmatch(path.partition("?")[0]) for m, p in patterns)
        }  # fmt: skip
        told = tuple(f"{request[:240]}: no interaction of the pact asks for it" for request in sorted(foreign)[:5])
        title = f"requests of this Gateway ({len(self.requests)})"
        return [Result(pact=name, interaction=title, verdict="failed" if told else "ok", told=told)]
