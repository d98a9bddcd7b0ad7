"""D2, names: topics, paths and methods, metrics and their units, the idempotency key, phases and fields in documents."""

import difflib
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ackgap.contract import Contract
from ackgap.drift.contexts import holds
from ackgap.drift.findings import Finding
from ackgap.drift.names import Names, Route, shape
from ackgap.drift.prose import bare
from ackgap.drift.reading import Reading, Rules, found, place

_LOOKED_FOR = ("ctivation", "/world", "latency", "phase", "sequence", "ack", "state_hash")
_DOTTED = re.compile(r"(?<![\w./-])[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+){1,5}(?![\w/(-]|\.\w)", re.ASCII)
_FILE = re.compile(r"\.(?:json|ya?ml|md|py|java|go|ts|js|proto|avsc|txt|toml|html|sh|cfg|ini|png|svg)$")
_TOPIC_WORD = re.compile(
    r"topic|토픽|publish|게시|발행|kafka|consum|구독|subscri|produc|stream|스트림|channel|채널", re.IGNORECASE
)
_BESIDE_TOPIC = (
    re.compile(r"(?:topics?|토픽)(?: named| called|은|는|인|:)? ?`([a-z][\w.-]*)`", re.IGNORECASE),
    re.compile(r"`([a-z][\w.-]*)` ?(?:topics?\b|토픽)", re.IGNORECASE),
)
_PATH = re.compile(
    r"(?:\b(GET|POST|PUT|PATCH|DELETE|HEAD)\s+)?(?:https?://[^\s/`]+)?((?:/[\w{}<>:$.%~-]+){2,8})/?", re.ASCII
)
_METRIC = re.compile(r"(?<![\w])[a-z]+(?:_[a-z0-9]+){2,}(?![\w(])", re.ASCII)
_METRIC_SUFFIX = re.compile(r"_(?:bucket|sum|count|total|p\d+)$")
_UNIT_COLUMN = re.compile(r"^\W*(?:unit|단위)", re.IGNORECASE)
_UNIT = re.compile(
    r"\b(?:(ms|milliseconds?)|(s|sec|seconds?)|(us|µs|microseconds?|ns|nanoseconds?|minutes?))\b|(밀리초)|(?<!밀리)(초)(?!기|과)",
    re.IGNORECASE,
)
_KEY = re.compile(r"activation[_-]?acks?(?::|[/|.](?=[{<$]))[^\s`\"',)\]]{3,200}", re.IGNORECASE)
_PHASE_LIST = re.compile(r"\bphases?\b|단계|페이즈|phase", re.IGNORECASE)
_CODE = re.compile(r"`([^`\n]+)`")
_ASSIGNED_PHASE = re.compile(r"(?<![\w.])phase[\"'`]?\s*[:=]\s*[\"'`]?([a-z][\w-]*)", re.IGNORECASE)
_LIST_GAP = re.compile(r"[\s,/|·]*(?:and|or|와|과|또는|혹은|및|then|->|→|다음)?[\s,/|·]*")
_ALIASES = {
    "seq": "sequence", "seq_no": "sequence", "sequence_no": "sequence", "sequence_number": "sequence", "require_ack": "requires_ack",
    "needs_ack": "requires_ack", "ack_required": "requires_ack", "idempotence_key": "idempotency_key", "idempotent_key": "idempotency_key",
}  # fmt: skip
_ALIAS = re.compile("|".join(_ALIASES))
_MESSAGE = re.compile(
    r"ActivationUpdated|ActivationAck|\bACKs?\b|activation|이벤트|\bevents?\b|메시지|message|envelope|스트림|stream"
)


def check(reading: Reading, rules: Rules) -> Iterator[Finding]:
    """The findings about names in a document."""
    for section in reading.document.sections:
        if not any(word in section.text for word in _LOOKED_FOR):
            continue
        for block in section.blocks():
            if not any(word in block.text for word in _LOOKED_FOR) or not holds(block, rules.norms, reading.frame):
                continue
            near = " ".join((block.text, bare(block.column), bare(block.row), block.lead[-200:], *block.headings[-1:]))
            for slip in _slips(block.text, near, block.kind == "code", rules):
                start, end = slip.span
                at = place(reading.document, section, block.locate(start), max(end - start, 1))
                yield found(
                    reading.document, at, code=slip.code, message=slip.message, remedy=slip.remedy, norm=slip.norm
                )


@dataclass(frozen=True, slots=True)
class _Slip:
    """A wrong name. `span` are offsets into the text of its block."""

    span: tuple[int, int]
    code: str
    message: str
    remedy: str
    norm: str = ""


@functools.lru_cache(maxsize=8192)
def _slips(text: str, near: str, code: bool, rules: Rules) -> tuple[_Slip, ...]:
    """The wrong names in a text, worked out once per wording."""
    return tuple(_Names(text, near, code, rules).slips())


