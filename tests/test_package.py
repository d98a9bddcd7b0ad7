"""The built wheel, the documentation, and the house rules."""

import datetime as dt
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from ackgap import docs
from ackgap.broker import build
from ackgap.contract import load
from ackgap.drift.config import load_config
from ackgap.report import waivers
from ackgap.scenario.loader import parse
from ackgap.target import descriptor

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_brings_the_contract_and_the_broker(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "ackgap/_schemas/requirements.yaml" in names
    assert "ackgap/_schemas/scenario.schema.json" in names
    assert "ackgap/report/page.html.j2" in names
    entry_points = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    assert "ackgap = ackgap.pytest_plugin" in entry_points
    assert sum(1 for n in names if n.startswith("ackgap/_schemas/scenarios/")) >= 80
    assert not [n for n in names if n.startswith("tests/")]
    if build.BINARY.is_file():
        assert f"ackgap/broker/bin/{build.NAME}" in names
        assert "none-any" not in wheel.name


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    """Its dependencies are borrowed from here; the package itself and its schemas are its own."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True, timeout=100)
    site = next(p for p in sys.path if p.endswith("site-packages"))
    script = (
        f"import sys; sys.path.append({site!r})\n"
        "import ackgap.contract as c\nfrom ackgap.scenario import catalogue\n"
        "print(c.schemas_dir()); print(len(c.load().requirements), len(catalogue.scenarios(c.load())))"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path, env=env
    )
    assert str(tmp_path / "env") in done.stdout
    assert f"{len(load().requirements)} " in done.stdout


@pytest.mark.parametrize("name", docs.pages())
def test_generated_pages_are_fresh(name):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == docs.pages()[name], "run `make docs`"


def fenced(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_yaml_examples_in_the_documents_are_valid(page, tmp_path):
    for text in fenced(page, "yaml"):
        document = yaml.safe_load(text)
        if "ackgap" in document:
            path = tmp_path / "gateway.yaml"
            path.write_text(text)
            (tmp_path / "Dockerfile").touch()
            assert descriptor.load(path, load()).name == document["name"]
        elif "steps" in document:
            assert parse(document, load(), path=page.name).id == document["id"]
        elif "waivers" in document:
            path = tmp_path / "waivers.yaml"
            path.write_text(text)
            assert waivers.load(path, load(), today=dt.date(2026, 1, 1))
        elif document.get("drift") == 1:
            path = tmp_path / "ackgap-drift.yaml"
            path.write_text(text)
            assert load_config(path).source == path
        elif not {"repos", "jobs", "drift"} & document.keys():  # those are the files of hook runners and CI systems
            assert {"gate", "metrics"} & set(document.get("observe", document))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_the_documents_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_documents_exist(page):
    from ackgap.cli import cli

    makefile = (ROOT / "Makefile").read_text()
    for text in fenced(page, "console"):
        for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
            if match := re.search(r"\backgap ([a-z]+)", line):
                assert match.group(1) in cli.commands, line
            if match := re.match(r"make ([a-z]+)", line):
                assert re.search(rf"^{match.group(1)}:", makefile, re.MULTILINE), line


def test_every_module_is_small_enough_to_read():
    for folder in ("conformance", "reference_impl"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 450, path


def test_the_layers_hold():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
