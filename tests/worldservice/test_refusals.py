"""What the reference WorldService refuses, in which words, and what its OpenAPI file says."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from ackgap.contract import load, schemas_dir


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/worlds/nobody/activation", 404),
        ("GET", "/worlds/nobody/activation/state_hash", 404),
        ("GET", "/worlds/nobody/activation?strategy_id=a&side=long", 404),
        ("GET", "/worlds/nobody/activation?side=long", 400),
        ("GET", "/worlds/nobody/apply/r1", 404),
        ("GET", "/worlds/nobody/apply", 405),
        ("PUT", "/worlds/nobody/activation", 405),
        ("GET", "/worlds//activation", 404),
        ("GET", "/worlds/a/b/activation", 404),
        ("GET", "/elsewhere", 404),
        ("POST", "/health", 405),
    ],
)
def test_errors_are_told_as_problem_details(runner, service, method, path, status):
    async def body():
        from yarl import URL

        async with service.session.request(method, URL(service.url + path, encoded=True)) as response:
            assert response.status == status
            assert response.content_type == "application/problem+json"
            problem = await response.json(content_type=None)
        load().validator("problem").validate(problem)
        assert problem["status"] == status
        if status == 405:
            assert response.headers["Allow"]

    runner.run(body())


ENTRY = {"strategy_id": "a", "side": "long"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"entries": NaN}', "not JSON"),
        (json.dumps({}), "/entries"),
        (json.dumps({"entries": [{"strategy_id": "a"}]}), "/entries/0/side"),
        (json.dumps({"entries": [ENTRY, ENTRY]}), "stands twice"),
        (json.dumps({"entries": [{**ENTRY, "wieght": 1}]}), "/entries/0/wieght: unknown"),
        (json.dumps({"entries": [{**ENTRY, "weight": True}]}), "/entries/0/weight"),
        (json.dumps({"entries": [{**ENTRY, "weight": 1.01}]}), "/entries/0/weight"),
        (json.dumps({"entries": [{**ENTRY, "strategy_id": "\ud800"}]}), "no Unicode text"),
        (json.dumps({"entries": [ENTRY], "run_id": ""}), "/run_id"),
        (json.dumps({"entries": [ENTRY], "mode": "stop"}), "/mode"),
        (json.dumps({"entries": [ENTRY], "rehearse": {"fail": "thaw"}}), "/rehearse/fail"),
        (json.dumps({"entries": [{**ENTRY, "strategy_id": str(n)} for n in range(201)]}), "1 to 200"),
    ],
)
def test_a_bad_apply_is_refused_by_field_and_changes_nothing(runner, service, text, said):
    async def body():
        async with service.session.post(service.url + "/worlds/untouched/apply", data=text) as response:
            problem = await response.json(content_type=None)
        assert response.status == 400
        assert said in problem["detail"]
        assert (await service.ask("GET", "untouched", "activation"))[0] == 404

    runner.run(body())


def test_bodies_are_bounded_whether_their_length_is_told_or_not(runner, service):
    async def parts():
        for _ in range(100):
            yield b" " * 10_000

    async def body():
        for data in (b" " * 1_000_000, parts()):
            async with service.session.post(service.url + "/worlds/big/apply", data=data) as response:
                assert response.status == 413
        assert (await service.ask("GET", "big", "activation"))[0] == 404

    runner.run(body())


def test_a_generated_run_id_is_told(runner, service, world):
    async def body():
        _, document, _ = await service.ask("POST", world, "apply", {"entries": [ENTRY], "mode": "drain"})
        ended = await service.ended(world, document["run_id"])
        await service.until(lambda: len(service.values(world)) == 2)
        assert ended["state"] == "completed"
        assert [(b["freeze"], b["drain"]) for b in service.bodies(world)] == [(False, True), (False, False)]

    runner.run(body())


OPENAPI = schemathesis.openapi.from_path(schemas_dir() / "openapi.yaml")
OPERATIONS = [found.ok() for found in OPENAPI.get_all_operations()]
CHECKS = schemathesis.checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)


MODES = [(o, schemathesis.GenerationMode.POSITIVE) for o in OPERATIONS]
MODES += [(o, schemathesis.GenerationMode.NEGATIVE) for o in OPERATIONS if o.method == "post"]


@pytest.mark.parametrize(("operation", "mode"), MODES, ids=lambda it: getattr(it, "label", None) or it.value)
def test_the_service_keeps_what_its_openapi_file_says(service, operation, mode):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(base_url=service.url, checks=CHECKS)

    check()
