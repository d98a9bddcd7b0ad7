"""Whose a container or network is. What a killed run of the kit left behind is found by its label and taken away."""

import contextlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

OWNER = "dev.ackgap.owner"  # HOST/PID/STARTED: the process that has to take it away
RUN = "dev.ackgap.run"


def labels(run: str) -> dict[str, str]:
    """The labels of everything that this process creates on an engine."""
    return {OWNER: "/".join((platform.node(), str(os.getpid()), started(os.getpid()))), RUN: run}


def sweep(client: "DockerClient") -> list[str]:
    """Remove containers and networks of kit processes of this host that live no more. Returns their names.

    What carries no owner label, or the label of another host or of a living process, is not touched.
    """
    from docker.errors import DockerException  # noqa: PLC0415

    removed = []
    for container in client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
        if orphaned(container.labels.get(OWNER, "")):
            with contextlib.suppress(DockerException):
                container.remove(force=True, v=True)
                removed.append(str(container.name))
    for network in client.networks.list(filters={"label": OWNER}):
        if orphaned((network.attrs.get("Labels") or {}).get(OWNER, "")):
            with contextlib.suppress(DockerException):
                network.remove()
                removed.append(str(network.name))
    return removed


def orphaned(owner: str) -> bool:
    """Whether the process that a label names was one of this host and is gone."""
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    pid, _, since = owner.partition("/")[2].partition("/")
    if host != platform.node() or rest != pid or not pid.isdigit():
        return False
    return started(int(pid)) != since


def started(pid: int) -> str:
    """When a process began, in words that tell it from a later one of the same number; "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:  # systems without /proc
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "alive"
    return "alive"
