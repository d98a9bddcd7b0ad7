"""`ackgap drift` as users and CI run it: exit codes, formats, baseline, suppressions, changes since a revision."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft4Validator

from ackgap.cli import cli

ROOT = Path(__file__).resolve().parents[2]
WRONG = "After the timeout the Gateway continues from the earliest buffered event."
RIGHT = "The order gate stays closed while a gap is open."
GIT = {
    **os.environ,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


@pytest.fixture
def here(documents, monkeypatch):
    monkeypatch.chdir(documents.root)
    return documents


def drift(*arguments):
    return CliRunner().invoke(cli, ["drift", *arguments])


def git(*arguments, cwd):
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, env=GIT)


def test_exit_codes(here):
    here.write("a.md", f"# Gateway\n\n{RIGHT}\n")
    assert drift().exit_code == 0
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    assert drift().exit_code == 1
    assert drift("nothing.md").exit_code == 2
    assert drift("--service", "ftp://x").exit_code == 2
    assert drift("--service", "http://127.0.0.1:9/openapi.json").exit_code == 4


def test_a_note_alone_is_no_drift(here):
    here.write("a.md", "# A\n\n[b](b.md) [c](c.md)\n")
    done = drift()
    assert done.exit_code == 0
    assert "D7-torn" in done.output


def test_the_terminal_shows_the_line_with_a_caret_below_the_words(here):
    text = f"# 게이트웨이\n\n한글 앞에. {WRONG}\n"
    here.write("a.md", text)
    lines = drift().output.split("\n")
    at = next(n for n, line in enumerate(lines) if line.lstrip().startswith("^"))
    begin = lines[at - 1].index("continues")
    assert len(lines[at]) - len(lines[at].lstrip()) == begin + sum(1 for c in lines[at - 1][:begin] if ord(c) > 0x1100)
    assert "what to do" in "\n".join(lines[at:])


def test_control_characters_of_a_document_do_not_reach_the_terminal(here):
    here.write("a.md", f"# Gateway\n\n\x1b[31m{WRONG}\n")
    done = drift()
    assert done.exit_code == 1
    assert "\x1b" not in done.output


def test_json_holds_the_findings(here):
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    report = json.loads(drift("--format", "json").output)
    assert report["holds"] is False
    finding = report["findings"][0]
    assert (finding["code"], finding["path"], finding["line"]) == ("D3-contradiction", "a.md", 3)


def test_sarif_is_accepted_by_the_official_schema(here):
    here.write(
        "a b/한글.md", f"# Gateway \U0001f512\n\n\U0001f512 {WRONG} `activation_gap_timeout_ms` defaults to 5000.\n"
    )
    here.write("b.md", f"# Gateway\n\n<!-- ackgap-drift: ignore D3 a test of ours -->\n{WRONG}\n")
    schema = json.loads((Path(__file__).parent / "sarif" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
    done = drift("--format", "sarif", "--output", "out/drift.sarif")
    assert done.exit_code == 1
    log = json.loads((here.root / "out" / "drift.sarif").read_text(encoding="utf-8"))
    Draft4Validator(schema).validate(log)
    results = log["runs"][0]["results"]
    assert {r["ruleId"] for r in results} == {"D3-contradiction", "D2-default"}
    assert [r["suppressions"][0]["justification"] for r in results if "suppressions" in r] == ["a test of ours"]
    rules = [r["id"] for r in log["runs"][0]["tool"]["driver"]["rules"]]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in results)


def test_github_annotations_name_file_line_and_columns(here):
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    line = drift("--format", "github").output.strip()
    assert line.startswith("::error file=a.md,line=3,col=")
    assert "title=D3-contradiction gap-no-skip::" in line


def test_github_annotations_cannot_be_broken_out_of(here):
    here.write(
        "a.md", "# Gateway\n\n```json\n" + '{"type": "ActivationAck", "world_id": 1, "x%0A::error::y": 2, ...}\n```\n'
    )
    output = drift("--format", "github").output
    assert all(line.startswith("::error file=a.md") for line in output.strip().split("\n"))


def test_junit_fails_the_codes_that_were_found(here):
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    suite = ET.fromstring(drift("--format", "junit").output)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["D3-contradiction"]
    assert suite.get("failures") == "1"


def test_a_baseline_silences_what_is_known_and_nothing_else(here):
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    assert drift("--baseline", "known.json", "--update-baseline").exit_code == 0
    assert drift("--baseline", "known.json").exit_code == 0
    here.write("a.md", f"# Gateway\n\nMoved down.\n\n{WRONG}\n")
    assert drift("--baseline", "known.json").exit_code == 0
    here.write("b.md", f"# Gateway\n\n{WRONG}\n")
    done = drift("--baseline", "known.json")
    assert done.exit_code == 1
    assert "b.md:3" in done.output
    assert "a.md" not in done.output
    assert drift("--baseline", "missing.json").exit_code == 2
    here.write("known.json", "[]")
    assert drift("--baseline", "known.json").exit_code == 2


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        (f"<!-- ackgap-drift: ignore D3 we tell what others do -->\n{WRONG}", 0),
        (f"{WRONG} <!-- ackgap-drift: ignore D3-contradiction we tell what others do -->", 0),
        (
            f"<!-- ackgap-drift: ignore-start D3 old text -->\n\n{WRONG}\n\n{WRONG}\n\n<!-- ackgap-drift: ignore-end -->",
            0,
        ),
        (f"<!-- ackgap-drift: ignore-file D3 a museum -->\n\nText.\n\n{WRONG}", 0),
        (f"<!-- ackgap-drift: ignore D2 the wrong check -->\n{WRONG}", 1),
        (f"<!-- ackgap-drift: ignore D3 only the next block -->\nText.\n\n{WRONG}", 1),
        (f"<!-- ackgap-drift: ignore D3 -->\n{WRONG}", 1),
        (f"<!-- ackgap-drift: ignore -->\n{WRONG}", 1),
    ],
)
def test_a_suppression_needs_a_code_and_a_reason_and_covers_one_block(here, text, exit_code):
    here.write("a.md", f"# Gateway\n\n{text}\n")
    done = drift()
    assert done.exit_code == exit_code, done.output


def test_a_suppression_without_reason_is_itself_reported(here):
    here.write("a.md", f"# Gateway\n\n<!-- ackgap-drift: ignore D3 -->\n{WRONG}\n")
    assert "D0-suppression" in drift().output


def test_comments_in_code_suppress_too(here):
    here.write("a.py", "ACTIVATION_GAP_TIMEOUT_MS = 5000  # ackgap-drift: ignore D6 measured for this site\n")
    here.write("b.yaml", "# ackgap-drift: ignore D6 measured for this site\nactivation_gap_timeout_ms: 5000\n")
    assert drift().exit_code == 0


@pytest.fixture
def repository(here):
    git("init", "-q", "-b", "main", cwd=here.root)
    here.write("old.md", f"# Gateway\n\n{WRONG}\n\nAnother line.\n")
    here.write("docs/en/x.md", "# Gateway\n\nThe Gateway waits 3 s.\n")
    here.write("docs/ko/x.md", "# Gateway\n\nGateway는 3초를 기다린다.\n")
    here.write("target.md", "# Target\n")
    here.write("linking.md", "# Linking\n\n[t](target.md) [o](old.md)\n")
    git("add", "-A", cwd=here.root)
    git("commit", "-q", "-m", "first", cwd=here.root)
    return here


def test_since_a_revision_only_what_was_touched_is_judged(repository):
    assert drift("--since", "HEAD").exit_code == 0
    repository.write("old.md", f"# Gateway\n\n{WRONG}\n\nAnother line, changed.\n")
    assert drift("--since", "HEAD").exit_code == 0
    repository.write("old.md", f"# Gateway\n\n{WRONG}\n\n{WRONG}\n")
    done = drift("--since", "HEAD")
    assert done.exit_code == 1
    assert "old.md:5" in done.output
    assert "old.md:3" not in done.output
    repository.write("new.md", f"# Gateway\n\n{WRONG}\n")
    assert "new.md:3" in drift("--since", "HEAD").output


def test_since_a_revision_counterparts_are_judged_too(repository):
    repository.write("docs/en/x.md", "# Gateway\n\nThe Gateway waits 5 s.\n")
    output = drift("--since", "HEAD", "--check", "D4").output
    assert "docs/ko/x.md:3" in output
    (repository.root / "target.md").unlink()
    assert "linking.md:3" in drift("--since", "HEAD", "--check", "D7").output


def test_a_revision_that_does_not_exist_is_a_usage_error(repository):
    done = drift("--since", "no-such-revision")
    assert done.exit_code == 2
    assert "git says" in done.output
    assert drift("--since=--output=x").exit_code == 2


def test_update_lock_writes_the_lock_and_keeps_contradictions_red(here):
    here.write("a.md", f"# Gateway\n\n{RIGHT}\n")
    assert drift("--update-lock").exit_code == 0
    assert drift().exit_code == 0
    here.write("a.md", "# Gateway\n\nThe order gate stays closed, always, while a gap is open.\n")
    assert drift().exit_code == 1
    assert drift("--update-lock").exit_code == 0
    here.write("a.md", f"# Gateway\n\n{WRONG}\n")
    assert drift("--update-lock").exit_code == 1


def test_the_configuration_chooses_files_checks_and_levels(here):
    here.write("docs/a.md", f"# Gateway\n\n{WRONG}\n")
    here.write("notes/b.md", f"# Gateway\n\n{WRONG}\n")
    here.write("ackgap-drift.yaml", "drift: 1\ndocuments: ['docs/**/*.md']\nlevels: {D3-contradiction: note}\n")
    done = drift()
    assert done.exit_code == 0
    assert "docs/a.md:3:" in done.output
    assert "notes/b.md" not in done.output
    here.write("ackgap-drift.yaml", "drift: 1\nchecks: [D7]\n")
    assert drift().exit_code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drift: 2\n", "drift"),
        ("drift: 1\ndocumnets: []\n", "documnets"),
        ("drift: 1\nchecks: [D9]\n", "checks/0"),
        ("drift: 1\nmust_state: [no-such-norm]\n", "no-such-norm"),
        ("drift: 1\ndocuments: [a\n", "YAML"),
        ("drift: 1\nlock: missing.yaml\n", "--update-lock"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(here, text, told):
    here.write("a.md", "# A\n")
    here.write("ackgap-drift.yaml", text)
    done = drift()
    assert done.exit_code == 2
    assert told in done.output


def test_all_codes_are_listed(here):
    listed = drift("--list-codes").output
    sources = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "conformance" / "ackgap" / "drift").glob("*.py"))
    assert all(line.split()[0] in sources for line in listed.strip().split("\n"))


def test_the_hook_runs_in_a_repository(tmp_path, documents):
    """pre-commit takes the definition from a repository and runs the installed command; nothing is fetched."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / ".pre-commit-hooks.yaml").write_text((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    git("init", "-q", "-b", "main", cwd=hooks)
    git("add", "-A", cwd=hooks)
    git("commit", "-q", "-m", "hooks", cwd=hooks)
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=hooks, check=True, capture_output=True, text=True
    ).stdout
    work = tmp_path / "work"
    work.mkdir()
    git("init", "-q", "-b", "main", cwd=work)
    hook = {"repo": str(hooks), "rev": revision.strip(), "hooks": [{"id": "ackgap-drift-system"}]}
    (work / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [hook]}))
    (work / "a.md").write_text(f"# Gateway\n\n{RIGHT}\n")
    git("add", "-A", cwd=work)
    environment = {
        **GIT,
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def commit():
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--color", "never"],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    assert commit().returncode == 0
    (work / "a.md").write_text(f"# Gateway\n\n{WRONG}\n")
    git("add", "-A", cwd=work)
    done = commit()
    assert done.returncode == 1
    assert "a.md:3:" in done.stdout
    assert "D3-contradiction" in done.stdout


def test_the_documents_of_this_project_keep_their_own_contract(monkeypatch):
    monkeypatch.chdir(ROOT)
    done = drift()
    assert done.exit_code == 0, done.output
