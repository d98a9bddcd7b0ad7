"""D5: OpenAPI, AsyncAPI and JSON Schema files of the repository, and those of running services, against the contract."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ackgap.drift.compatibility import Difference, differences
from ackgap.drift.config import Role, Service
from ackgap.drift.findings import DriftError, Finding, Level, Place
from ackgap.drift.names import shape
from ackgap.drift.reading import Rules
from ackgap.drift.structured import LARGEST, Bundle, parse_structured

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_KINDS = {
    "activationupdated": "activation-updated", "activationupdate": "activation-updated", "activationupdatedevent": "activation-updated",
    "activationack": "activation-ack", "activationackevent": "activation-ack", "activationsnapshot": "activation-snapshot",
    "worldactivationsnapshot": "activation-snapshot", "statehash": "state-hash", "statehashresponse": "state-hash",
    "activationstatehash": "state-hash", "activationupdatedenvelope": "activation-updated-envelope",
    "activationackenvelope": "activation-ack-envelope",
}  # fmt: skip
_VITAL = frozenset({"world_id", "run_id", "sequence", "state_hash", "requires_ack", "phase", "type"})


class ServiceError(RuntimeError):
    """A running service whose specification could not be had: the environment's fault."""


def check_file(path: str, text: str, *, file: Path, root: Path, role: Role, rules: Rules) -> Iterator[Finding]:
    """The findings of one specification file. Raises DriftError if it cannot be read as one."""
    if not re.search(r"activation|state_hash|requires_ack", text, re.IGNORECASE):
        return
    value = parse_structured(text, is_json=file.suffix == ".json")
    bundle = Bundle(value, file, root)
    yield from _Specification(path, text, bundle, role, rules).findings()


def check_service(service: Service, rules: Rules) -> Iterator[Finding]:
    """The findings of the specification that a running service serves. Raises ServiceError or DriftError."""
    text = _fetch(service)
    value = parse_structured(text, is_json=text.lstrip().startswith("{"))
    yield from _Specification(service.url, text, Bundle(value, None, None), service.role, rules).findings()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A specification is fetched from where the configuration says and from nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _fetch(service: Service) -> str:
    request = urllib.request.Request(  # noqa: S310  (the configuration allows http and https only)
        service.url, headers={"Accept": "application/json, application/yaml"}
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=service.timeout_s) as answer:
            raw: bytes = answer.read(LARGEST + 1)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServiceError(f"{service.url}: cannot be fetched: {reason}; is the service running?") from error
    if len(raw) > LARGEST:
        raise ServiceError(f"{service.url}: answers with more than {LARGEST >> 20} MiB")
    return raw.decode("utf-8", "replace")


