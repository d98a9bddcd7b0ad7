"""The Gateway that ships with the kit, as a target."""

import importlib
import sys

from ackgap.contract import Contract, load
from ackgap.target.core import CoreFactory
from ackgap.target.spec import Observe, TargetSpec

MODULE = "ackgap_reference.service.main"
METRIC_NAMES = {
    "gap_total": "activation_gap_total",
    "resync_total": "activation_resync_total",
    "dropped_total": "activation_dropped_total",
}
CORE = "ackgap_reference.gateway:build"


def reference(
    *, core: str = CORE, name: str = "reference", version: str = "", contract: Contract | None = None
) -> TargetSpec:
    """The reference Gateway as a process of its own, told to follow the contract (the shipped one by default).

    `core` may name another core factory.
    """
    shipped = load()
    contract = contract or shipped
    told = {} if contract.folder == shipped.folder else {"CONTRACT": str(contract.folder)}
    return TargetSpec(
        name=name,
        version=version,
        command=(sys.executable, "-m", MODULE, "gateway"),
        env={
            "KAFKA_BROKERS": "{bus.bootstrap}",
            "ACTIVATION_TOPIC": "{bus.activation_topic}",
            "ACK_TOPIC": "{bus.ack_topic}",
            "GROUP_ID": "{bus.group}",
            "GROUP_INSTANCE_ID": "{bus.group}-1",
            "WORLDSERVICE_URL": "{worldservice.url}",
            "GAP_TIMEOUT_MS": "{settings.gap_timeout_ms}",
            "RESYNC_ENFORCED": "{settings.resync_enforced}",
            "HTTP_PORT": "{port.http}",
            "LOG_LEVEL": "warning",
            "CORE": core,
            **told,
        },
        ready_http="http://{host}:{port.http}/ready",
        observe=Observe(
            gate="http://{host}:{port.http}" + contract.constants.gate_path + "?run_id={run_id}",
            relay="ws://{host}:{port.http}/ws",
            metrics="http://{host}:{port.http}/metrics",
            metric_names=METRIC_NAMES,
        ),
    )


def reference_core() -> CoreFactory:
    """What builds the core of the reference Gateway; loaded by name, never imported."""
    module, _, name = CORE.partition(":")
    found: CoreFactory = getattr(importlib.import_module(module), name)
    return found
