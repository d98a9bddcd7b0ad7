"""From a TARGET word and options to results: which pacts, which provider."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ackgap.certify import bus_for, find_target
from ackgap.contract import Contract, ContractError, load
from ackgap.pact.asked import AskedProvider
from ackgap.pact.documents import GATEWAY, WORLDSERVICE, pacts, written
from ackgap.pact.files import PactFile, fetch_pacts, parse, read_pacts
from ackgap.pact.gateways import GatewayProvider
from ackgap.pact.scripted import ScriptedProvider
from ackgap.pact.started import StartedProvider, surroundings_for
from ackgap.pact.verifying import Provider, Result, verify
from ackgap.target.spec import TargetSpec

EXPECTED = "`reference`, `reference-worldservice`, `scripted`, http://HOST:PORT or the path of a descriptor.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `ackgap pact verify` was asked for; see its --help."""

    target: str
    files: tuple[Path, ...] = ()
    broker: bool = False
    provider: str = ""
    worlds: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    bus: str = ""
    kafka_image: str = ""


async def verify_pacts(asked: Asked, folder: Path) -> list[Result]:
    """Verify. Raises PactError and what `ackgap.harness.blame` knows."""
    contract = load()
    if not asked.target and (asked.files or asked.broker):
        asked = replace(asked, target="scripted")
    if not asked.target:
        raise ContractError(f"no TARGET; expected {EXPECTED}")
    is_url = asked.target.startswith(("http://", "https://"))
    if (asked.worlds or asked.headers) and not is_url:
        raise ContractError("--world and --header belong to a URL as TARGET; a descriptor says it itself")
    spec = None if is_url or asked.target == "scripted" else _spec(asked.target, contract)
    role = spec.role if spec is not None else WORLDSERVICE
    own = {name: parse(name, written(document).encode()) for name, document in pacts(contract).items()}
    chosen = await _chosen(asked, role, own)
    results: list[Result] = []
    async with _provider(asked, spec, contract, folder) as provider:
        for pact in chosen:
            results += await verify(pact, provider, folder)
        if isinstance(provider, GatewayProvider) and not asked.files and not asked.broker:
            results += provider.asked(own["gateway-worldservice.json"])
    return results


async def _chosen(asked: Asked, role: str, own: Mapping[str, PactFile]) -> list[PactFile]:
    if asked.files and asked.broker:
        raise ContractError("--pact and --broker exclude each other; keep one")
    if asked.files:
        return [pact for path in asked.files for pact in read_pacts(path)]
    if asked.broker:
        return await fetch_pacts(asked.provider or role)
    return [own["gateway-worldservice.json" if role == WORLDSERVICE else "worldservice-gateway.json"]]


def _spec(target: str, contract: Contract) -> TargetSpec:
    if target.partition(":")[0] in {"reference", "reference-worldservice"} or Path(target).suffix in {
        ".yaml",
        ".yml",
        ".json",
    }:
        return find_target(target, contract)
    raise ContractError(f"TARGET {target!r}: expected {EXPECTED}")


@asynccontextmanager
async def _provider(asked: Asked, spec: TargetSpec | None, contract: Contract, folder: Path) -> AsyncIterator[Provider]:
    """The provider, ready to be asked, and taken down at the end."""
    run_id = uuid.uuid4().hex[:8]
    if spec is not None and spec.role == GATEWAY:
        gateway = GatewayProvider(contract)
        await gateway.play(spec, contract, folder, bus=asked.bus, image=asked.kafka_image, run_id=run_id)
        yield gateway
        return
    served: ScriptedProvider | AskedProvider
    if spec is not None:
        around = surroundings_for(spec, bus_for(spec, asked.bus), asked.kafka_image, run_id, folder)
        served = StartedProvider(spec, contract, around, run_id)
    elif asked.target == "scripted":
        served = ScriptedProvider(contract)
    else:
        served = AskedProvider(asked.target, worlds=asked.worlds, headers=_headers(asked.headers))
    try:
        await served.start()
        yield served
    finally:
        with contextlib.suppress(Exception):
            await served.close()


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """Headers from the environment, so that no secret stands on a command line."""
    found = {}
    for text in given:
        name, equals, variable = text.partition("=")
        if not equals or not name or not variable:
            raise ContractError(f"--header {text}: expected NAME=VARIABLE, for instance Authorization=TOKEN_HEADER")
        if variable not in os.environ:
            raise ContractError(f"--header {name}: the environment has no variable {variable}; export it first")
        found[name] = os.environ[variable]
    return found
