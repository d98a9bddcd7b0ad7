"""The rules as Schemathesis hooks. Imported by the fuzzing process only, after its sessions are bounded."""

from typing import Any

import schemathesis

from ackgap.fuzz.rules import RULES, Answer, Asked, Rule, world_in

# Of errors these two say the same as `errors_are_problem_details`, less clearly.
ANSWERED_ELSEWHERE = ("content_type_conformance", "response_schema_conformance")


def register(asked: Asked) -> tuple[str, ...]:
    """Register every rule as a check of its name; returns the names."""
    schemathesis.hook("filter_failure")(_told_once)
    return tuple(_register(rule, asked) for rule in RULES)


def _register(rule: Rule, asked: Asked) -> str:
    def check(ctx: Any, response: Any, case: Any) -> None:
        complaint = rule(asked, _answer(response, case))
        if complaint:
            raise AssertionError(complaint)

    check.__name__ = rule.__name__
    schemathesis.check(check)
    return rule.__name__


def _told_once(context: Any, failure: Any, case: Any, response: Any) -> bool:
    name = next(iter(getattr(type(failure), "checks", ())), "")
    return not (response.status_code >= 400 and name in ANSWERED_ELSEWHERE)


def _answer(response: Any, case: Any) -> Answer:
    url = response.request.url or ""
    return Answer(
        operation=str(case.operation.definition.raw.get("operationId", "")),
        method=case.method.upper(),
        url=url,
        world=world_in(url),
        if_none_match=str((response.request.headers or {}).get("If-None-Match", "")),
        status=response.status_code,
        content=response.content or b"",
        content_type=_first(response, "content-type").partition(";")[0].strip().lower(),
        etag=_first(response, "etag"),
    )


def _first(response: Any, name: str) -> str:
    values = response.headers.get(name) or [""]
    return str(values[0])
