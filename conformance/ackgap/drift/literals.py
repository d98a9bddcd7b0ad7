"""D6: timeouts, flag defaults and topic names in configuration files and in code, found line by line.

Lines are enough: a constant and its value stand on one, in every language that people write settings in. A file that is no
valid YAML (a chart's template, say) is therefore checked like any other.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ackgap.drift.findings import Finding, Level, Place
from ackgap.drift.names import UNITS, Names, Setting, flag
from ackgap.drift.reading import Rules

CODE = frozenset({".py", ".java", ".kt", ".scala", ".go", ".ts", ".tsx", ".js", ".mjs", ".rs", ".cs"})
FARTHEST = 160
"""Characters behind a name in which its value is looked for."""

_OVERRIDES = re.compile(
    r"(?:^|[/._-])(?:dev|develop|development|local|test|testing|staging|stage|canary|prod|production|qa|ci|e2e|override|overrides|example|sample|experiment)(?:[/._-]|$)",
    re.IGNORECASE,
)
_TEMPLATES = re.compile(
    r"(?:^|[/._-])(?:default|defaults|template|example|sample|dist|reference)(?:[/._-]|$)|^\.env\.|values\.ya?ml$",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"^\s*(?://|#|/?\*|--|;|<!--)")
_BEGIN = re.compile(
    r"^[\"'`\]]?\s*(?::\s*(?:[\w.]+(?:\[[\w., |]+\])?(?:\s*\|\s*\w+)?\??)\s*=|:=|=(?![=>])|:|,|(?:int|long|float64|time\.Duration|string|bool|Duration|Integer|Long|Boolean|number|i64|u64)\b\s*=)\s*"
)
_VALUE = (
    re.compile(r"Duration\.of(?P<unit>Millis|Seconds|Minutes)\(\s*(?P<number>[\d_]+)L?\s*\)"),
    re.compile(r"Duration::from_(?P<unit>millis|secs)\(\s*(?P<number>[\d_]+)\s*\)"),
    re.compile(r"(?:datetime\.)?timedelta\(\s*(?P<unit>milliseconds|seconds|minutes)\s*=\s*(?P<number>[\d_.]+)\s*\)"),
    re.compile(r"TimeSpan\.From(?P<unit>Milliseconds|Seconds|Minutes)\(\s*(?P<number>[\d_.]+)\s*\)"),
    re.compile(r"(?P<number>[\d_]+)\s*\*\s*time\.(?P<unit>Millisecond|Second|Minute)\b"),
    re.compile(r"time\.(?P<unit>Millisecond|Second|Minute)\s*\*\s*(?P<number>[\d_]+)"),
    re.compile(r"[\"'`]?(?P<number>\d[\d_]*(?:\.\d+)?)\s*\*\s*(?P<times>1_?000|60_?000)\b"),
    re.compile(
        r"[\"'`]?(?P<number>\d[\d_]*(?:\.\d+)?)[lL]?\s?(?P<unit>ms|s|sec|seconds|millis|milliseconds|m|min|minutes)?[\"'`]?\s*(?=$|[,;)}\]#/]|\s)"
    ),
)
_FALLBACK = (
    re.compile(r"\$\{[A-Za-z_][\w.]*:?-?(?P<inner>[^}\n]{1,40})\}"),
    re.compile(
        r"(?:getenv|environ\.get|os\.Getenv|env|get_env|getEnv|getOrDefault|getProperty|get|Field|field|default|Option|option|"
        r"envOr\w*|EnvDefault|lookup\w*)\s*\(\s*(?:[\"'`][\w.-]+[\"'`]\s*,\s*)?(?:default\s*=\s*)?(?P<inner>[\"'`]?[\w.]+[\"'`]?)"
    ),
    re.compile(r"process\.env(?:\.\w+|\[[\"'`]\w+[\"'`]\])\s*(?:\?\?|\|\|)\s*(?P<inner>[\"'`]?[\w.]+[\"'`]?)"),
)
_WRAPPED = re.compile(
    r"(?:int|float|Number|parseInt|Duration\.parse|Boolean|bool|String|str|os|datetime)[.(]\s*(?P<inner>.{1,100})"
)
_UNIT_WORDS = {"millis": "ms", "millisecond": "ms", "secs": "s", "second": "s", "minute": "min"}
_TOPIC = re.compile(r"[\"'`=:\s](?P<topic>[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+){1,4})(?=[\"'`,;)}\]]|\s|$)")
_TOPIC_KEY = re.compile(r"topic|stream|channel", re.IGNORECASE)
_ENDING = re.compile(r"\.(?:json|ya?ml|md|py|java|go|ts|js|jar|html|com|org|io|net|txt|toml|sh|svc|local)$")


def check(path: str, text: str, rules: Rules) -> Iterator[Finding]:
    """The findings of one file of configuration or code."""
    names = rules.names
    wanted = [setting for setting in names.settings if setting.named.search(text)]
    ack_like = any(all(part in text for part in parts) for parts in names.topics.values())
    if not wanted and not ack_like:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > 4000 or _COMMENT.match(line):
            continue
        for setting in wanted:
            yield from _setting(path, number, line, setting)
        if ack_like:
            yield from _topics(path, number, line, names)


def _setting(path: str, number: int, line: str, setting: Setting) -> Iterator[Finding]:
    for name in setting.named.finditer(line):
        behind = line[name.end() : name.end() + FARTHEST]
        read = None if _is_argument(path, line, behind) else _read(behind, setting, name.group())
        if read is None:
            continue
        value, written, offset, is_default = read
        if value == setting.wanted:
            continue
        start = name.end() + offset
        unit = " ms" if setting.kind == "duration" else ""
        wanted = f"{setting.wanted}{unit}" if setting.kind == "duration" else str(bool(setting.wanted)).lower()
        level = "note" if _is_entry(path, behind) else _level(path, is_default=is_default)
        yield Finding(
            code="D6-default",
            level=level,
            place=Place(path=path, line=number, column=start + 1, end=start + len(written) + 1),
            message=f"the default of {setting.names[0]} is {wanted} in the contract, here it is {written.strip()}"
            + ("; this looks like the value of a single environment" if level == "note" else ""),
            remedy=f"use {wanted}; if this is meant to override the default, ignore it with a reason",
            quoted=line[:2000],
            norm="flag-default-off" if setting.kind == "flag" else "gap-timer",
        )
        return


def _is_argument(path: str, line: str, behind: str) -> bool:
    """Whether a Python line passes the value to a call, which sets no default."""
    return (
        path.endswith(".py") and re.match(r"=[^=\s]", behind) is not None and not re.search(r"\b(?:def|lambda)\b", line)
    )


def _is_entry(path: str, behind: str) -> bool:
    """Whether a Python line puts the value into a dictionary, which configures one thing and sets no default."""
    return path.endswith(".py") and re.match(r"[\"']\s*:", behind) is not None and "default" not in path.lower()


def _level(path: str, *, is_default: bool) -> Level:
    """A default in code or in a template is an error; a value in the file of one environment is told only."""
    if is_default or PurePosixPath(path).suffix in CODE or _TEMPLATES.search(path):
        return "error"
    return "note" if _OVERRIDES.search(path) else "warning"


def _read(behind: str, setting: Setting, name: str) -> tuple[float, str, int, bool] | None:
    """Value, the text that gives it, its offset behind the name, and whether it is given as a fallback."""
    begin = _BEGIN.match(behind)
    if begin is None:
        return None
    rest, offset, is_default = behind[begin.end() :], begin.end(), False
    for _ in range(4):
        fallback = next((match for pattern in _FALLBACK if (match := pattern.match(rest))), None)
        inner = fallback or (None if _starts_value(rest) else _WRAPPED.match(rest))
        if inner is None:
            break
        is_default = is_default or fallback is not None
        offset += inner.start("inner")
        rest = rest[inner.start("inner") :]
    found = _flag(rest) if setting.kind == "flag" else _duration(rest, in_seconds=setting.in_seconds(name))
    return (found[0], found[1], offset, is_default) if found else None


def _starts_value(text: str) -> bool:
    return any(pattern.match(text) for pattern in _VALUE)


def _flag(text: str) -> tuple[float, str] | None:
    word = re.match(r"(?P<quote>[\"'`]?)([A-Za-z]+)(?P=quote)(?![\w.( ]+[\w(])", text)
    state = flag(word.group(2)) if word else None
    return None if word is None or state is None else (float(state), word.group())


def _duration(text: str, *, in_seconds: bool) -> tuple[float, str] | None:
    for pattern in _VALUE:
        match = pattern.match(text)
        if match is None:
            continue
        groups = match.groupdict()
        number = float(groups["number"].replace("_", ""))
        if groups.get("times"):
            return number * float(groups["times"].replace("_", "")), match.group()
        unit = (groups.get("unit") or ("s" if in_seconds else "ms")).lower()
        unit = unit if unit in UNITS else unit.removesuffix("s")
        return number * UNITS[_UNIT_WORDS.get(unit, unit)], match.group()
    return None


def _topics(path: str, number: int, line: str, names: Names) -> Iterator[Finding]:
    if "ack" not in line.lower() or not (_TOPIC_KEY.search(line) or "control." in line):
        return
    for match in _TOPIC.finditer(" " + line):
        word = match["topic"]
        for topic, parts in names.topics.items():
            pieces = re.split(r"[._-]", word)
            like = (
                all(any(p.startswith(part) for p in pieces) for part in parts)
                or difflib.SequenceMatcher(None, word, topic).ratio() > 0.88
            )
            if word != topic and like and not _ENDING.search(word):
                start = match.start("topic") - 1
                yield Finding(
                    code="D6-topic",
                    level="error",
                    place=Place(path=path, line=number, column=start + 1, end=start + len(word) + 1),
                    message=f"the topic is called {topic!r} in the contract",
                    remedy=f"use {topic!r}",
                    quoted=line[:2000],
                )
