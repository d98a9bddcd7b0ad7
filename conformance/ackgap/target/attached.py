"""A service that runs already: watched from outside, never started, restarted or stopped."""

import asyncio
from collections.abc import Mapping

import aiohttp

from ackgap.target.readiness import await_ready, shows
from ackgap.target.running import Place
from ackgap.target.spec import Attached, TargetError, TargetSpec, fill

WATCH_S = 1.0
MISSES = 3


class AttachedTarget:
    """One running service."""

    def __init__(self, spec: TargetSpec, place: Place, service: Attached) -> None:
        self.spec, self.place, self.service = spec, place, service
        ports = {f"port.{name}": str(port) for name, port in service.ports.items()}
        self.values: Mapping[str, str] = {**place.values, "host": service.host, **ports}

    async def start(self) -> None:
        """Wait until it shows that it is ready. Raises TargetError or TemplateError."""
        await await_ready(self.spec, self.values, log=self.place.log, ended=lambda: None, attached=True)

    async def died(self) -> str:
        """Watch its sign of readiness, where it has one that can be asked for again and again."""
        spec = self.spec
        if not (spec.ready_http or spec.ready_tcp):
            await asyncio.Event().wait()
        sign = fill(spec.ready_http or spec.ready_tcp, self.values, where=f"target {spec.name}: start.ready")
        missed = 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), trust_env=False) as session:
            while missed < MISSES:
                await asyncio.sleep(WATCH_S)
                missed = 0 if await shows(spec, sign, self.values, session, self.place.log) else missed + 1
        return f"target {spec.name} ({self.place.name}) does not answer at {sign} any more"

    async def restart(self, *, kill: bool) -> None:
        """An attached service is not ours to restart."""
        raise TargetError(f"target {self.spec.name} is attached: the kit does not restart it")

    async def end(self, *, kill: bool) -> None:
        """An attached service is not ours to end."""
        raise TargetError(f"target {self.spec.name} is attached: the kit does not end it")

    async def again(self) -> None:
        """Nothing was ended."""

    async def forget(self) -> bool:
        """An attached service's disk is not ours."""
        raise TargetError(f"target {self.spec.name} is attached: the kit does not take its disk")

    async def stand_still(self) -> bool:
        """An attached service is not ours to stop."""
        raise TargetError(f"target {self.spec.name} is attached: the kit does not stop it")

    async def go_on(self) -> None:
        """Nothing was stopped."""

    async def stop(self) -> None:
        """Leave it alone."""

    def last_lines(self) -> str:
        """Its log is not known."""
        return ""

    def whereabouts(self) -> str:
        """See `Target.whereabouts`."""
        return f"attached at {self.service.host}"
