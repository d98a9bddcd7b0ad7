"""Waits until a started target reads its topic, and says at once if it ends by itself before."""

import asyncio

from ackgap.harness.instance import Instance
from ackgap.harness.markers import Markers
from ackgap.target.spec import TargetError


async def join(instance: Instance, markers: Markers) -> None:
    """Return when the target has ACKed a marker of every partition. Raises TargetError."""
    spec, target = instance.spec, instance.target
    if target is None:
        raise TargetError(f"target {spec.name} was not started")
    joining = asyncio.create_task(markers.warm_up(spec.startup_timeout_s))
    dying = asyncio.create_task(target.died())
    try:
        await asyncio.wait({joining, dying}, return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            said = f"{dying.result()} before it ACKed anything"
            raise TargetError(said, hint="its last log lines tell why", log=target.last_lines())
        if not await joining:
            raise TargetError(
                f"target {spec.name} ({instance.name}) never ACKed a marker on {instance.topic} within "
                f"{spec.startup_timeout_s:g} s",
                hint="check that it reads the topic, accepts enveloped events and publishes to the ACK topic it was given",
                log=target.last_lines(),
            )
    finally:
        for task in (joining, dying):
            task.cancel()
        await asyncio.gather(joining, dying, return_exceptions=True)
