"""The WorldServices that ship with the reference, as targets: the right one, deliberately wrong ones, and right ones with
strange habits. They are loaded by name, never imported.
"""

import importlib
import sys
from typing import Any

from ackgap.contract import Contract, load
from ackgap.target.applying import Trigger, WorldServiceSpec
from ackgap.target.naming import no_such
from ackgap.target.reference import MODULE
from ackgap.target.spec import Observe, TargetSpec

ROOM = "ackgap_reference.worldservice"
PREFIX = "strange-"


def faulty_worldservices() -> dict[str, Any]:
    """Every faulty WorldService by name; each has `sentence` and `requirement`."""
    found: dict[str, Any] = importlib.import_module(f"{ROOM}.faulty").CATALOGUE
    return found


def strange_worldservices() -> dict[str, Any]:
    """Every right but strange WorldService by name; each has `sentence`."""
    found: dict[str, Any] = importlib.import_module(f"{ROOM}.strange").CATALOGUE
    return found


def find_worldservice(name: str, contract: Contract | None = None) -> TargetSpec:
    """The reference ("" as name), a faulty one, or a strange one as `strange-NAME`. Raises ContractError if there is none."""
    known = [*faulty_worldservices(), *(PREFIX + n for n in strange_worldservices())]
    if name and name not in known:
        raise no_such("WorldService", f"reference-worldservice:{name}", name, known)
    return reference_worldservice(contract=contract, variant=name)


def reference_worldservice(*, version: str = "", contract: Contract | None = None, variant: str = "") -> TargetSpec:
    """The reference WorldService as a process of its own; its database lies in the folder of its files.

    `variant` names a deliberately wrong one, or `strange-NAME` a right one with strange habits.
    """
    shipped = load()
    told = {} if contract is None or contract.folder == shipped.folder else {"CONTRACT": str(contract.folder)}
    base = "http://{host}:{port.http}"
    apply = f"{base}/worlds/{{world_id}}/apply"
    body = {"run_id": "{run_id}", "entries": "{entries}"}
    strange = variant.removeprefix(PREFIX) if variant.startswith(PREFIX) else ""
    chosen = ("--strange", strange) if strange else ("--faulty", variant) if variant else ()
    name = f"reference-worldservice-{variant}" if strange else f"faulty-worldservice-{variant}"
    return TargetSpec(
        name=name if variant else "reference-worldservice",
        version=version,
        role="worldservice",
        command=(sys.executable, "-m", MODULE, "worldservice", *chosen),
        env={
            "KAFKA_BROKERS": "{bus.bootstrap}",
            "ACTIVATION_TOPIC": "{bus.activation_topic}",
            "ACK_TOPIC": "{bus.ack_topic}",
            "HTTP_PORT": "{port.http}",
            "DATABASE": "{files}.db",
            "REHEARSALS": "true",
            "LOG_LEVEL": "warning",
            **told,
        },
        ready_http=f"{base}/ready",
        observe=Observe(metrics=f"{base}/metrics"),
        worldservice=WorldServiceSpec(
            url=base,
            apply=Trigger(way="http", url=apply, body=body),
            failing=Trigger(way="http", url=apply, body={**body, "rehearse": {"fail": "unfreeze", "after": 1}}),
            abort=Trigger(way="http", method="DELETE", url=f"{apply}/{{run_id}}"),
        ),
    )
