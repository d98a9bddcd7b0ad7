"""The kill matrix of WorldServices: every wrong one is convicted of its own requirement, and no right one of any."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import load
from ackgap.selfcheck.worldservices import (
    WorldTrial,
    catalogue,
    check_worldservices,
    markdown,
    run_one,
    tabulate,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-matrix-worldservice.md"
RIGHT = WorldTrial(
    name="strange-a", kind="strange", sentence="S.", requirement="", convicted={}, exit_code=0, why="", seconds=1.0
)
WRONG = replace(RIGHT, name="b", kind="faulty", requirement="WS-01", convicted={"WS-01": ("ws-apply",)}, exit_code=1)


def test_what_holds_is_no_problem():
    matrix = tabulate(load(), [WRONG, RIGHT], whole=False)
    assert matrix.problems == ()
    assert matrix.alone["WS-01"] == ("b",)
    assert "1 of 1 wrong WorldServices" in markdown(matrix)


@pytest.mark.parametrize(
    ("trial", "problem"),
    [
        (replace(WRONG, convicted={"WS-02": ("x",)}), "b was not convicted of WS-01, but of WS-02"),
        (replace(WRONG, convicted={}), "b was not convicted of WS-01, but of nothing"),
        (replace(RIGHT, convicted={"WS-09": ("x",)}), "strange-a was convicted of WS-09"),
    ],
)
def test_what_does_not_hold_is_told(trial, problem):
    assert tabulate(load(), [trial], whole=False).problems == (problem,)


def test_a_whole_matrix_demands_a_killer_for_every_must():
    problems = tabulate(load(), [WRONG, RIGHT], whole=True).problems
    assert "WS-02 has no WorldService that it alone convicts" in problems
    assert not any(p.startswith("WS-01 ") for p in problems)


def test_a_conviction_beside_others_explains_nothing_alone():
    both = replace(WRONG, convicted={"WS-01": ("x",), "WS-05": ("x",)})
    matrix = tabulate(load(), [both], whole=False)
    assert matrix.killers["WS-01"] == ("b",)
    assert matrix.alone["WS-01"] == ()
    assert tabulate(load(), [replace(both, convicted={"WS-01": (), "WS-37": ()})], whole=False).alone["WS-01"] == ("b",)


def test_the_page_tells_of_every_worldservice_that_ships():
    rows = {
        line.split("`")[1]: line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    }
    assert set(rows) == set(catalogue())
    for name, (kind, row) in catalogue().items():
        assert row.sentence in rows[name]
        assert kind == "strange" or f"| {row.requirement} |" in rows[name]


def test_a_name_that_nobody_has_is_an_error():
    done = CliRunner().invoke(cli, ["selfcheck", "--role", "worldservice", "--only", "nobody"])
    assert done.exit_code == 2
    assert "--only nobody: no shipped WorldService has such a name" in done.output


@pytest.mark.timeout(900)
def test_the_matrix_holds():
    """One that meets an unlucky moment on a busy machine has a second chance, alone."""
    told = []
    matrix = check_worldservices((), jobs=0, seed=1, told=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(catalogue()), len(catalogue()))
    again = {
        t.name: run_one(t.name, 1) for t in matrix.trials if any(p.startswith(f"{t.name} ") for p in matrix.problems)
    }
    mended = tabulate(load(), [again.get(t.name, t) for t in matrix.trials], whole=True)
    assert mended.problems == ()
