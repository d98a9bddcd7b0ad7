"""Settings of the reference WorldService, from the environment or a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ackgap.contract import load
from ackgap_reference.environment import Rule, between, brokers, flag, one_of, read_all, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the service can be told. Times in ms, sizes in bytes."""

    kafka_brokers: str
    activation_topic: str
    ack_topic: str
    http_host: str
    http_port: int
    database: str
    wire_form: str
    body_limit: int
    freeze_timeout_ms: int
    switch_timeout_ms: int
    ack_late_ms: int
    keep_runs: int
    rehearsals: bool
    log_level: str


def from_environment(environment: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Settings from a file, overridden by the environment. Raises SettingsError naming every problem."""
    return Settings(**read_all(rules(), environment, config))


def rules() -> list[Rule]:
    """Every setting with what is expected of it and its default."""
    constants = load().constants
    ms = between(1, 3_600_000)
    known = [
        Rule("kafka_brokers", "HOST:PORT, more separated by commas", brokers),
        Rule("activation_topic", "a topic name", text, constants.activation_topic),
        Rule("ack_topic", "a topic name", text, constants.ack_topic),
        Rule("http_host", "an address to listen on", text, "127.0.0.1"),
        Rule("http_port", "a port, 0 to 65535 (0: any free one)", between(0, 65_535), 8000),
        Rule("database", "a file, or :memory: to forget everything at the end", text, "worldservice.db"),
        Rule("wire_form", "enveloped or flat", one_of("enveloped", "flat"), "enveloped"),
        Rule("body_limit", "a whole number of bytes, 1024 to 1073741824", between(1024, 1 << 30), 1 << 18),
        Rule("freeze_timeout_ms", "a whole number of ms, 1 to 3600000", ms, 30_000),
        Rule("switch_timeout_ms", "a whole number of ms, 1 to 3600000", ms, 30_000),
        Rule("ack_late_ms", "a whole number of ms, 1 to 3600000", ms, 5_000),
        Rule("keep_runs", "a whole number of runs per world, 1 to 1000000", between(1, 1_000_000), 100),
        Rule("rehearsals", "true or false", flag, False),
        Rule("log_level", "debug, info, warning or error", one_of("debug", "info", "warning", "error"), "info"),
    ]
    missing = {f.name for f in fields(Settings)} - {rule.name for rule in known}
    if missing:
        raise AssertionError(f"settings without a rule: {missing}")
    return known
