"""The reference pair as two processes with the kit around them: what happens becomes a history, which the judge reads."""

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import aiohttp

from ackgap.contract import load
from ackgap.harness.instance import Instance
from ackgap.harness.markers import Markers
from ackgap.harness.recorder import Recorder
from ackgap.harness.surroundings import Surroundings
from ackgap.history import FaultChanged, ScenarioBegan, ScenarioEnded, Settled, read
from ackgap.oracle.judge import Judge
from ackgap.scenario.model import Setting
from ackgap.target.process import ProcessTarget
from ackgap.target.reference import reference
from ackgap.target.running import Place
from ackgap.target.worldservices import reference_worldservice
from tests.e2e.courier import Courier
from tests.e2e.proxy import RecordingProxy

PARTITIONS = 4
ASK_AGAIN_S = (0.15, 0.4, 1.1, 2.0)


class Stage:
    """A bus and a history for several pairs."""

    def __init__(self, folder: Path, run_id="e2e", bus="embedded"):
        self.folder, self.run_id = folder, run_id
        self.surroundings = Surroundings(spec=reference(), bus=bus, image="", run_id=run_id, folder=folder)
        self.recorder = Recorder(folder / "history.jsonl")
        self.pairs: list[Pair] = []

    async def start(self, *pairs: "Pair"):
        await self.surroundings.start()
        self.pairs = list(pairs)
        await asyncio.gather(*(pair.start(self) for pair in pairs))

    async def stop(self):
        await asyncio.gather(*(pair.stop() for pair in self.pairs), return_exceptions=True)
        await self.surroundings.close()
        self.recorder.close()

    def judge(self):
        """What the ordinary judge says of everything that was seen."""
        judge = Judge(load())
        with (self.folder / "history.jsonl").open(encoding="utf-8") as lines:
            for observation in read(lines):
                judge.observe(observation)
        return judge.finish()


