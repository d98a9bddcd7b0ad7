"""WorldServices whose answers are none: the right words and exit code, and the kit stays small."""

import psutil
import pytest

from tests.certifying import certify
from tests.worldservices.descriptors import SERVICE, altered

PEAK_MB = 900  # less than what is sent; the figure of a child begins with what this process holds
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def run(tmp_path):
    def start(mode, *arguments):
        descriptor = altered(mode, tmp_path)
        done = certify(descriptor, "--scenario", "ws-apply", *arguments, folder=tmp_path, limit_s=150)
        left = [p for p in psutil.process_iter(["cmdline"]) if str(SERVICE) in (p.info["cmdline"] or [])]
        assert not left, left
        assert done.peak_mb < PEAK_MB, done.peak_mb
        for text in (done.out, done.err):
            assert "\x1b]0;" not in text
            assert "Traceback" not in text
        for page in done.folder.glob("*.html"):
            assert "<script>alert" not in page.read_text()
        return done

    return start


def evidence(done, requirement):
    (row,) = [r for r in done.report["requirements"] if r["id"] == requirement]
    assert row["verdict"] == "fail", (row["verdict"], done.told)
    return " ".join(e["message"] for e in row["evidence"])


@pytest.mark.parametrize(
    ("mode", "requirement", "words"),
    [
        ("no-probe", "WS-32", "state_hash of a known world: status 404, text/html"),
        ("token", "WS-32", "it needs credentials (status 401); name them in the descriptor by `auth` or `headers`"),
        ("redirect", "WS-32", "it redirects to http://127.0.0.1:9/elsewhere (status 302)"),
        ("html", "WS-31", "text/html"),
        ("hang", "WS-32", "no answer came within"),
        ("gigabyte", "WS-31", "its body is larger than"),
    ],
)
def test_an_answer_that_is_none_convicts_in_words_that_say_why(run, mode, requirement, words):
    done = run(mode)
    assert done.code == 1, done.told
    assert words in evidence(done, requirement)


def test_a_service_that_cannot_be_made_to_apply_is_no_verdict(run):
    done = run("token-for-all")
    assert done.code == 3, done.told
    assert "could not be made to apply" in done.err
    assert "name them by `auth` or `headers`" in done.err


def test_the_altering_itself_convicts_of_nothing(run):
    done = run("nothing")
    assert done.code == 0, done.told
