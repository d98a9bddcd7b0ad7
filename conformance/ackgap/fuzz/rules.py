"""The contract's own checks, run after every answer: what a schema alone cannot say of probe, snapshot and errors.

Each rule returns a complaint, or "" if there is none. Whatever compares two answers asks again before it complains,
since a world may have moved on between them.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
from jsonschema import Draft202012Validator

from ackgap.fuzz.bounded import BODY_LIMIT

PROBE, SNAPSHOT = "getStateHash", "getActivation"
RESYNC_PATH = re.compile(r"/worlds/([^/]+)/activation(?:/state_hash)?")
ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110, 8.8.3
PROBLEM = "application/problem+json"
QUOTE = 200  # characters of a body that are quoted
ATTEMPTS = 3


@dataclass(slots=True)
class Asked:
    """The service as the rules may ask it themselves, and what is known of its worlds."""

    url: str
    headers: dict[str, str]
    timeout: float
    problem: Draft202012Validator
    worlds: frozenset[str] = frozenset()
    only_worlds: bool = False
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response | None:
        """One answer; None if there was none."""
        url = self.url.rstrip("/") + path
        try:
            return self.session.get(url, headers=self.headers, timeout=self.timeout, allow_redirects=False)
        except requests.RequestException:
            return None

    def document(self, world: str, end: str) -> dict[str, Any] | None:
        """The JSON object at a resync path of a world; None if there is none."""
        answer = self.get(f"/worlds/{quote(world, safe='')}/activation{end}")
        return parsed(answer.content) if answer is not None and answer.status_code == 200 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as the rules see it. `world` is the one that was asked about, decoded once from the path as sent."""

    operation: str
    method: str
    url: str
    world: str
    if_none_match: str
    status: int
    content: bytes
    content_type: str
    etag: str

    @property
    def resync(self) -> bool:
        """Whether probe or snapshot was asked for, with the method that the contract names."""
        return self.method == "GET" and self.operation in {PROBE, SNAPSHOT} and self.world != ""

    @property
    def document(self) -> dict[str, Any] | None:
        """The JSON object of a 200 of the resync endpoints; None for every other answer."""
        return parsed(self.content) if self.status == 200 and self.resync else None


def answers_are_bounded(asked: Asked, answer: Answer) -> str:
    """No body without end."""
    large = len(answer.content) > BODY_LIMIT
    return f"the answer is larger than {BODY_LIMIT >> 20} MiB; reading was given up there" if large else ""


def errors_are_problem_details(asked: Asked, answer: Answer) -> str:
    """RFC 9457, whatever went wrong."""
    if answer.status < 400 or answer.method == "HEAD":
        return ""
    if answer.content_type != PROBLEM:
        kind = answer.content_type or "no content type"
        return f"status {answer.status} with {kind}; expected {PROBLEM}\nbody: {quoted(answer.content)}"
    document = parsed(answer.content)
    if document is None:
        return f"status {answer.status} with a body that is no JSON object: {quoted(answer.content)}"
    for wrong in asked.problem.iter_errors(document):
        return f"problem details {quoted(answer.content)}: {wrong.message[:QUOTE]}"
    if document.get("status", answer.status) != answer.status:
        return f"status {answer.status}, but the problem details say {document['status']}"
    return ""


def an_unknown_world_is_an_error(asked: Asked, answer: Answer) -> str:
    """404; any other 4xx is tolerated, since some ids cannot be written down everywhere."""
    if not asked.only_worlds or not answer.resync or answer.world in asked.worlds or 400 <= answer.status < 600:
        return ""
    return (
        f"status {answer.status} for world {answer.world!r}, which was never applied; expected 404 with problem details\n"
        f"body: {quoted(answer.content)}"
    )


def answers_name_the_world_asked_about(asked: Asked, answer: Answer) -> str:
    """Where an answer names a world, it is the one of the path."""
    document = answer.document or {}
    body = document.get("data") if "specversion" in document else document
    named = body.get("world_id") if isinstance(body, dict) else None
    wrong = named not in (None, answer.world)
    return f"asked about world {answer.world!r}, answered about {named!r}" if wrong else ""


def probe_and_snapshot_agree(asked: Asked, answer: Answer) -> str:
    """RFC 5: the hash of the probe is the snapshot's as long as nothing changes."""
    if answer.document is None or "specversion" in answer.document:
        return ""
    seen: list[Any] = []
    for _ in range(ATTEMPTS):
        documents = [asked.document(answer.world, end) for end in ("/state_hash", "", "/state_hash")]
        seen = [d.get("state_hash") for d in documents if d is not None]
        if len(seen) < 3 or seen[0] != seen[2] or seen[0] == seen[1]:
            return ""
    return (
        f"state_hash is {seen[0]!r} at the probe, {seen[1]!r} in the snapshot and {seen[2]!r} at the probe again; "
        "with nothing changed in between they must be equal"
    )


def a_known_world_has_a_snapshot_that_can_rebase(asked: Asked, answer: Answer) -> str:
    """A snapshot without run and sequence says nothing about any stream."""
    document = answer.document
    if document is None or answer.operation != SNAPSHOT or answer.world not in asked.worlds or "state" not in document:
        return ""
    lacking = [name for name in ("run_id", "sequence") if document.get(name) is None]
    return f"the snapshot has no {' and no '.join(lacking)}, so that no stream can be re-based on it" if lacking else ""


def etags_are_quoted(asked: Asked, answer: Answer) -> str:
    """RFC 9110, 8.8.3."""
    if not answer.etag or ENTITY_TAG.fullmatch(answer.etag):
        return ""
    return f'ETag {answer.etag[:QUOTE]!r} is no entity tag; expected it in double quotes, "..."'


def not_modified_only_for_the_present_tag(asked: Asked, answer: Answer) -> str:
    """RFC 9110, 13.1.2: whoever is told 304 keeps what it has."""
    if answer.status != 304 or not answer.resync:
        return ""
    if answer.content:
        return f"status 304 with a body: {quoted(answer.content)}"
    tag = ""
    for _ in range(ATTEMPTS):
        plain = asked.get(answer.url.removeprefix(asked.url.rstrip("/")))
        tag = plain.headers.get("ETag", "") if plain is not None and plain.status_code == 200 else ""
        if not tag or answer.if_none_match.strip() == "*" or tag.removeprefix("W/") in answer.if_none_match:
            return ""
    return f"status 304 for If-None-Match {answer.if_none_match[:QUOTE]!r}, but the present ETag is {tag[:QUOTE]!r}"


Rule = Callable[[Asked, Answer], str]
RULES: tuple[Rule, ...] = (
    answers_are_bounded,
    errors_are_problem_details,
    an_unknown_world_is_an_error,
    answers_name_the_world_asked_about,
    probe_and_snapshot_agree,
    a_known_world_has_a_snapshot_that_can_rebase,
    etags_are_quoted,
    not_modified_only_for_the_present_tag,
)


def parsed(content: bytes) -> dict[str, Any] | None:
    """A JSON object; None if it is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def quoted(content: bytes) -> str:
    """A bounded quote of a body."""
    text = content[: QUOTE * 4].decode("utf-8", "replace")
    return repr(text[:QUOTE]) + (" ..." if len(text) > QUOTE else "")


def world_in(url: str) -> str:
    """The world that a resync URL names, decoded once; "" if it names none."""
    found = RESYNC_PATH.search(urlsplit(url).path)
    return unquote(found.group(1)) if found else ""
