"""One kill: several worlds are applied at once, one or both services die at a random point, and all must end well."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from tests.e2e.courier import Courier
from tests.e2e.pair import Pair

VICTIMS = ("worldservice", "worldservice", "gateway", "gateway", "both")
ENTRIES = 4
LONGEST_S = 60
GATE_EVERY_S = 0.02


@dataclass
class Figures:
    """What was done, over all rounds."""

    kills: Counter = field(default_factory=Counter)  # by victim
    points: Counter = field(default_factory=Counter)  # by the stage that the applies were in
    amid: int = 0  # kills with an apply that had begun and not ended
    applies: Counter = field(default_factory=Counter)  # by how they ended
    events: int = 0
    repeated: int = 0  # events that were published again, with the same bytes
    lost: int = 0  # by the courier
    gates_asked: int = 0
    retried: int = 0  # applies whose first request was cut off by the kill


class Round:
    """Everything about one kill. `name` names its worlds."""

    def __init__(self, pair: Pair, name: str, dice: random.Random, worlds: int, figures: Figures):
        self.pair, self.name, self.dice, self.figures = pair, name, dice, figures
        self.worlds = [f"{name}-w{n}" for n in range(worlds)]
        self.plans = {world: self._plan() for world in self.worlds}
        self.over = False

    def _plan(self):
        """One in four applies fails somewhere by itself, and some take their time to switch."""
        rehearse = {"switch_ms": self.dice.choice((0, 0, 20, 80))}
        if self.dice.random() < 0.25:
            rehearse |= {"fail": self.dice.choice(("freeze", "switch", "unfreeze")), "after": self.dice.randint(1, 3)}
        return {"weight": round(self.dice.random(), 3), "rehearse": rehearse}

    async def play(self):
        pair, dice = self.pair, self.dice
        pair.begin(self.name, self.worlds)
        await asyncio.gather(*(pair.completed(w, "r0", entries=self._entries()) for w in self.worlds))
        victim = dice.choice(VICTIMS)
        if dice.random() < 0.4:
            sequence = dice.randint(1, 2 * ENTRIES - 1)
            cut_short = "fail" in self.plans[self.worlds[-1]]["rehearse"]  # its last event opens no gap if it is lost
            pair.courier.change[self.worlds[-1]] = self._losing(1 if cut_short else sequence)
        watching = asyncio.create_task(self._watch_gates())
        applying = [asyncio.create_task(self._apply(world)) for world in self.worlds]
        await self._moment()
        self._note_points()
        await self._kill(victim)
        await self._again(victim)
        await asyncio.gather(*applying)
        for world in self.worlds:
            await self._ended(world)
        self.over = True
        await watching
        await pair.end(self.name, self.worlds)
        for world in self.worlds:
            await self._check(world)
        self.figures.kills[victim] += 1

    def _entries(self):
        return [f"s{n}/long" for n in range(ENTRIES)]

    async def _moment(self):
        """Wait for a random point: a number of events of one of the worlds, and some ms more or less."""
        leader, reached = self.dice.choice(self.worlds), self.dice.randint(1, 2 * ENTRIES - 1)
        more = self.dice.uniform(0.0, 0.006)
        bodies = self.pair.courier.bodies
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while sum(1 for b in bodies.get(leader, ()) if b["run_id"] == "r1") < reached:
                    self.pair.courier.news.clear()
                    await self.pair.courier.news.wait()
        await asyncio.sleep(more)

    def _losing(self, sequence):
        def change(body):
            if body["run_id"] == "r1" and body["sequence"] == sequence:
                self.figures.lost += 1
                return []
            return [Courier.NOW]

        return change

    async def _apply(self, world):
        """Ask until the answer comes: the same request under the same run is never done twice."""
        plan = self.plans[world]
        rows = [{"strategy_id": e.split("/")[0], "side": "long", "weight": plan["weight"]} for e in self._entries()]
        request = {"run_id": "r1", "entries": rows, "rehearse": plan["rehearse"]}
        for attempt in range(1000):
            try:
                status, document = await self.pair.ask("POST", world, "apply", request)
            except (aiohttp.ClientError, OSError, ValueError):
                self.figures.retried += attempt == 0
                await asyncio.sleep(0.02)
                continue
            assert status in ({202} if attempt == 0 else {200, 202}), document
            return
        raise AssertionError(f"{world}: the WorldService never came back")

    async def _kill(self, victim):
        kills = []
        if victim in {"worldservice", "both"}:
            kills.append(self.pair.kill_worldservice())
        if victim in {"gateway", "both"}:
            kills.append(self.pair.kill_gateway())
        await asyncio.gather(*kills)

    async def _again(self, victim):
        again = []
        if victim in {"worldservice", "both"}:
            again.append(self.pair.worldservice_again())
        if victim in {"gateway", "both"}:
            again.append(self.pair.gateway_again())
        await asyncio.gather(*again)

    async def _ended(self, world):
        """The apply has ended, everything that was not lost is ACKed or covered, and the gate is what it was."""
        status = await self.pair.ended(world, "r1", LONGEST_S)
        self.figures.applies[status["state"]] += 1
        fails = "fail" in self.plans[world]["rehearse"]
        assert status["state"] == ("rolled_back" if fails else "completed"), status
        async with asyncio.timeout(LONGEST_S):
            while await self.pair.gate(world, "r1") != "open":
                await asyncio.sleep(0.05)

    async def _watch_gates(self):
        """Ask all gates all the time: what they answer is the judge's business."""
        while not self.over:
            for world in self.worlds:
                await self.pair.gate(world, "r1")
                self.figures.gates_asked += 1
            await asyncio.sleep(GATE_EVERY_S)

    def _note_points(self):
        """Where each apply stood when the kill came, told from what was published."""
        points = []
        for world in self.worlds:
            bodies = [b for b in self.pair.courier.bodies.get(world, ()) if b["run_id"] == "r1"]
            phases = [b["phase"] for b in bodies]
            if not bodies:
                point = "not begun"
            elif len(bodies) < ENTRIES:
                point = "in the freeze phase"
            elif "unfreeze" not in phases:
                point = "at the switch"
            elif len(bodies) < 2 * ENTRIES:
                point = "in the unfreeze phase or rolling back"
            else:
                point = "all published"
            points.append(point)
        self.figures.points.update(points)
        self.figures.amid += not {"not begun", "all published"}.issuperset(points)

    async def _check(self, world):
        pair = self.pair
        await pair.consistent(world)
        snapshot = await pair.snapshot(world)
        weights = {e["weight"] for sides in snapshot["state"].values() for e in sides.values()}
        fails = "fail" in self.plans[world]["rehearse"]
        assert weights == {0.5 if fails else self.plans[world]["weight"]}, (world, weights, self.plans[world])
        copies = [c for (w, _, _), c in pair.courier.seen.items() if w == world]
        self.figures.events += len(copies)
        self.figures.repeated += sum(len(c) - 1 for c in copies)
        if world not in pair.courier.lost:
            emitted = (await pair.status(world, "r1"))["emitted"]
            await pair.all_acked(world, "r1", emitted)
            first_seen = list(dict.fromkeys(pair.acked(world)))
            assert first_seen == list(range(1, emitted + 1)), (world, first_seen)
