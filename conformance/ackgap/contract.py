"""The contract as typed, immutable data, loaded once from a folder of schemas.

Everything that the kit knows of the RFC comes from here: constants, requirements and JSON Schemas. The folder is the
`schemas/` that ships with the package, or any other one of the same shape (an author's changed copy).
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource

Level = Literal["MUST", "SHOULD", "MAY"]
Role = Literal["gateway", "worldservice"]


class ContractError(ValueError):
    """A contract folder that cannot be used; the message names the file, the field and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row of the requirement catalogue. `interpretation` is "" unless `basis` is `interpretation`.

    `rests_on` names the constants at whose value the requirement is tested: evidence for one value says nothing of another.
    """

    id: str
    level: Level
    role: Role
    sentence: str
    section: str
    basis: Literal["rfc", "related-doc", "interpretation"]
    interpretation: str = ""
    profile: str
    tiers: tuple[str, ...]
    antecedent: str
    convicted_by: str
    status: Literal["active", "planned"]
    rests_on: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The letters before the dash: MSG, ACK, ORD, DUP, GAP, SYNC, GATE, RUN, FLT, OBS, CFG or WS."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The values that the RFC fixes or recommends. Times in ms."""

    gap_timeout_ms: int
    resync_enforced: bool
    max_requests_per_second: int
    activation_topic: str
    ack_topic: str
    activation_envelope_type: str
    ack_envelope_type: str
    activation_body_type: str
    ack_body_type: str
    idempotency_key: str
    state_hash_path: str
    snapshot_path: str
    gate_path: str
    ack_latency_metric: str


# A profile demands its own requirements and those of the profiles it includes.
PROFILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "core": ("core",),
        "resync": ("core", "resync"),
        "resilience": ("core", "resilience"),
        "extended": ("core", "resync", "extended"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A loaded contract folder. `rfc` holds title, status and last_modified of the text that it was made from."""

    folder: Path
    version: str
    digest: str
    rfc: Mapping[str, str]
    constants: Constants
    requirements: Mapping[str, Requirement]
    registry: Registry[Any]

    def validator(self, name: str) -> Draft202012Validator:
        """The validator of `NAME.schema.json`; it never fetches a `$ref` from the network.

        Raises ContractError if the folder has no such schema.
        """
        path = self.folder / f"{name}.schema.json"
        if not path.is_file():
            raise ContractError(f"{path}: no such schema; the folder must hold the files that ship with the kit")
        return Draft202012Validator(_load_json(path), registry=self.registry)

    def demanded(self, profile: str) -> tuple[Requirement, ...]:
        """The requirements that a profile demands, planned ones included. Raises ContractError if it is unknown."""
        if profile not in PROFILES:
            raise ContractError(f"unknown profile {profile!r}; known are {', '.join(PROFILES)}")
        return tuple(r for r in self.requirements.values() if r.profile in PROFILES[profile])

    def own_profiles(self, role: str) -> tuple[str, ...]:
        """The profiles that have a requirement of their own for `role`."""
        mine = {r.profile for r in self.requirements.values() if r.role == role}
        return tuple(profile for profile in PROFILES if profile in mine)


def schemas_dir() -> Path:
    """The folder of the contract that ships with the kit: inside the installed package, or `schemas/` of a clone."""
    here = Path(__file__).resolve().parent
    packaged = here / "_schemas"
    return packaged if packaged.is_dir() else here.parents[1] / "schemas"


def load_yaml(path: Path) -> Any:
    """Load YAML safely. Raises ContractError naming file, line and column."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_SafeLoader)  # noqa: S506  (a SafeLoader subclass)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error


_SafeLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def load(folder: Path | None = None) -> Contract:
    """Load a contract folder, the shipped one by default. Raises ContractError."""
    root = (folder or schemas_dir()).resolve()
    head = _mapping(load_yaml(root / "contract.yaml"), root / "contract.yaml")
    rows = _mapping(load_yaml(root / "requirements.yaml"), root / "requirements.yaml").get("requirements", [])
    try:
        constants = Constants(**head["constants"])
        requirements = {row["id"]: _requirement(row) for row in rows}
    except (KeyError, TypeError) as error:
        raise ContractError(f"{root}: contract.yaml or requirements.yaml lacks or misnames a field: {error}") from error
    if len(requirements) != len(rows):
        raise ContractError(f"{root / 'requirements.yaml'}: an id stands twice; ids must be unique")
    return Contract(
        folder=root,
        version=str(head.get("version", "0")),
        digest=_digest(root),
        rfc=MappingProxyType({str(k): str(v) for k, v in (head.get("rfc") or {}).items()}),
        constants=constants,
        requirements=MappingProxyType(requirements),
        registry=_registry(root),
    )


def _requirement(row: dict[str, Any]) -> Requirement:
    return Requirement(**{**row, "tiers": tuple(row["tiers"]), "rests_on": tuple(row.get("rests_on", ()))})


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ContractError(f"{path}: expected a mapping at the top level")
    return value


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: is not a readable JSON file: {error}") from error


def _registry(root: Path) -> Registry[Any]:
    def refuse(uri: str) -> Resource[Any]:
        raise NoSuchResource(uri)

    resources = []
    for path in sorted(root.glob("*.schema.json")):
        resource = Resource.from_contents(_load_json(path))
        resources.append((resource.id() or path.name, resource))
    empty: Registry[Any] = Registry(retrieve=refuse)  # type: ignore[call-arg]  # attrs alias unseen by mypy
    return empty.with_resources(resources)


def _digest(root: Path) -> str:
    """One sha256 over names and contents of all that judges: schemas, catalogue and constants."""
    total = hashlib.sha256()
    for path in sorted([*root.glob("*.json"), *root.glob("*.yaml")]):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return "sha256:" + total.hexdigest()
