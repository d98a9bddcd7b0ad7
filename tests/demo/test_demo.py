"""The demo: one command, plain lines or a live picture, and nothing left behind."""

import contextlib
import io
import os
import pty
import select
import signal
import subprocess
import sys
import time

import psutil
import pytest
from rich.console import Console

from ackgap_reference.demo.board import Board, plain

COMMAND = [sys.executable, "-m", "ackgap_reference.service.main", "demo"]


def family(process):
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes, seconds=5):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


def read(terminal):
    """What is there to be read; nothing once the other end is closed."""
    if not select.select([terminal], [], [], 0.2)[0]:
        return b""
    with contextlib.suppress(OSError):
        return os.read(terminal, 65_536)
    time.sleep(0.05)
    return b""


def test_without_a_terminal_it_plays_once_in_plain_lines():
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    story = [line.partition(" s  ")[2] for line in done.stdout.splitlines()]
    acts = {line: n for n, line in enumerate(story) if line.startswith("act ")}
    bounds = [*acts.values(), len(story)]
    told = [story[bounds[n] : bounds[n + 1]] for n in range(len(acts))]
    assert list(acts) == [
        "act 1 of 4: an apply: freeze, switch, unfreeze",
        "act 2 of 4: the switch fails: what was comes back",
        "act 3 of 4: the operator holds an entry by hand",
        "act 4 of 4: the Gateway is away: the apply waits for no ACK",
    ]
    applied = [[line for line in lines if line.startswith("applied")] for lines in told]
    events = ["#1 freeze alpha/long", "#2 freeze beta/short", "#3 unfreeze alpha/long", "#4 unfreeze beta/short"]
    assert applied[0] == applied[1] == applied[3] == [f"applied: {event}" for event in events]
    assert applied[2] == [f"applied: override by hand, alpha/long {word}" for word in ("frozen", "free")]
    for lines in told[:3]:
        assert lines.index("gate closed (freeze)") < lines.index("gate open")
    assert "apply run-1 completed" in told[0]
    assert "apply run-2 rolled back: rehearsed failure of the switch" in told[1]
    assert told[3].index("apply run-3 completed") < told[3].index("ACKs missing: #1, #2, #3, #4")
    assert told[3].index("the Gateway was started again") < told[3].index("gate open")
    assert sum("ACKs are in" in line for line in story) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_takes_its_broker_with_it(number):
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        for line in process.stdout:
            if "act 1" in line:
                break
        processes = family(process)
        assert processes
        process.send_signal(number)
        assert process.wait(20) == 130
        assert gone(processes)


def test_killed_it_leaves_no_broker():
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        for line in process.stdout:
            if "act 1" in line:
                break
        processes = family(process)
        process.kill()
        process.wait(5)
        assert gone(processes)


def test_on_a_terminal_it_shows_a_live_picture_until_ctrl_c():
    ours, its = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"}
    with subprocess.Popen(COMMAND, stdin=its, stdout=its, stderr=its, env=env, start_new_session=True) as process:
        os.close(its)
        shown, deadline = b"", time.monotonic() + 40
        while b"OPEN" not in shown and time.monotonic() < deadline:
            shown += read(ours)
        processes = family(process)
        process.send_signal(signal.SIGINT)
        while process.poll() is None and time.monotonic() < deadline + 20:
            shown += read(ours)
        assert process.returncode == 130
        assert gone(processes)
    os.close(ours)
    text = shown.decode("utf-8", "replace")
    for word in ("order gate", "CLOSED", "OPEN", "what happens", "Ctrl-C ends it", "alpha/long"):
        assert word in text, word


def test_what_comes_over_the_wire_is_no_markup():
    lines = []
    console = Console(width=100, record=True, file=io.StringIO())
    board = Board(tell=lines.append, world="w", run="r")
    board.saw_frame(
        {"world_id": "w", "run_id": "r", "sequence": 1, "phase": "[red]x", "strategy_id": "[bold]", "side": "a"}
    )
    board.saw_gate("closed", "[link=http://x]y")
    console.print(board)
    text = console.export_text()
    assert "[bold]/a" in text
    assert "[link=http://x]y" in text
    assert any("[red]x" in line for line in lines)
    printed = Console(record=True, file=io.StringIO())
    plain(printed)("[red]as it is")
    assert printed.export_text() == "[red]as it is\n"