class _Specification:
    """One specification, whatever its format."""

    def __init__(self, path: str, text: str, bundle: Bundle, role: Role, rules: Rules) -> None:
        self.path = path
        self.lines = text.split("\n")
        self.bundle = bundle
        self.role = role
        self.rules = rules

    def findings(self) -> Iterator[Finding]:
        root = self.bundle.root
        if not isinstance(root, dict):
            raise DriftError("holds no mapping at the top level")
        if "openapi" in root or "swagger" in root:
            yield from self._openapi(root)
        elif "asyncapi" in root:
            yield from self._asyncapi(root)
        elif "properties" in root or "allOf" in root or "$schema" in root:
            kind = _kind_of(str(root.get("title", "")), self.path, root)
            if kind:
                yield from self._schema(root, kind, self.role, "")

    def _openapi(self, root: Mapping[str, Any]) -> Iterator[Finding]:
        paths = root.get("paths")
        if not isinstance(paths, dict):
            return
        shapes = {shape(path): path for path in paths if isinstance(path, str)}
        routes = {
            route.constant: next((p for s, p in shapes.items() if _is_tail(s, route.shape)), None)
            for route in self.rules.names.paths
        }
        meant = [p for s, p in shapes.items() if s.lower().count("activation") or s.lower().endswith("state_hash")]
        for route in self.rules.names.paths:
            path = routes[route.constant]
            if path is None:
                if meant or any(routes.values()):
                    yield self._found(
                        "D5-path",
                        meant[0] if meant else "paths",
                        f"has no {route.method} {route.text}",
                        "describe the path of the contract",
                    )
                continue
            item = self.bundle.resolve(paths[path])
            operation = item.get(route.method.lower()) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                there = [m.upper() for m in _METHODS if isinstance(item, dict) and m in item]
                yield self._found("D5-method", path, f"{path} has no {route.method} (only {', '.join(there) or 'nothing'})", f"answer {route.method} {route.text}")  # fmt: skip
                continue
            kind = "state-hash" if route.constant == "state_hash_path" else "activation-snapshot"
            schema = self._answer(operation)
            if schema is not None:
                yield from self._schema(schema, kind, self.role, path)
        schemas = root.get("components", {}).get("schemas", {}) if isinstance(root.get("components"), dict) else {}
        for name, schema in schemas.items() if isinstance(schemas, dict) else ():
            meant_kind = _KINDS.get(re.sub(r"[^a-z]", "", str(name).lower()), "")
            if meant_kind in {"activation-updated", "activation-ack"} and isinstance(schema, dict):
                yield from self._schema(schema, meant_kind, "both", str(name))

    def _answer(self, operation: Mapping[str, Any]) -> Any:
        """The schema of an operation's good JSON answer."""
        responses = operation.get("responses")
        good = (
            next((r for c, r in responses.items() if str(c) in {"200", "2XX"}), None)
            if isinstance(responses, dict)
            else None
        )
        good = self.bundle.resolve(good)
        if not isinstance(good, dict):
            return None
        content = good.get("content")
        if isinstance(content, dict):
            media = next((m for t, m in content.items() if "json" in str(t)), None)
            return media.get("schema") if isinstance(media, dict) else None
        return good.get("schema")

    def _asyncapi(self, root: Mapping[str, Any]) -> Iterator[Finding]:
        channels = root.get("channels")
        if not isinstance(channels, dict):
            return
        constants = self.rules.contract.constants
        for name, raw in channels.items():
            channel = self.bundle.resolve(raw)
            if not isinstance(channel, dict):
                continue
            address = str(channel.get("address", name))
            messages = list(self._messages(name, channel))
            kinds = {kind for kind, _, _ in messages}
            for kind, topic in (
                ("activation-ack", constants.ack_topic),
                ("activation-updated", constants.activation_topic),
            ):
                if kind in kinds and len(kinds) == 1 and address != topic and "{" not in address:
                    yield self._found(
                        "D5-topic",
                        address,
                        f"the topic is {topic!r} in the contract, here it is {address!r}",
                        f"use {topic!r}",
                    )
            for kind, payload, role in messages:
                yield from self._schema(payload, kind, role, address)

    def _messages(self, name: str, channel: Mapping[str, Any]) -> Iterator[tuple[str, Any, Role]]:
        """Kind, payload and role of the messages of a channel, in AsyncAPI 2 and 3."""
        for word, role in (("publish", "consumer"), ("subscribe", "producer")):
            operation = channel.get(word)
            if isinstance(operation, dict):
                message = self.bundle.resolve(operation.get("message"))
                options = message.get("oneOf", [message]) if isinstance(message, dict) else []
                for option in options:
                    yield from self._message(name, option, self.role if self.role != "both" else role)  # type: ignore[arg-type]
        messages = channel.get("messages")
        for key, message in messages.items() if isinstance(messages, dict) else ():
            yield from self._message(str(key), message, self._acts(name))

    def _acts(self, channel: str) -> Role:
        """Whether the described application sends on a channel, receives from it, or both (AsyncAPI 3)."""
        if self.role != "both":
            return self.role
        operations = self.bundle.root.get("operations")
        acts = {
            str(o.get("action"))
            for o in (operations.values() if isinstance(operations, dict) else ())
            if isinstance(o, dict) and str((o.get("channel") or {}).get("$ref", "")).endswith("/" + channel)
        }
        return {frozenset({"send"}): "producer", frozenset({"receive"}): "consumer"}.get(frozenset(acts), "both")  # type: ignore[return-value]

    def _message(self, name: str, raw: Any, role: Role) -> Iterator[tuple[str, Any, Role]]:
        message = self.bundle.resolve(raw)
        if not isinstance(message, dict) or not isinstance(message.get("payload"), dict):
            return
        payload = self.bundle.resolve(message["payload"])
        payload = payload.get("schema", payload) if isinstance(payload, dict) else {}
        kind = _kind_of(str(message.get("name") or name), "", payload) or _kind_of(name, "", payload)
        if kind:
            yield kind, payload, role

    def _schema(self, schema: Any, kind: str, role: Role, where: str) -> Iterator[Finding]:
        """Compare a schema with the one of the contract and report what harms somebody on its side."""
        inlined = self.bundle.inlined(schema)
        if _takes_both(inlined):
            return
        found = differences(inlined, kind, self.rules.contract)
        by_field: dict[str, dict[str, Difference]] = {}
        for difference in found:
            by_field.setdefault(difference.field, {})[difference.side] = difference
        for field, sides in by_field.items():
            yield from self._ranked(field, sides, kind, role, where)

    def _ranked(
        self, field: str, sides: Mapping[str, Difference], kind: str, role: Role, where: str
    ) -> Iterator[Finding]:
        looser, stricter = sides.get("looser"), sides.get("stricter")
        if looser and role in {"producer", "both"}:
            level: Level = "error" if role == "producer" or stricter or field in _VITAL else "note"
            harm = "whoever reads messages by the contract cannot read it"
            yield self._differs(looser, kind, where, harm, level=level)
        if stricter and role in {"consumer", "both"}:
            level = "error" if role == "consumer" or stricter.whole else "note"
            if looser and role == "both":
                return
            yield self._differs(stricter, kind, where, "right messages of others are refused", level=level)

    def _differs(self, difference: Difference, kind: str, where: str, harm: str, *, level: Level) -> Finding:
        looser, field = difference.side == "looser", difference.field
        verb = "accepts what the contract refuses" if looser else "refuses what the contract accepts"
        message = json.dumps(difference.message, ensure_ascii=False)
        shown = message if len(message) <= 300 else message[:297] + "..."
        return self._found(
            "D5-looser" if looser else "D5-stricter",
            field.rpartition("/")[2] or where,
            f"the schema of {kind}{f' ({where})' if where else ''} {verb}: {field or 'the whole'} {difference.change}; {harm}. "
            f"Reason: {difference.reason}. Message: {shown}",
            f"describe {field or 'it'} as {kind}.schema.json does",
            level=level,
        )

    def _found(self, code: str, word: str, message: str, remedy: str, *, level: Level = "error") -> Finding:
        pattern = re.compile(r"(?<![\w-])" + re.escape(word) + r"(?![\w-])")
        for number, line in enumerate(self.lines, start=1):
            match = pattern.search(line) if word else None
            if match:
                at = Place(path=self.path, line=number, column=match.start() + 1, end=match.end() + 1)
                return Finding(code=code, level=level, place=at, message=message, remedy=remedy, quoted=line[:2000])
        return Finding(
            code=code, level=level, place=Place(path=self.path, line=1, column=1, end=2), message=message, remedy=remedy, quoted=self.lines[0][:2000]
        )  # fmt: skip


