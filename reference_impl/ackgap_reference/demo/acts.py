"""The acts of the demo: what its client asks for, and what there is to see."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from ackgap_reference.demo.board import Board
from ackgap_reference.demo.pair import Pair

WORLD = "world-1"
ENTRIES = (("alpha", "long"), ("beta", "short"))
WATCH_S = 0.03
LONGEST_S = 20.0


class Client:
    """Sends applies and overrides, and watches gate and ACKs meanwhile. `pace` makes the pauses between acts longer."""

    def __init__(self, pair: Pair, board: Board, pace: float) -> None:
        self.pair, self.board, self.pace = pair, board, pace
        self.runs = 0
        self.looked = asyncio.Event()

    async def play(self) -> None:
        """All acts, one after the other."""
        acts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("an apply: freeze, switch, unfreeze", self.an_apply),
            ("the switch fails: what was comes back", self.a_failing_switch),
            ("the operator holds an entry by hand", self.a_hold),
            ("the Gateway is away: the apply waits for no ACK", self.without_gateway),
        ]
        for number, (title, act) in enumerate(acts, 1):
            self.board.act = f"act {number} of {len(acts)}: {title}"
            self.board.say(self.board.act)
            await act()
            await asyncio.sleep(self.pace)

    async def an_apply(self) -> None:
        """Both phases, with a switch that takes long enough to see the closed gate."""
        await self._apply(weight=0.5, rehearse={"switch_ms": int(400 + 1200 * self.pace)})
        await self._until(lambda: self.board.gate == "open")
        await self._all_acked()

    async def a_failing_switch(self) -> None:
        """A rollback."""
        await self._apply(weight=0.9, rehearse={"switch_ms": int(200 + 1200 * self.pace), "fail": "switch"})
        await self._until(lambda: self.board.gate == "open")
        await self._all_acked()

    async def a_hold(self) -> None:
        """A manual override, unsequenced, and its end."""
        entry = dict(zip(("strategy_id", "side"), ENTRIES[0], strict=True))
        await self.pair.ask("POST", f"/worlds/{WORLD}/override", {**entry, "freeze": True})
        await self._until(lambda: self.board.gate == "closed")
        await asyncio.sleep(self.pace)
        await self.pair.ask("POST", f"/worlds/{WORLD}/override", {**entry, "freeze": False})
        await self._until(lambda: self.board.gate == "open")

    async def without_gateway(self) -> None:
        """An apply without anybody to ACK it; the ACKs come when the Gateway does."""
        await self.pair.stop_gateway()
        self.board.say("the Gateway was stopped")
        await self._apply(weight=0.7)
        await self._until(lambda: len(self.board.status["acks"]["missing"]) == 2 * len(ENTRIES))
        await asyncio.sleep(self.pace)
        await self.pair.start_gateway()
        self.board.say("the Gateway was started again")
        await self._until(lambda: self.board.gate == "open")
        await self._all_acked()

    async def watch(self) -> None:
        """Ask for gate and apply, again and again, for as long as the demo lasts."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                if self.board.run:
                    self.board.saw_gate(*await self.pair.gate(WORLD, self.board.run))
                    status, document = await self.pair.ask("GET", f"/worlds/{WORLD}/apply/{self.board.run}")
                    if status == 200:
                        self.board.saw_status(document)
            self.looked.set()
            await asyncio.sleep(WATCH_S)

    async def _apply(self, *, weight: float, **more: Any) -> None:
        self.runs += 1
        run = f"run-{self.runs}"
        rows = [{"strategy_id": strategy, "side": side, "weight": weight} for strategy, side in ENTRIES]
        self.board.say(f"apply {run} of {WORLD} is asked for")
        self.board.watch(WORLD, run)
        await self.pair.ask("POST", f"/worlds/{WORLD}/apply", {"run_id": run, "entries": rows, **more})
        await self._until(lambda: bool(self.board.status.get("ended")))

    async def _all_acked(self) -> None:
        await self._until(lambda: self.board.status["acks"]["received"] == self.board.status["acks"]["expected"])

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONGEST_S):
            while not holds():
                self.looked.clear()
                await self.looked.wait()
