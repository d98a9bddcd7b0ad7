"""Settings of the reference Gateway, from the environment or a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ackgap.contract import Constants
from ackgap_reference.environment import (
    Rule,
    SettingsError,
    between,
    brokers,
    constants_of,
    constants_told,
    dotted,
    flag,
    one_of,
    read_all,
    text,
    url,
)  # fmt: skip
from ackgap_reference.stream import BUFFER_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the service can be told. Times in ms, sizes in bytes."""

    kafka_brokers: str
    worldservice_url: str
    activation_topic: str
    ack_topic: str
    group_id: str
    group_instance_id: str
    gap_timeout_ms: int
    resync_enforced: bool
    http_host: str
    http_port: int
    wire_form: str
    buffer_limit: int
    http_timeout_ms: int
    body_limit: int
    log_level: str
    state_db: str
    core: str
    seed: int
    contract: str

    @property
    def constants(self) -> Constants:
        """The constants of the contract folder that `contract` names, or of the shipped one."""
        return constants_of(self.contract)


def from_environment(environment: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Settings from a file, overridden by the environment. Raises SettingsError naming every problem."""
    return Settings(**read_all(_rules(constants_told(environment, config)), environment, config))


def _rules(constants: Constants) -> list[Rule]:
    rules = [
        Rule("kafka_brokers", "HOST:PORT, more separated by commas", brokers),
        Rule("worldservice_url", "an http:// or https:// URL", url),
        Rule("activation_topic", "a topic name", text, constants.activation_topic),
        Rule("ack_topic", "a topic name", text, constants.ack_topic),
        Rule("group_id", "a consumer group name", text, "ackgap-reference-gateway"),
        Rule("group_instance_id", "a name of this member that it keeps over restarts, or nothing", str, ""),
        Rule("gap_timeout_ms", "a whole number of ms, 1 to 3600000", between(1, 3_600_000), constants.gap_timeout_ms),
        Rule("resync_enforced", "true or false", flag, constants.resync_enforced),
        Rule("http_host", "an address to listen on", text, "127.0.0.1"),
        Rule("http_port", "a port, 0 to 65535 (0: any free one)", between(0, 65_535), 8080),
        Rule("wire_form", "enveloped or flat", one_of("enveloped", "flat"), "enveloped"),
        Rule("buffer_limit", "a whole number of events, 1 to 1000000", between(1, 1_000_000), BUFFER_LIMIT),
        Rule("http_timeout_ms", "a whole number of ms, 1 to 600000", between(1, 600_000), 2000),
        Rule("body_limit", "a whole number of bytes, 1024 to 1073741824", between(1024, 1 << 30), 1 << 20),
        Rule("log_level", "debug, info, warning or error", one_of("debug", "info", "warning", "error"), "info"),
        Rule("state_db", "a file that streams are remembered in over restarts, or nothing", str, ""),
        Rule("core", "module:callable of a core factory", dotted, "ackgap_reference.gateway:build"),
        Rule("seed", "a whole number", int, 1),
        Rule("contract", "a contract folder, or nothing for the shipped one", str, ""),
    ]
    missing = {f.name for f in fields(Settings)} - {rule.name for rule in rules}
    if missing:
        raise AssertionError(f"settings without a rule: {missing}")
    return rules


__all__ = ["Settings", "SettingsError", "from_environment"]
