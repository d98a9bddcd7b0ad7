"""Settings from the environment or a file, checked all at once; what the services of the reference have in common."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import Constants, ContractError, load


class SettingsError(ValueError):
    """One or more settings cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: its name (the variable is the same in capitals), what is expected, how it is read, its default."""

    name: str
    expected: str
    read: Callable[[Any], Any]
    default: Any = None


def read_all(
    rules: Sequence[Rule], environment: Mapping[str, str] | None = None, config: Path | None = None
) -> dict[str, Any]:
    """Values from a file, overridden by the environment. Raises SettingsError naming every problem."""
    given: dict[str, Any] = dict(_file(config)) if config is not None else {}
    source = os.environ if environment is None else environment
    known = {rule.name for rule in rules}
    problems = [
        f"{config}: unknown key {name!r}; known are {', '.join(sorted(known))}" for name in given if name not in known
    ]
    values: dict[str, Any] = {}
    for rule in rules:
        variable = rule.name.upper()
        raw = source.get(variable, given.get(rule.name, rule.default))
        where = variable if variable in source else f"{config}: {rule.name}" if rule.name in given else variable
        if raw is None:
            problems.append(f"{where} is not set; expected {rule.expected}")
            continue
        try:
            values[rule.name] = rule.read(raw)
        except (ValueError, TypeError):
            problems.append(f"{where} is {raw!r}; expected {rule.expected}")
    if problems:
        raise SettingsError(problems)
    return values


def constants_told(environment: Mapping[str, str] | None = None, config: Path | None = None) -> Constants:
    """The constants of the contract folder that `CONTRACT` names, or of the shipped one. Raises SettingsError."""
    source = os.environ if environment is None else environment
    given = _file(config).get("contract", "") if config is not None else ""
    return constants_of(str(source.get("CONTRACT", given)))


def constants_of(folder: str) -> Constants:
    """The constants of a contract folder, of the shipped one for "". Raises SettingsError."""
    try:
        return load(Path(folder) if folder else None).constants
    except ContractError as error:
        raise SettingsError([f"CONTRACT is {folder!r}; expected a contract folder: {error}"]) from error


def _file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError([f"{path} cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise SettingsError([f"{path}: expected a mapping of settings"])
    return document


def text(raw: Any) -> str:
    """A text that is not blank. Raises ValueError or TypeError."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(raw)
    return raw


def brokers(raw: Any) -> str:
    """Broker addresses, separated by commas. Raises ValueError or TypeError."""
    for broker in text(raw).split(","):
        host, _, port = broker.rpartition(":")
        if not host or not 0 < int(port) < 65_536:
            raise ValueError(raw)
    return str(raw)


def url(raw: Any) -> str:
    """A URL without the slash at its end. Raises ValueError or TypeError."""
    if not text(raw).startswith(("http://", "https://")):
        raise ValueError(raw)
    return str(raw).rstrip("/")


def between(low: int, high: int) -> Callable[[Any], int]:
    """A whole number in these bounds."""

    def read(raw: Any) -> int:
        value = int(str(raw))
        if isinstance(raw, bool) or not low <= value <= high:
            raise ValueError(raw)
        return value

    return read


def flag(raw: Any) -> bool:
    """Yes or no, in a few words. Raises ValueError or TypeError."""
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    word = str(raw).lower()
    if word not in words:
        raise ValueError(raw)
    return words[word]


def one_of(*words: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(raw: Any) -> str:
        if str(raw).lower() not in words:
            raise ValueError(raw)
        return str(raw).lower()

    return read


def dotted(raw: Any) -> str:
    """`module:callable`. Raises ValueError or TypeError."""
    module, colon, name = text(raw).partition(":")
    if not module or not colon or not name:
        raise ValueError(raw)
    return str(raw)
