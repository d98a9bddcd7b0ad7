"""From a description to a target that can be started."""

from ackgap.containers.network import RunNetwork
from ackgap.target.attached import AttachedTarget
from ackgap.target.container import ContainerTarget
from ackgap.target.guardian import Guardian
from ackgap.target.process import ProcessTarget
from ackgap.target.running import Place, Target
from ackgap.target.spec import Attached, TargetError, TargetSpec


def make_target(
    spec: TargetSpec,
    place: Place,
    *,
    network: RunNetwork | None = None,
    attached: Attached | None = None,
    guardian: Guardian | None = None,
) -> Target:
    """The target of a description, not started yet. Raises TargetError for one that runs inside the kit."""
    if spec.kind == "attach" and attached is not None:
        return AttachedTarget(spec, place, attached)
    if spec.in_container and network is not None:
        return ContainerTarget(spec, place, network)
    if spec.kind == "command":
        return ProcessTarget(spec, place, guardian)
    raise TargetError(f"target {spec.name} cannot be started as a service of its own ({spec.kind})")