class _Names:
    """The names in the text of a block; `near` is that text with what stands around it."""

    def __init__(self, text: str, near: str, code: bool, rules: Rules) -> None:
        self.names: Names = rules.names
        self.contract: Contract = rules.contract
        self.text = text
        self.near = near
        self.code = code

    def slips(self) -> Iterator[_Slip]:
        """All wrong names."""
        yield from self._topics()
        yield from self._paths()
        yield from self._metrics()
        yield from self._keys()
        if not self.code:
            yield from self._phases()
            yield from self._fields()

    def _topics(self) -> Iterator[_Slip]:
        if "ctivation" not in self.text or not ("." in self.text or "opic" in self.text or "토픽" in self.text):
            return
        activation, known = self.contract.constants.activation_topic, set(self.names.topics)
        seen: set[int] = set()
        for token in _DOTTED.finditer(self.text):
            word = token.group()
            parts = set(re.split(r"[._-]", word))
            for topic, wanted in self.names.topics.items():
                like = all(any(p.startswith(w) for p in parts) for w in wanted) and "." in word
                close = like or (
                    abs(len(word) - len(topic)) < 6 and difflib.SequenceMatcher(None, word, topic).ratio() > 0.88
                )
                if (
                    word == topic
                    or _FILE.search(word)
                    or not close
                    or not _TOPIC_WORD.search(self.near)
                    or self._names_its_own()
                    or word.endswith(("_ts", "_ms", "_key"))
                ):
                    continue
                seen.add(token.start())
                yield _Slip(
                    token.span(), "D2-topic", f"the topic is called {topic!r} in the contract", f"write {topic!r}"
                )
        for pattern in _BESIDE_TOPIC:
            for match in pattern.finditer(self.text):
                word = match.group(1)
                slip = word.startswith(activation) and word != activation and "ack" not in word
                taken = word in known or match.start(1) in seen or _FILE.search(word)
                if slip and not taken and not self._names_its_own():
                    seen.add(match.start(1))
                    yield _Slip(
                        match.span(1),
                        "D2-topic",
                        f"the topic of activation events is {activation!r}",
                        f"write {activation!r}",
                    )

    def _names_its_own(self) -> bool:
        """Whether the text speaks of names that a deployment chooses."""
        return self.names.language["own_names"].search(self.near) is not None

    def _paths(self) -> Iterator[_Slip]:
        if "/world" not in self.text.lower():
            return
        about_resync = self.names.language["resync"].search(self.near) is not None
        manual = self.names.language["manual"].search(self.near) is not None
        for match in _PATH.finditer(self.text):
            method, path = match.group(1), match.group(2)
            if "/world" not in path.lower():
                continue
            tail = shape(path[path.lower().index("/world") :])
            route = next((r for r in self.names.paths if _fits(tail, r.shape)), None)
            if route:
                if method and method not in {route.method, "HEAD"} and about_resync and not manual:
                    yield _Slip(
                        match.span(1),
                        "D2-method",
                        f"{route.text} is asked with {route.method}",
                        f"write {route.method} {route.text}",
                    )
                continue
            meant = next((r for r in self.names.paths if r.tail.search(tail) and _near(tail, r)), None)
            if meant and (method in {None, meant.method} or about_resync) and not manual:
                yield _Slip(
                    match.span(2),
                    "D2-path",
                    f"the path is {meant.text} in the contract",
                    f"write {meant.method} {meant.text}",
                )

    def _metrics(self) -> Iterator[_Slip]:
        for metric, unit in self.names.metrics.items():
            stem = metric.removesuffix("_" + unit)
            if stem[:24] not in self.text and "ack_latency" not in self.text:
                continue
            for token in _METRIC.finditer(self.text):
                word = _METRIC_SUFFIX.sub("", token.group())
                if word == metric:
                    yield from self._unit(token.start(), metric, unit)
                elif word.startswith(stem) or difflib.SequenceMatcher(None, word, metric).ratio() > 0.87:
                    yield _Slip(token.span(), "D2-metric", f"the metric is called {metric}", f"write {metric}")

    def _unit(self, at: int, metric: str, unit: str) -> Iterator[_Slip]:
        """The unit that the text behind a metric's name gives it, or a cell below a column of units."""
        behind = re.split(r"[;.]\s|\n\n", self.text[at + len(metric) :], maxsplit=1)[0][:60]
        said = re.search(r"^`?[^`]{0,20}?(?:\bin|\(|단위[는은:]?|measured in)\s*(\w+|[가-힣]+)", behind)
        word = _UNIT.fullmatch(said.group(1)) if said else None
        if word and not (word.group(1) or word.group(4)) and unit == "ms":
            start = at + len(metric) + said.start(1) if said else at
            yield _Slip(
                (start, start + len(word.group())),
                "D2-unit",
                f"{metric} is in {unit}, as its name says",
                f"give the unit as {unit}",
            )

    def _keys(self) -> Iterator[_Slip]:
        for wanted in self.names.keys:
            names = re.findall(r"\{(\w+)\}", wanted)
            for match in _KEY.finditer(self.text) if "ctivation" in self.text else ():
                key = match.group().rstrip(".;")
                if self.code and self.contract.constants.ack_body_type in self.text:
                    continue  # an example: D1 compares it with the message around it
                if key != wanted and not _key_fits(key, wanted, names):
                    yield _Slip(
                        (match.start(), match.start() + len(key)),
                        "D2-key",
                        f"the idempotency key is {wanted}",
                        f"write {wanted}",
                        norm="key-format",
                    )

    def _phases(self) -> Iterator[_Slip]:
        if "`" not in self.text or not _PHASE_LIST.search(self.text):
            return
        known = {*self.names.phases, *self.names.not_phases}
        for match in _ASSIGNED_PHASE.finditer(self.text):
            if (
                match.group(1).lower() not in known
                and match.group(1).lower() not in {"freeze", "str", "string", "enum"}
                and "`" in self.text
            ):
                yield self._phase(match.start(1), match.end(1), match.group(1))
        spans = list(_CODE.finditer(self.text))
        for run in _runs(spans, self.text):
            words = [w for s in run for w in re.split(r"\s*[|/]\s*", s.group(1).strip("\"'"))]
            if sum(1 for w in words if w in self.names.phases) < min(2, len(words) - 1) or not re.search(
                r"phase|단계|페이즈", self._before(run[0].start()), re.IGNORECASE
            ):
                continue
            for span in run:
                word = span.group(1).strip("\"'")
                if word not in known and re.fullmatch(r"[a-z][a-z-]*", word):
                    yield self._phase(span.start(1), span.end(1), word)

    def _before(self, at: int) -> str:
        return self.text[max(at - 60, 0) : at]

    def _phase(self, start: int, end: int, word: str) -> _Slip:
        return _Slip(
            (start, end),
            "D2-phase",
            f"{word!r} is no phase; the contract knows {' and '.join(self.names.phases)}",
            "name one of these phases",
        )

    def _fields(self) -> Iterator[_Slip]:
        if not _ALIAS.search(self.text) or not _MESSAGE.search(self.near):
            return
        spans = list(_CODE.finditer(self.text))
        ours = {s.group(1) for s in spans} & set(self.names.fields)
        for span in spans:
            word = span.group(1)
            meant = _ALIASES.get(word) if ours or re.search(r"Activation(?:Updated|Ack)", self.near) else None
            if meant and meant not in ours:
                yield _Slip(
                    span.span(1), "D2-field", f"the field is called {meant!r} in the contract", f"write {meant!r}"
                )