class Pair:
    """A WorldService and a Gateway that follows it. `durable` gives the Gateway a state file and takes its relay."""

    gateway_spec = staticmethod(reference)
    worldservice_spec = staticmethod(reference_worldservice)

    def __init__(self, *, enforced: bool, gap_timeout_ms: int, durable=False, gateway=(), **worldservice):
        self.setting = Setting(resync_enforced=enforced, gap_timeout_ms=gap_timeout_ms, default_timeout=False)
        self.durable, self.gateway_env, self.worldservice_env = durable, dict(gateway), worldservice

    # --- life --------------------------------------------------------------------------------------------------

    async def start(self, stage: Stage):
        self.stage, self.recorder = stage, stage.recorder
        spec = self.gateway_spec()
        if self.durable:
            state = str(stage.folder / f"state-{self.setting.name}.db")
            spec = replace(
                spec, env={**spec.env, "STATE_DB": state, **self.gateway_env}, observe=replace(spec.observe, relay="")
            )
        surroundings = stage.surroundings
        self.instance = instance = Instance(
            spec=spec, setting=self.setting, surroundings=surroundings, recorder=stage.recorder, run_id=stage.run_id
        )
        self.proxy = instance.server = RecordingProxy(on_request=instance._requested, on_answer=instance._answered)
        truth = f"truth-{stage.run_id}-{instance.name}"
        bus = surroundings.bus
        await bus.create_topic(truth, PARTITIONS)
        self.courier = Courier(instance, PARTITIONS)
        await bus.follow(truth, self.courier.record)
        spec = self.worldservice_spec()
        place = Place(
            name=f"worldservice-{instance.name}", log=stage.folder / f"worldservice-{instance.name}.log",
            folder=stage.folder, values={
                "bus.bootstrap": bus.bootstrap, "bus.activation_topic": truth, "bus.ack_topic": instance.ack_topic,
            },
        )  # fmt: skip
        self.worldservice = ProcessTarget(
            replace(spec, env={**spec.env, **self.worldservice_env}), place, surroundings.guardian
        )
        self.url = self.proxy.upstream = f"http://127.0.0.1:{self.worldservice.values['port.http']}"
        self.session = aiohttp.ClientSession()
        await asyncio.gather(instance.start(), self.worldservice.start())
        self.markers = Markers(instance)
        self.markers.register()
        assert await self.markers.warm_up(20)
        await self.markers.calibrate("begin")

    async def stop(self):
        with contextlib.suppress(Exception):
            await self.markers.calibrate("end")
        await self.courier.close()
        await self.instance.stop()
        await self.worldservice.stop()
        await self.session.close()

    async def kill_gateway(self):
        """SIGKILL; it stays down until `gateway_again`."""
        self._fault("gateway_killed", active=True)
        await self.instance.down(kill=True)

    async def gateway_again(self):
        await self.instance.up()
        self._fault("gateway_killed", active=False)

    async def kill_worldservice(self):
        """SIGKILL; it stays down until `worldservice_again`."""
        self.worlds_without = tuple(self.instance.on_ack)
        self._fault("worldservice_down", active=True, worlds=self.worlds_without)
        await self.worldservice.end(kill=True)

    async def worldservice_again(self):
        await self.worldservice.again()
        self._fault("worldservice_down", active=False, worlds=self.worlds_without)

    def cut_off(self, world):
        """The Gateway cannot ask for this world until `reconnect`."""
        self._fault("worldservice_down", active=True, worlds=(world,))
        self.proxy.down.add(world)

    def reconnect(self, world):
        self.proxy.down.discard(world)
        self._fault("worldservice_down", active=False, worlds=(world,))

    def _fault(self, fault, *, active, worlds=()):
        now, name = self.recorder.now(), self.instance.name
        self.recorder.see(FaultChanged(t=now, instance=name, fault=fault, active=active, worlds=worlds))

    # --- the WorldService --------------------------------------------------------------------------------------

    async def ask(self, method, world, path, body=None):
        url = f"{self.url}/worlds/{quote(world, safe='')}/{path}"
        async with self.session.request(method, url, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def apply(self, world, run="r1", *, weight=0.5, entries=("alpha/long", "beta/short"), **more):
        rows = [{"strategy_id": e.rpartition("/")[0], "side": e.rpartition("/")[2], "weight": weight} for e in entries]
        status, document = await self.ask("POST", world, "apply", {"run_id": run, "entries": rows, **more})
        assert status == 202, document
        return document

    async def status(self, world, run="r1"):
        return (await self.ask("GET", world, f"apply/{quote(run, safe='')}"))[1]

    async def ended(self, world, run="r1", seconds=20):
        async with asyncio.timeout(seconds):
            while (found := await self.status(world, run)).get("ended") is None:
                assert "state" in found, f"the WorldService does not know {world} {run}: {found['detail']}"
                await asyncio.sleep(0.01)
        return found

    async def completed(self, world, run="r1", **more):
        await self.apply(world, run, **more)
        ended = await self.ended(world, run)
        assert ended["state"] == "completed", ended
        return ended

    async def override(self, world, entry="alpha/long", **change):
        strategy, side = entry.split("/")
        status, event = await self.ask("POST", world, "override", {"strategy_id": strategy, "side": side, **change})
        assert status == 200, event
        return event["data"]

    async def snapshot(self, world):
        return (await self.ask("GET", world, "activation"))[1]

    # --- the Gateway -------------------------------------------------------------------------------------------

    def acked(self, world, run="r1"):
        return [s for (w, r, s) in self.instance.acked if (w, r) == (world, run)]

    async def all_acked(self, world, run, upto, seconds=20, lost=()):
        """Wait until every event up to that one is ACKed, but those that were lost."""
        wanted = {(world, run, n) for n in range(1, upto + 1) if n not in lost}
        for place in sorted(wanted, key=lambda p: p[2]):
            held = await self.instance.until(place, lambda place=place: place in self.instance.acked, seconds)
            assert held, f"no ACK of {place}; there are {self.acked(world, run)}"

    async def gate(self, world, run="r1"):
        return await self.instance.ask_gate(world, run)

    async def gate_becomes(self, word, world, run="r1", seconds=10):
        async with asyncio.timeout(seconds):
            while await self.gate(world, run) != word:
                await asyncio.sleep(0.02)

    async def gate_reason(self, world, run="r1"):
        url = self.instance._gate_url(world, run)
        from yarl import URL

        async with self.session.get(URL(url, encoded=True)) as response:
            return json.loads(await response.text())["reason"]

    async def until(self, holds, seconds=10):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)

    def asked(self, world):
        return [endpoint for asked, endpoint in self.proxy.asked if asked == world]

    # --- the history -------------------------------------------------------------------------------------------

    def begin(self, scenario, worlds):
        """From now on these worlds belong to the scenario; their gates are asked at every ACK."""
        recorder, instance = self.recorder, self.instance
        recorder.see(ScenarioBegan(t=recorder.now(), instance=instance.name, scenario=scenario, worlds=tuple(worlds)))
        self.asking: set[asyncio.Task] = getattr(self, "asking", set())
        for world in worlds:
            instance.on_ack[world] = self._ask_later

    def _ask_later(self, stream):
        task = asyncio.create_task(self.instance.ask_gate(*stream))
        self.asking.add(task)
        task.add_done_callback(self.asking.discard)

    async def settle(self, worlds):
        """Prove by markers that the Gateway has read everything that was delivered, then ask all gates."""
        instance, recorder = self.instance, self.recorder
        for world in worlds:
            await self.courier.idle(world)
        upto = recorder.now()
        for partition in {instance.partition_for(world) for world in worlds}:
            assert await self.markers.pass_through(partition, 20) is not None
        await asyncio.sleep(instance.settle_ms / 1000)
        for world in worlds:
            recorder.see(Settled(t=recorder.now(), instance=instance.name, world_id=world, upto=upto, proof="barrier"))
        await self._ask_all(worlds)

    async def _ask_all(self, worlds):
        streams = {(w, run) for w, run, _ in self.courier.seen if w in worlds and run}
        return set(await asyncio.gather(*(self.gate(*stream) for stream in streams)))

    async def end(self, scenario, worlds, *, patient=True):
        """The scenario is over: settle, give closed gates their time, and say so."""
        await self.settle(worlds)
        for pause in ASK_AGAIN_S if patient else ():
            if await self._ask_all(worlds) <= {"open"}:
                break
            await asyncio.sleep(pause)
        for world in worlds:
            self.instance.on_ack.pop(world, None)
        await asyncio.gather(*self.asking, return_exceptions=True)
        recorder = self.recorder
        recorder.see(ScenarioEnded(t=recorder.now(), instance=self.instance.name, scenario=scenario, complete=True))

    # --- what must hold of any run -----------------------------------------------------------------------------

    async def consistent(self, world):
        """Nothing lost, nothing told in two ways, and snapshot, probe and last event agree."""
        runs: dict[str, list[int]] = {}
        for (w, run, sequence), copies in self.courier.seen.items():
            if w == world and sequence:
                assert len(set(copies)) == 1, f"{world} {run} {sequence} was told in {len(set(copies))} ways"
                runs.setdefault(run, []).append(sequence)
        for run, sequences in runs.items():
            assert sequences == list(range(1, len(sequences) + 1)), (world, run, sequences)
            status = await self.status(world, run)
            assert status["ended"], status
            assert status["emitted"] == status["published"] == len(sequences), (status, sequences)
        snapshot = await self.snapshot(world)
        probe = (await self.ask("GET", world, "activation/state_hash"))[1]
        last = self.courier.bodies[world][-1]
        assert snapshot["state_hash"] == probe["state_hash"] == last["state_hash"]
        assert not any(e["freeze"] or e["drain"] for e in entries(snapshot) if not e["etag"].startswith("override"))


def entries(snapshot):
    return [entry for sides in snapshot["state"].values() for entry in sides.values()]
