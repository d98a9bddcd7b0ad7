"""The wrong and the strange WorldServices: each is named, told in a sentence, and is what it says when it is started."""

import subprocess
import sys

import pytest

from ackgap_reference.worldservice import faulty, strange
from ackgap_reference.worldservice.parts import REFERENCE

COMMAND = (sys.executable, "-m", "ackgap_reference.service.main", "worldservice")


def test_there_are_enough_of_them_and_none_is_the_reference():
    assert len(faulty.CATALOGUE) == sum(len(room.FAULTY) for room in faulty.ROOMS) >= 26
    assert len(strange.CATALOGUE) >= 8
    for variant in (*faulty.CATALOGUE.values(), *strange.CATALOGUE.values()):
        assert variant.parts != REFERENCE or variant.wire_form, variant.name
        assert variant.sentence.endswith("."), variant.name


def test_each_wrong_one_names_what_it_breaks():
    assert all(row.requirement.startswith("WS-") for row in faulty.CATALOGUE.values())
    assert len({row.sentence for row in faulty.CATALOGUE.values()}) == len(faulty.CATALOGUE)


@pytest.mark.parametrize("option", ["--faulty", "--strange"])
def test_a_name_that_does_not_exist_is_told_with_those_that_do(option):
    done = subprocess.run(
        [*COMMAND, option, "nope"], env={"KAFKA_BROKERS": "127.0.0.1:1"}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{option} nope: there is no such WorldService; known are " in done.stderr