def _fits(path: str, wanted: str) -> bool:
    """Whether a path, written with parameters or with a concrete id, is the wanted one."""
    have, want = path.split("/"), wanted.split("/")
    return len(have) == len(want) and all(w in {h, "{}"} for h, w in zip(have, want, strict=True))


def _near(path: str, route: Route) -> bool:
    """Whether a path that is none of ours speaks of a world's activation all the same."""
    parts = path.split("/")
    return parts[1] in {"world", "worlds"} and len(parts) >= 3 and len(parts) <= len(route.shape.split("/")) + 1


def _key_fits(key: str, wanted: str, names: list[str]) -> bool:
    """Whether a key is the wanted one in another notation of its parameters, or with values."""
    head = wanted.partition(":")[0]
    parts = key.split(":")
    if parts[0] != head or len(parts) != len(names) + 1:
        return len(parts) > len(names) + 1 and parts[0] == head and not re.search(r"[{<$]", key)
    for part, name in zip(parts[1:], names, strict=True):
        word = re.fullmatch(r"[{<$]+\{?([\w.]+)[}>]*", part)
        if word and _plain(word.group(1).rpartition(".")[2]) not in {_plain(name), _plain(name.removesuffix("_id"))}:
            return False
        if not word and name == "sequence" and not re.fullmatch(r"\d+|\.\.\.|\*|\w*seq\w*", part):
            return False
    return True


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _runs(spans: list[re.Match[str]], text: str) -> Iterator[list[re.Match[str]]]:
    """Spans of code that stand in a list: nothing but commas and conjunctions between them."""
    run: list[re.Match[str]] = []
    for span in spans:
        if run and not _LIST_GAP.fullmatch(text[run[-1].end() : span.start()]):
            if len(run) > 1:
                yield run
            run = []
        run.append(span)
    if len(run) > 1:
        yield run
