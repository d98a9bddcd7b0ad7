"""JSON as documents write it: with comments, trailing commas and `...`, each value knowing where it stands."""

import re
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 60
"""Levels of nesting; what is deeper is refused."""

_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"(?:true|false|null)(?!\w)")
_ELLIPSIS = re.compile(r"\.{3,}|\u2026")
_PLACEHOLDER = re.compile(
    r"<[^<>\n\"]{1,60}>|\{\{[^{}\n]{1,60}\}\}|\$\{[^{}\n]{1,60}\}|\$?[A-Za-z_][\w.|-]*(?:\([^()\n]*\))?"
)
_OPEN_STRING = re.compile(r"^(?:\.{2,}|\u2026|<[^<>]*>|\{[^{}]*\}|\$\{?\w+\}?|string|uuid|.*\u2026|.*\.{3})$")
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

Pointer = tuple[str | int, ...]


class RelaxedError(ValueError):
    """Text that is no JSON even when read kindly. `offset` is where reading ended."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(slots=True, kw_only=True)
class Example:
    """A parsed example. `spans` maps pointers to offsets of the value, `keys` to those of the key; `partial` holds the
    pointers of objects and arrays that leave something out, `open` those of values that stand for any value.
    """

    value: Any = None
    end: int = 0
    spans: dict[Pointer, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Pointer, tuple[int, int]] = field(default_factory=dict)
    partial: set[Pointer] = field(default_factory=set)
    open: set[Pointer] = field(default_factory=set)


def read(text: str, start: int = 0) -> Example:
    """Read one value from `start` on. Raises RelaxedError."""
    reader = _Reader(text)
    at = reader.blank(start)
    value, end = reader.value(at, ())
    reader.found.value, reader.found.end = value, end
    return reader.found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found = Example()

    def blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, path: Pointer) -> tuple[Any, int]:
        if len(path) > DEEPEST:
            raise RelaxedError(f"is nested deeper than {DEEPEST} levels", at)
        head = self.text[at : at + 1]
        if head == "{" and not self.text.startswith("{{", at):
            value: Any
            value, end = self._object(at, path)
        elif head == "[":
            value, end = self._array(at, path)
        else:
            value, end = self._scalar(at, path)
        self.found.spans[path] = (at, end)
        return value, end

    def _object(self, at: int, path: Pointer) -> tuple[dict[str, Any], int]:
        out: dict[str, Any] = {}
        at = self.blank(at + 1)
        while not self.text.startswith("}", at):
            ellipsis = _ELLIPSIS.match(self.text, at)
            if ellipsis:
                self.found.partial.add(path)
                at = self._separator(ellipsis.end(), "}", kind=True)
                continue
            key = _STRING.match(self.text, at)
            if key is None:
                raise RelaxedError("expected a key in double quotes", at)
            name = _unescaped(key.group())
            if _ELLIPSIS.fullmatch(name):
                self.found.partial.add(path)
            colon = self.blank(key.end())
            if not self.text.startswith(":", colon):
                raise RelaxedError("expected ':' behind the key", colon)
            value, end = self.value(self.blank(colon + 1), (*path, name))
            if not _ELLIPSIS.fullmatch(name):
                out[name] = value
                self.found.keys[(*path, name)] = key.span()
            at = self._separator(end, "}")
        return out, at + 1

    def _array(self, at: int, path: Pointer) -> tuple[list[Any], int]:
        out: list[Any] = []
        at = self.blank(at + 1)
        while not self.text.startswith("]", at):
            ellipsis = _ELLIPSIS.match(self.text, at)
            if ellipsis:
                self.found.partial.add(path)
                at = self._separator(ellipsis.end(), "]", kind=True)
                continue
            value, end = self.value(at, (*path, len(out)))
            out.append(value)
            at = self._separator(end, "]")
        return out, at + 1

    def _separator(self, at: int, close: str, *, kind: bool = False) -> int:
        at = self.blank(at)
        if self.text.startswith(",", at):
            return self.blank(at + 1)
        if self.text.startswith(close, at) or kind or _ELLIPSIS.match(self.text, at):
            return at
        if at >= len(self.text):
            raise RelaxedError(f"ends before its {close!r}", at)
        raise RelaxedError(f"expected ',' or {close!r}", at)

    def _scalar(self, at: int, path: Pointer) -> tuple[Any, int]:
        string = _STRING.match(self.text, at)
        if string:
            value = _unescaped(string.group())
            if _OPEN_STRING.match(value):
                self.found.open.add(path)
            return value, string.end()
        number = _NUMBER.match(self.text, at)
        if number:
            digits = number.group()
            return (int(digits) if re.fullmatch(r"-?\d{1,4000}", digits) else float(digits)), number.end()
        word = _WORD.match(self.text, at)
        if word:
            return _WORDS[word.group()], word.end()
        stand_in = _ELLIPSIS.match(self.text, at) or _PLACEHOLDER.match(self.text, at)
        if stand_in:
            self.found.open.add(path)
            return None, stand_in.end()
        raise RelaxedError("expected a value" if at < len(self.text) else "ends too early", at)


def _unescaped(quoted: str) -> str:
    def one(match: re.Match[str]) -> str:
        text = match.group(1)
        return chr(int(text[1:], 16)) if text[0] == "u" and len(text) == 5 else _ESCAPES.get(text[0], text)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, quoted[1:-1], flags=re.DOTALL)
