"""The process that does the fuzzing: reads an order as JSON from its input, writes JSON lines of what it sees.

Of its own process, since Hypothesis, Schemathesis's registries and the requests of a thread that hangs cannot be
taken back; and so that a deadline is one.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ackgap.contract import load
from ackgap.fuzz import bounded
from ackgap.fuzz.rules import Asked

HALF = 0.5
# What Schemathesis checks itself: nothing that the contract leaves open.
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
NEGATIVE_CHECKS = ("negative_data_rejection",)


def main() -> None:
    """Entry point: `python -m ackgap.fuzz.child`."""
    order = json.loads(sys.stdin.read())
    out = sys.stdout
    sys.stdout = sys.stderr  # nobody but us writes to the pipe

    def tell(row: Mapping[str, Any]) -> None:
        out.write(json.dumps(row) + "\n")
        out.flush()

    play(order, tell)


def play(order: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Run the engine and tell counts, findings and the end."""
    bounded.install(order["url"], order["request_timeout_s"])
    import schemathesis  # noqa: PLC0415  (after the bounds; it takes a second)
    from schemathesis.engine import from_schema  # noqa: PLC0415

    from ackgap.fuzz.hooks import register  # noqa: PLC0415

    contract = load()
    asked = Asked(
        url=order["url"], headers=dict(order["headers"]), timeout=order["request_timeout_s"],
        problem=contract.validator("problem"), worlds=frozenset(order["worlds"]),
        only_worlds=order["only_worlds"] and not order["applies"],
    )  # fmt: skip
    asked.session.trust_env = False
    rules = register(asked)
    path = Path(order["openapi"] or contract.folder / "openapi.yaml")
    config = schemathesis.Config.from_dict(configuration(order, rules))
    loaded = schemathesis.openapi.from_path(path, config=config)
    schema = loaded if order["applies"] else loaded.include(tag="resync")
    if order["operations"]:
        schema = schema.include(operation_id=list(order["operations"]))
    told: set[tuple[str, str]] = set()
    for event in from_schema(schema).execute():
        _event(event, tell, told, secrets=tuple(order["headers"].values()))
    tell({"kind": "done"})


def configuration(order: Mapping[str, Any], rules: tuple[str, ...]) -> dict[str, Any]:
    """Schemathesis's configuration for an order."""
    enabled = {*CHECKS, *rules, *(NEGATIVE_CHECKS if order["negative"] else ())}
    generation = {
        "mode": "all" if order["negative"] else "positive",
        "database": "none",
        "with-security-parameters": False,
    }
    phases: dict[str, Any] = {
        name: {"enabled": name in order["phases"]} for name in ("examples", "coverage", "fuzzing", "stateful")
    }
    if order["operations"]:
        phases["stateful"]["enabled"] = False  # links lead to operations that are not asked for
    phases["coverage"]["unexpected-methods"] = []
    phases["fuzzing"]["generation"] = {**generation, "max-examples": order["examples"]}
    phases["stateful"]["generation"] = {
        **generation,
        "max-examples": order["sequences"] or max(1, order["examples"] // 20),
    }
    config: dict[str, Any] = {
        "seed": order["seed"], "suppress-health-check": ["all"], "base-url": order["url"], "headers": dict(order["headers"]),
        "request-timeout": order["request_timeout_s"], "max-redirects": 0, "workers": 1, "generation": generation, "phases": phases,
        "checks": {"enabled": False, **{name: {"enabled": True} for name in enabled}},
        "warnings": False, "cache": {"enabled": False},
    }  # fmt: skip
    config["checks"]["not_a_server_error"] = {"enabled": True, "expected-statuses": ["2xx", "3xx", "4xx", "503"]}
    known = {
        "worlds": ("path.world_id", order["worlds"]),
        "strategies": ("query.strategy_id", [s for s, _ in order["entries"]]),
    }
    for name, (parameter, values) in known.items():
        if values:
            config.setdefault("dictionaries", {})[name] = {"values": list(dict.fromkeys(values))}
            config.setdefault("parameters", {})[parameter] = {"dictionary": name, "probability": HALF}
    return config


def _event(
    event: Any, tell: Callable[[Mapping[str, Any]], None], told: set[tuple[str, str]], secrets: tuple[str, ...]
) -> None:
    kind = type(event).__name__
    if kind == "ScenarioFinished":
        _scenario(event, tell, told, secrets)
    elif kind == "NonFatalError":
        text = f"{event.info.title}: {event.info.message}" if event.info.title else str(event.info.message)
        row = {"kind": "error", "operation": event.label, "message": text, "phase": str(event.phase.value if event.phase else ""),
               "curl": _masked(getattr(event.info, "code_sample", "") or "", secrets), "of_target": _from_network(event.value)}  # fmt: skip
        tell(row)
    elif kind == "FatalError":
        tell({"kind": "fatal", "message": repr(event.exception)[:500]})
    elif kind == "EngineFinished":
        tell({"kind": "stopped", "reason": str(event.stop_reason)})


def _scenario(
    event: Any, tell: Callable[[Mapping[str, Any]], None], told: set[tuple[str, str]], secrets: tuple[str, ...]
) -> None:
    recorder, phase = event.recorder, str(event.phase.value)
    counts: dict[str, int] = {}
    answered = 0
    for case_id, interaction in recorder.interactions.items():
        node = recorder.cases.get(case_id)
        label = node.value.operation.label if node is not None else "other"
        counts[label] = counts.get(label, 0) + 1
        answered += interaction.response is not None
    tell({"kind": "counts", "phase": phase, "counts": counts, "answered": answered})
    for case_id, checks in recorder.checks.items():
        for check in checks:
            info = check.failure_info
            if info is None:
                continue
            label = recorder.cases[case_id].value.operation.label
            if (label, check.name) in told:
                continue
            told.add((label, check.name))
            curls = [step.curl for step in info.steps] or [info.code_sample]
            message = info.failure.message or info.failure.title
            response = recorder.find_response(case_id=info.failure.case_id or case_id)
            tell({"kind": "finding", "operation": label, "check": check.name, "message": message, "phase": phase,
                  "curl": _masked("\n".join(curls), secrets), "status": response.status_code if response else 0})  # fmt: skip


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _from_network(error: BaseException) -> bool:
    import requests  # noqa: PLC0415

    return isinstance(error, requests.RequestException)


if __name__ == "__main__":
    main()
