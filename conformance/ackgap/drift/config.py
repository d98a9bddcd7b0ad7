"""`ackgap-drift.yaml`: what is checked, against which contract, and how findings are ranked. Everything has a default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from jsonschema import Draft202012Validator

from ackgap.contract import ContractError, load_yaml, schemas_dir
from ackgap.drift.files import read_text
from ackgap.drift.findings import DriftError, Level

NAME = "ackgap-drift.yaml"
LOCK_NAME = "ackgap-drift.lock.yaml"
CHECKS = ("D1", "D2", "D3", "D4", "D5", "D6", "D7")

DOCUMENTS = ("**/*.md", "**/*.markdown", "**/*.mdx")
SPECIFICATIONS = (
    "**/*openapi*.yaml", "**/*openapi*.yml", "**/*openapi*.json", "**/*swagger*.yaml", "**/*swagger*.yml", "**/*swagger*.json",
    "**/*asyncapi*.yaml", "**/*asyncapi*.yml", "**/*asyncapi*.json", "**/*.schema.json", "**/*.schema.yaml", "**/*.schema.yml",
)  # fmt: skip
SETTINGS = (
    "**/*.yaml", "**/*.yml", "**/*.json", "**/*.toml", "**/*.ini", "**/*.cfg", "**/*.conf", "**/*.properties", "**/*.env",
    "**/.env*", "**/env.*", "**/*.env.*", "**/Dockerfile*", "**/*.py", "**/*.java", "**/*.kt", "**/*.scala", "**/*.go",
    "**/*.ts", "**/*.tsx", "**/*.js", "**/*.mjs", "**/*.rs", "**/*.cs", "**/*.sh",
)  # fmt: skip
NOT_SETTINGS = ("**/test/**", "**/tests/**", "**/__tests__/**", "**/*_test.*", "**/*.test.*", "**/*.spec.*", "**/test_*.*",
                "**/fixtures/**", "**/package-lock.json", "**/*.lock.*", "**/*Test.java", "**/*Tests.java")  # fmt: skip

Role = Literal["producer", "consumer", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service whose specification is fetched. `role` is the service's own."""

    url: str
    role: Role = "producer"
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Where the same document lies in two languages: `{path}` stands for what both have in common."""

    original: str
    translated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A loaded configuration. `root` is the folder that all paths are relative to; globs as in .gitignore, with `**`.

    `translations` is None where pairs are to be recognised by their names. `roles` says of specifications, by glob, on
    which side they are used. `levels` ranks codes (`D7-link`) or whole checks (`D7`); `off` silences.
    """

    root: Path
    source: Path | None = None
    contract: Path | None = None
    documents: tuple[str, ...] = DOCUMENTS
    specifications: tuple[str, ...] = SPECIFICATIONS
    settings: tuple[str, ...] = SETTINGS
    not_settings: tuple[str, ...] = NOT_SETTINGS
    ignore: tuple[str, ...] = ()
    checks: tuple[str, ...] = CHECKS
    translations: tuple[Translation, ...] | None = None
    roles: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    services: tuple[Service, ...] = ()
    levels: Mapping[str, Level | Literal["off"]] = field(default_factory=lambda: MappingProxyType({}))
    must_state: tuple[str, ...] = ()
    lock: Path | None = None
    baseline: Path | None = None

    @property
    def lock_path(self) -> Path:
        """Where the lock lies or will be written."""
        return self.lock or self.root / LOCK_NAME


def find_config(start: Path) -> Path | None:
    """The nearest `ackgap-drift.yaml` in a folder or one above it, not beyond the root of a git work tree."""
    for folder in (start, *start.parents):
        candidate = folder / NAME
        if candidate.is_file():
            return candidate
        if (folder / ".git").exists():
            return None
    return None


def load_config(path: Path) -> Config:
    """Load a configuration. Raises DriftError naming file, key and what was expected."""
    try:
        read_text(path, 1 << 20)
        raw = load_yaml(path)
    except DriftError as error:
        raise DriftError(f"{path}: {error}") from error
    except (ContractError, RecursionError) as error:
        raise DriftError(str(error)) from error
    validator = Draft202012Validator(load_yaml(schemas_dir() / "drift" / "config.schema.json"))
    for problem in sorted(validator.iter_errors(raw), key=lambda e: list(map(str, e.absolute_path))):
        where = "/".join(str(part) for part in problem.absolute_path) or "top level"
        raise DriftError(f"{path}: {where}: {problem.message[:200]}; see schemas/drift/config.schema.json")
    return _config(path, raw)


def _config(path: Path, raw: dict[str, Any]) -> Config:
    root = path.resolve().parent

    def listed(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(raw[name]) if name in raw else default

    def file(name: str) -> Path | None:
        return root / raw[name] if name in raw else None

    pairs = raw.get("translations")
    return Config(
        root=root,
        source=path,
        contract=file("contract"),
        documents=listed("documents", DOCUMENTS),
        specifications=listed("specifications", SPECIFICATIONS),
        settings=listed("settings", SETTINGS),
        not_settings=() if "settings" in raw else NOT_SETTINGS,
        ignore=listed("ignore", ()),
        checks=listed("checks", CHECKS),
        translations=None
        if pairs is None
        else tuple(Translation(original=p["original"], translated=p["translated"]) for p in pairs),
        roles=MappingProxyType(dict(raw.get("roles", {}))),
        services=tuple(Service(**row) for row in raw.get("services", ())),
        levels=MappingProxyType(dict(raw.get("levels", {}))),
        must_state=listed("must_state", ()),
        lock=file("lock"),
        baseline=file("baseline"),
    )
