"""Each single edit of the shipped contract is classified as it should be, with an example that the validators confirm."""

import functools
import json

import pytest
from click.testing import CliRunner

from ackgap.cli import cli
from ackgap.contract import schemas_dir
from ackgap.evolution.change import Example
from ackgap.evolution.compare import compare
from ackgap.evolution.flows import flows
from tests.evolution.edits import BREAKING, OTHERS, WITHOUT_EXAMPLE


@functools.cache
def shipped():
    return schemas_dir()


def mended(found):
    """What follows from an edit by necessity is told besides it; the edit itself must be the only other change."""
    return [c for c in found.changes if not c.wording_only]


def test_there_are_forty_edits_and_more():
    assert len(BREAKING) >= 40
    assert len({name for name, *_ in [*BREAKING, *OTHERS]}) == len(BREAKING) + len(OTHERS)


@pytest.mark.parametrize(("name", "edit", "area", "kind", "who"), BREAKING, ids=[row[0] for row in BREAKING])
def test_what_breaks_is_told_with_whom_and_an_example(copied, name, edit, area, kind, who):
    it = copied()
    edit(it)
    found = compare(shipped(), it.folder)
    assert found.verdict == "breaking"
    assert found.bump.part == "major"
    change = next(c for c in found.changes if (c.area, c.kind) == (area, kind))
    assert change.verdict == "breaking"
    effect = next(e for e in change.effects if who in e.who and e.verdict == "breaking")
    if name in WITHOUT_EXAMPLE:
        assert effect.why
    else:
        example = effect.example or change.example
        assert example is not None, change
        confirm(found, change, example)
    assert not [c for c in found.changes if c.verdict == "unknown"], [c.what for c in found.changes]


def confirm(found, change, example: Example):
    """Judge a message again with the folders' own validators."""
    assert example.said
    if example.form != "message" or not change.flows:
        return
    right, wrong = (found.before, found.after) if example.right_under == "before" else (found.after, found.before)
    name = next(n for n in change.flows if example.refused_by.startswith(n))
    assert right.validator(flows(right)[name].node).is_valid(example.content)
    assert not wrong.validator(flows(wrong)[name].node).is_valid(example.content)


@pytest.mark.parametrize(("name", "edit", "area", "kind", "verdict"), OTHERS, ids=[row[0] for row in OTHERS])
def test_what_breaks_nothing_for_certain_is_told_as_what_it_is(copied, name, edit, area, kind, verdict):
    it = copied()
    edit(it)
    found = compare(shipped(), it.folder)
    change = next(c for c in found.changes if (c.area, c.kind) == (area, kind))
    assert change.verdict == verdict
    assert found.verdict == verdict, [c.what for c in found.changes]


def test_a_folder_compared_with_itself_has_no_change():
    found = compare(shipped(), shipped())
    assert found.changes == ()
    assert found.contradictions == ()
    assert found.bump.part == "none"


def test_there_and_back_breaks_the_other_party(copied):
    it = copied()
    it.json("activation-ack.schema.json", lambda d: d["required"].append("phase"))
    there, back = compare(shipped(), it.folder), compare(it.folder, shipped())
    assert [e.who for c in there.changes for e in c.effects if e.verdict == "breaking"] == ["Gateways"]
    assert [e.who for c in back.changes for e in c.effects if e.verdict == "breaking"] == [
        "WorldServices and other readers of ACKs"
    ]


def test_several_edits_keep_their_own_examples(copied):
    it = copied()
    it.json("activation-ack.schema.json", lambda d: d["required"].append("phase"))
    it.json("activation-ack.schema.json", lambda d: d["properties"]["sequence"].update(minimum=2))
    found = compare(shipped(), it.folder)
    said = {c.kind: c.example.said for c in found.changes}
    assert "'phase' is a required property" in said["required"]
    assert "less than the minimum of 2" in said["bound"]


def test_a_folder_that_contradicts_itself_is_told_so(copied):
    it = copied()
    it.text("contract.yaml", "ack_topic: control.activation.ack", "ack_topic: activation.ack")
    assert any("ack_topic 'activation.ack'" in line for line in compare(shipped(), it.folder).contradictions)
    other = copied()
    other.json("activation-ack.schema.json", lambda d: d["required"].append("phase"))
    assert any(
        "sparse.json is wrong by activation-ack.schema.json" in line
        for line in compare(shipped(), other.folder).contradictions
    )


def test_the_declared_version_is_compared_with_the_suggested_one(copied):
    it = copied()
    it.json("activation-ack.schema.json", lambda d: d["properties"].update(gateway_id={"type": "string"}))
    bump = compare(shipped(), it.folder).bump
    assert (bump.part, bump.suggested, bump.enough) == ("minor", "1.1.0", False)
    it.text("contract.yaml", 'version: "1.0.0"', 'version: "1.1.0"')
    other = copied()
    other.json("activation-ack.schema.json", lambda d: d["properties"].update(gateway_id={"type": "string"}))
    other.text("contract.yaml", 'version: "1.0.0"', 'version: "1.1.0"')
    assert compare(shipped(), other.folder).bump.enough


def diff(*arguments):
    return CliRunner().invoke(cli, ["contract", "diff", *map(str, arguments)])


def test_exit_codes_gate_a_pipeline(copied, tmp_path):
    nothing, breaking, review = copied(), copied(), copied()
    nothing.json("activation-ack.schema.json", lambda d: d["properties"].update(gateway_id={"type": "string"}))
    breaking.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000")
    review.row("GAP-04", "A gap was open", "A gap had been open")
    assert diff(shipped(), nothing.folder).exit_code == 0
    assert diff(shipped(), breaking.folder).exit_code == 1
    assert diff(shipped(), review.folder).exit_code == 6
    assert diff(shipped(), review.folder, "--reviewed").exit_code == 0
    assert diff(shipped(), breaking.folder, "--reviewed").exit_code == 1
    missing = diff(shipped(), tmp_path / "nothing")
    assert missing.exit_code == 2
    assert "no such folder" in missing.stderr


@pytest.mark.parametrize("shape", ["table", "json", "markdown"])
def test_every_shape_shows_change_example_and_version(copied, shape):
    it = copied()
    it.text("contract.yaml", "gap_timeout_ms: 3000", "gap_timeout_ms: 5000")
    it.json("activation-ack.schema.json", lambda d: d["required"].append("phase"))
    shown = diff(shipped(), it.folder, "--format", shape)
    assert shown.exit_code == 1
    flat = " ".join(shown.stdout.split())
    for piece in ("gap_timeout_ms", "before the timeout of 5000 ms", "phase", "Gateways", "2.0.0"):
        assert piece in flat, piece
    if shape == "json":
        document = json.loads(shown.stdout)
        assert document["counts"]["breaking"] == 2
        assert document["changes"][0]["effects"][0]["example"]["right_under"] == "before"


def test_what_a_folder_says_cannot_move_the_cursor(copied):
    it = copied()
    it.json("activation-ack.schema.json", lambda d: d["properties"].update({"\u001b[2Jx[red]": {"type": "string"}}))
    for shape in ("table", "markdown"):
        assert "\u001b[2J" not in diff(shipped(), it.folder, "--format", shape).stdout
