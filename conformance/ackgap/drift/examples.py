"""D1: the JSON examples of documents against the schemas of the contract."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from ackgap.contract import Contract
from ackgap.drift.contexts import holds
from ackgap.drift.findings import Finding
from ackgap.drift.markdown import Block, Section
from ackgap.drift.reading import Reading, Rules, found, place
from ackgap.drift.relaxed_json import Example, Pointer, RelaxedError, read

LANGUAGES = frozenset({"", "json", "jsonc", "json5", "jsonl", "ndjson", "http", "text", "txt", "javascript", "js"})
MOST = 200
"""Examples that are read in one block of code."""

_LOOKED_FOR = ("hash", "world", "sequence", "ctivation")
_START = re.compile(r"^[ \t]*(?:(?:data|body|payload|value):[ \t]*)?(?=[{\[])", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(\{[^`]*\})`(?!`)")
_MARK = re.compile(r"<!--\s*ackgap-drift:\s*schema\s+([a-z-]+)\s*-->")
_LIKE_OURS = re.compile(r'"(?:type|kind)"\s*:\s*"Activation|"(?:state_hash|requires_ack|ack_ts)"\s*:|"activation_ack:')
_ENTRY_KEYS = frozenset(
    {"freeze", "drain", "active", "weight", "strategy_id", "side", "requires_ack", "effective_mode"}
)
_ALIASES = {
    "seq": "sequence", "seqno": "sequence", "sequenceno": "sequence", "sequencenumber": "sequence", "ackrequired": "requires_ack",
    "needsack": "requires_ack", "requireack": "requires_ack", "hash": "state_hash", "world": "world_id", "run": "run_id",
}  # fmt: skip
_KEY = "idempotency_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """A block in its document."""

    block: Block
    section: Section
    reading: Reading

    def finding(self, offset: int, length: int, *, code: str, message: str, remedy: str) -> Finding:
        document = self.reading.document
        offset = min(offset, max(len(self.block.text) - 1, 0))
        at = place(document, self.section, self.block.locate(offset), max(min(length, 200), 1))
        return found(document, at, code=code, message=message, remedy=remedy)


def check(reading: Reading, rules: Rules) -> Iterator[Finding]:
    """The findings of D1 in a document."""
    for section in reading.document.sections:
        text = section.text
        if "{" not in text or not any(word in text for word in _LOOKED_FOR):
            continue
        for block in section.blocks():
            if "{" not in block.text or not holds(block, rules.norms, reading.frame):
                continue
            here = _Here(block=block, section=section, reading=reading)
            if block.kind == "code":
                yield from _code(here, rules)
            else:
                for inline in _INLINE.finditer(block.text):
                    yield from _inline(here, inline.group(1), inline.start(1), rules)


def _code(here: _Here, rules: Rules) -> Iterator[Finding]:
    """The findings of all examples in a block of code."""
    text = here.block.text
    if here.block.info not in LANGUAGES:
        return
    at = 0
    for _ in range(MOST):
        start = _START.search(text, at)
        if start is None:
            return
        try:
            example = read(text, start.end())
        except RelaxedError as error:
            if _LIKE_OURS.search(text, start.end()):
                yield here.finding(
                    error.offset,
                    1,
                    code="D1-json",
                    message=f"this example of a message is no JSON: {error}",
                    remedy="mend the example; what is left out may be written as ...",
                )
            return
        yield from _judged(here, example, 0, _marked(here.section, here.block), rules, whole=True)
        at = max(example.end, start.end() + 1)


def _inline(here: _Here, text: str, offset: int, rules: Rules) -> Iterator[Finding]:
    """The findings of an object inside a sentence, which may leave out anything."""
    try:
        example = read(text)
    except RelaxedError:
        return
    yield from _judged(here, example, offset, None, rules, whole=False)


def _judged(
    here: _Here, example: Example, base: int, marked: str | None, rules: Rules, *, whole: bool
) -> Iterator[Finding]:
    contract = rules.contract
    if marked and not (contract.folder / f"{marked}.schema.json").is_file():
        yield here.finding(
            0, 1, code="D1-schema", message=f"there is no schema {marked!r}", remedy="name one of the contract folder"
        )
        return
    kind = marked or kind_of(example.value, contract)
    if kind is None:
        return
    for pointer, message, remedy in problems(example, kind, contract, whole=whole):
        span = example.keys.get(pointer) if message.startswith("field ") else example.spans.get(pointer)
        start, end = span or (0, 1)
        yield here.finding(
            base + start,
            end - start,
            code="D1-schema",
            message=f"this {kind} example does not fit the contract: {message}",
            remedy=remedy,
        )


def _marked(section: Section, block: Block) -> str | None:
    """The schema that a comment right above a block names."""
    first = block.starts[0][0] if block.starts else 0
    above = [line for line in section.text.split("\n")[max(first - 5, 0) : first] if line.strip()][-2:]
    marks = [mark.group(1) for line in above if (mark := _MARK.search(line))]
    return marks[-1] if marks else None


def kind_of(value: Any, contract: Contract) -> str | None:
    """The schema that an example is meant to follow, by its keys; None if it is none of our messages."""
    if not isinstance(value, dict):
        return None
    constants = contract.constants
    body = value.get("data", value) if "specversion" in value else value
    if not isinstance(body, dict):
        body = {}
    kind = value.get("type")
    word = re.sub(r"[^a-z]", "", kind.lower()) if isinstance(kind, str) else ""
    if kind in {constants.ack_body_type, constants.ack_envelope_type} or (
        "activation" in word and word.endswith(("ack", "acked", "acknowledged"))
    ):
        return "ack-message"
    if kind in {constants.activation_body_type, constants.activation_envelope_type} or word.startswith(
        "activationupdate"
    ):
        return "activation-message"
    if kind is not None and not ("specversion" in value and "activation" in word):
        return None
    key = body.get(_KEY)
    if "world_id" in body and ("ack_ts" in body or (isinstance(key, str) and key.startswith("activation_ack:"))):
        return "ack-message"
    if "requires_ack" in body or ("world_id" in body and len(_ENTRY_KEYS & body.keys()) >= 2):
        return "activation-message"
    if "state_hash" in value and "state" in value:
        return "activation-snapshot"
    if value.get("state") in {"open", "closed"} and "world_id" in value:
        return "order-gate"
    if "state_hash" in value and not value.keys() - {
        "state_hash",
        "world_id",
        "etag",
        "ts",
        "run_id",
        "sequence",
        "version",
    }:
        return "state-hash"
    return None


def problems(example: Example, kind: str, contract: Contract, *, whole: bool) -> Iterator[tuple[Pointer, str, str]]:
    """Pointer, message and remedy of what is wrong; an example that is not `whole` may leave anything out."""
    for error in contract.validator(kind).iter_errors(example.value):
        deepest = _deepest(error)
        pointer: Pointer = tuple(deepest.absolute_path)
        if any(pointer[: len(p)] == p for p in example.open):
            continue
        if deepest.validator == "required":
            name = str(deepest.message).split("'")[1]
            if whole and pointer not in example.partial:
                yield pointer, f"{name!r} is missing", f"add {name!r}, or write ... for what the example leaves out"
            continue
        where = "/".join(str(part) for part in pointer) or "the whole"
        yield pointer, f"{where}: {_shortened(deepest.message)}", "write the example as the schema demands"
    yield from _names(example, kind, contract)
    yield from _key(example, kind, contract)


def _deepest(error: ValidationError) -> ValidationError:
    while error.context:
        error = min(error.context, key=lambda e: -len(e.absolute_path))
    return error


def _shortened(message: str) -> str:
    return message if len(message) <= 160 else message[:157] + "..."


def _names(example: Example, kind: str, contract: Contract) -> Iterator[tuple[Pointer, str, str]]:
    """Keys that are a field of the contract in another spelling."""
    fields = known_fields(contract, kind)
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in fields}
    for pointer in example.keys:
        name, siblings = pointer[-1], pointer[:-1]
        if not isinstance(name, str) or name in fields or siblings not in {(), ("data",)}:
            continue
        word = re.sub(r"[^a-z]", "", name.lower())
        meant = plain.get(word) or _ALIASES.get(word)
        if meant is None and len(word) > 6:
            near = difflib.get_close_matches(word, plain, n=1, cutoff=0.9)
            meant = plain[near[0]] if near else None
        if meant in fields and (*siblings, meant) not in example.keys:
            yield pointer, f"field {name!r} is called {meant!r} in the contract", f"rename it to {meant!r}"


def known_fields(contract: Contract, kind: str) -> frozenset[str]:
    """All property names that a schema mentions, those of the schemas it refers to included."""
    names: set[str] = set()
    seen: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict):
                names.update(node["properties"])
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.endswith(".schema.json") and reference not in seen:
                seen.add(reference)
                walk(contract.validator(reference.removesuffix(".schema.json")).schema)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(contract.validator(kind).schema)
    return frozenset(names)


def _key(example: Example, kind: str, contract: Contract) -> Iterator[tuple[Pointer, str, str]]:
    """The idempotency key of an ACK against the other fields of the same example."""
    if kind != "ack-message" or not isinstance(example.value, dict):
        return
    inside: Pointer = ("data",) if "specversion" in example.value else ()
    body = example.value.get("data") if inside else example.value
    key = body.get(_KEY) if isinstance(body, dict) else None
    pointer = (*inside, _KEY)
    if not isinstance(body, dict) or not isinstance(key, str) or pointer in example.open:
        return
    names = re.findall(r"\{(\w+)\}", contract.constants.idempotency_key)
    if any((*inside, name) in example.open for name in names) or "{" in key or "<" in key:
        return
    wanted = contract.constants.idempotency_key
    for name in names:
        if name in body:
            wanted = wanted.replace("{" + name + "}", str(body[name]))
    pattern = re.sub(r"\\\{\w+\\\}", "[^:]+", re.escape(wanted))
    if not re.fullmatch(pattern, key):
        yield pointer, f"{_KEY}: {key!r} is not {wanted!r}", f"write the key as {contract.constants.idempotency_key}"
