"""Settings from the environment or a file, checked all at once."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ackgap.contract import load


class SettingsError(ValueError):
    """One or more settings cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the service can be told. Times in ms, sizes in bytes."""

    kafka_brokers: str
    worldservice_url: str
    activation_topic: str
    ack_topic: str
    group_id: str
    gap_timeout_ms: int
    resync_enforced: bool
    http_host: str
    http_port: int
    wire_form: str
    buffer_limit: int
    http_timeout_ms: int
    body_limit: int
    log_level: str
    core: str
    seed: int


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    expected: str
    read: Callable[[Any], Any]
    default: Any = field(default=None)


def from_environment(environment: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Settings from a file, overridden by the environment. Raises SettingsError naming every problem."""
    given: dict[str, Any] = dict(_file(config)) if config is not None else {}
    source = os.environ if environment is None else environment
    rules = _rules()
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
    return Settings(**values)


def _rules() -> list[_Rule]:
    constants = load().constants
    rules = [
        _Rule("kafka_brokers", "HOST:PORT, more separated by commas", _brokers),
        _Rule("worldservice_url", "an http:// or https:// URL", _url),
        _Rule("activation_topic", "a topic name", _text, constants.activation_topic),
        _Rule("ack_topic", "a topic name", _text, constants.ack_topic),
        _Rule("group_id", "a consumer group name", _text, "ackgap-reference-gateway"),
        _Rule("gap_timeout_ms", "a whole number of ms, 1 to 3600000", _between(1, 3_600_000), constants.gap_timeout_ms),
        _Rule("resync_enforced", "true or false", _flag, constants.resync_enforced),
        _Rule("http_host", "an address to listen on", _text, "127.0.0.1"),
        _Rule("http_port", "a port, 0 to 65535 (0: any free one)", _between(0, 65_535), 8080),
        _Rule("wire_form", "enveloped or flat", _one_of("enveloped", "flat"), "enveloped"),
        _Rule("buffer_limit", "a whole number of events, 1 to 1000000", _between(1, 1_000_000), 1024),
        _Rule("http_timeout_ms", "a whole number of ms, 1 to 600000", _between(1, 600_000), 2000),
        _Rule("body_limit", "a whole number of bytes, 1024 to 1073741824", _between(1024, 1 << 30), 1 << 20),
        _Rule("log_level", "debug, info, warning or error", _one_of("debug", "info", "warning", "error"), "info"),
        _Rule("core", "module:callable of a core factory", _dotted, "ackgap_reference.gateway:build"),
        _Rule("seed", "a whole number", int, 1),
    ]
    missing = {f.name for f in fields(Settings)} - {rule.name for rule in rules}
    if missing:
        raise AssertionError(f"settings without a rule: {missing}")
    return rules


def _file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError([f"{path} cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise SettingsError([f"{path}: expected a mapping of settings"])
    return document


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(raw)
    return raw


def _brokers(raw: Any) -> str:
    for broker in _text(raw).split(","):
        host, _, port = broker.rpartition(":")
        if not host or not 0 < int(port) < 65_536:
            raise ValueError(raw)
    return str(raw)


def _url(raw: Any) -> str:
    if not _text(raw).startswith(("http://", "https://")):
        raise ValueError(raw)
    return str(raw).rstrip("/")


def _between(low: int, high: int) -> Callable[[Any], int]:
    def read(raw: Any) -> int:
        value = int(str(raw))
        if isinstance(raw, bool) or not low <= value <= high:
            raise ValueError(raw)
        return value

    return read


def _flag(raw: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    word = str(raw).lower()
    if word not in words:
        raise ValueError(raw)
    return words[word]


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if str(raw).lower() not in words:
            raise ValueError(raw)
        return str(raw).lower()

    return read


def _dotted(raw: Any) -> str:
    module, colon, name = _text(raw).partition(":")
    if not module or not colon or not name:
        raise ValueError(raw)
    return str(raw)