def _is_tail(path: str, wanted: str) -> bool:
    return path == wanted or path.endswith(wanted)


def _kind_of(title: str, path: str, schema: Any) -> str | None:
    """Which message a schema describes, by its title, its file name or its fields."""
    words = [re.sub(r"[^a-z]", "", title.lower()), re.sub(r"[^a-z]", "", Path(path).name.lower().partition(".")[0])]
    enveloped = isinstance(schema, dict) and "specversion" in (schema.get("properties") or {})
    for word in words:
        for suffix in ("", "event", "message", "body", "payload", "schema", "response"):
            kind = _KINDS.get(word.removesuffix(suffix) if suffix else word)
            if kind:
                return (
                    kind + "-envelope"
                    if enveloped and not kind.endswith("envelope") and kind.startswith("activation-")
                    else kind
                )
    fields = set(schema.get("properties") or {}) if isinstance(schema, dict) else set()
    if {"world_id", "sequence"} <= fields and "requires_ack" in fields:
        return "activation-updated"
    if {"world_id", "sequence", "ack_ts"} <= fields:
        return "activation-ack"
    return None


def _takes_both(schema: Any) -> bool:
    """Whether a schema tells the flat and the enveloped form apart itself, as the contract's own message schemas do."""
    return isinstance(schema, dict) and "if" in schema and "else" in schema and "properties" not in schema
