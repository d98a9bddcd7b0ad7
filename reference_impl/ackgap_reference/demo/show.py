"""Runs the demo: live on a terminal until Ctrl-C, once and in plain lines elsewhere."""

import asyncio
import contextlib
import signal

from rich.console import Console
from rich.live import Live

from ackgap_reference.demo.acts import Client
from ackgap_reference.demo.board import Board, plain
from ackgap_reference.demo.broker import DemoError
from ackgap_reference.demo.pair import Pair

INTERRUPTED = 130
NO_BROKER = 4
FRAMES_PER_SECOND = 12
PACE_S = 1.0


def run(*, once: bool) -> int:
    """Show it. Returns the exit code: 0, 4 without a broker, 130 after Ctrl-C. Nothing is left behind."""
    return asyncio.run(_run(Console(), once=once))


async def _run(console: Console, *, once: bool) -> int:
    live = console.is_terminal and not once
    board = Board(tell=(lambda _: None) if live else plain(console))
    pair = Pair(board.saw_frame)
    work = asyncio.create_task(_live(console, board, pair) if live else _once(board, pair, 0.0))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        return INTERRUPTED
    except DemoError as error:
        console.print(f"ackgap-reference: {error}", markup=False)
        return NO_BROKER
    finally:
        await pair.stop()
    return 0


async def _live(console: Console, board: Board, pair: Pair) -> None:
    with Live(board, console=console, refresh_per_second=FRAMES_PER_SECOND):
        await _once(board, pair, PACE_S, again=True)


async def _once(board: Board, pair: Pair, pace: float, *, again: bool = False) -> None:
    """All acts, `again` and again if that is wanted."""
    await pair.start()
    board.say(f"broker {pair.broker.address}, WorldService {pair.worldservice_url}, Gateway {pair.gateway_url}")
    client = Client(pair, board, pace)
    watching = asyncio.create_task(client.watch())
    try:
        await client.play()
        while again:
            await client.play()
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
