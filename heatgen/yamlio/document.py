# SPDX-License-Identifier: Apache-2.0
"""YAML text to plain values, each with its place in the text.

Reads the part of YAML that people mean: mappings with text keys, sequences, text, whole numbers,
decimals, true/false, null. What surprises (dates, octal numbers, yes/no) stays text; what can blow
up or run code (anchors, tags, endless nesting) is refused. Works on events, without recursion.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import yaml

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound

_Place = TypeVar("_Place")

Path = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices of sequences."""

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50

_TOO_DEEP = "exceeded maximum nesting depth"
"""libyaml's own words: it looks so far ahead that nobody comes to count."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]{1,17}\Z|[-+]?(?:0|[1-9][0-9]*)\.\Z")
_WORD = re.compile(r"[^\s'\"\x00-\x1f]+\Z")
_STRING_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML document: its values and where each key and value stands in the text."""

    name: str
    text: str
    data: Any
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    written: Mapping[Path, str] = field(default_factory=dict)
    """Plain scalars as they stand in the text, such as ``1.10``."""

    def problem(
        self,
        path: Path,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        code: Code = Code.UNSPECIFIED,
    ) -> Problem:
        """A problem at the value (or key) of a path, else at the nearest parent that exists."""
        places = (self.keys, self.values) if key else (self.values, self.keys)
        for length in range(len(path), -1, -1):
            for place in places:
                if path[:length] in place:
                    return Problem(self.name, place[path[:length]], message, hint, code=code)
        return Problem(self.name, None, message, hint, code=code)


def with_renamed_key(document: Document, old: str, new: str) -> Document:
    """Return the document with a top-level key under another name.

    A document without the key, or with both keys, is returned unchanged.
    """
    if not isinstance(document.data, dict) or old not in document.data or new in document.data:
        return document

    def renamed(places: Mapping[Path, _Place]) -> dict[Path, _Place]:
        return {
            (new, *path[1:]) if path[:1] == (old,) else path: place
            for path, place in places.items()
        }

    return replace(
        document,
        data={new if key == old else key: value for key, value in document.data.items()},
        keys=renamed(document.keys),
        values=renamed(document.values),
        written=renamed(document.written),
    )


def dotted(path: Path) -> str:
    """A path as people write it: ``access.api[0]``; keys that are no words in quotes."""
    text = ""
    for part in path:
        key = part if isinstance(part, int) or _WORD.match(part) else repr(part)
        text += f"[{key}]" if isinstance(part, int) else f".{key}"
    return text.removeprefix(".")


def parse(name: str, raw: bytes) -> Document:
    """Read one YAML document.

    Args:
        name: of the file, for messages.
        raw: its bytes, UTF-8 with or without a byte order mark.

    Raises:
        ProblemsFound: with every problem that can be told apart (syntax errors end the reading).
    """
    text = decode(name, raw)
    builder = _Builder(name)
    try:
        builder.read(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        builder.problems.append(syntax_problem(name, text, error))
    except yaml.reader.ReaderError as error:
        builder.problems.append(_character_problem(name, text, error))
    if builder.problems:
        raise ProblemsFound(builder.problems, {name: text})
    return Document(
        name=name,
        text=text,
        data=builder.data,
        keys=builder.keys,
        values=builder.values,
        written=builder.written,
    )


def decode(name: str, raw: bytes) -> str:
    """UTF-8 text of the bytes, refused with the place of the first bad byte."""
    if len(raw) > MAX_BYTES:
        raise ProblemsFound([Problem(name, None, f"is larger than {MAX_BYTES} bytes")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        position = Position(before.count(b"\n") + 1, column)
        message = f"is not UTF-8 (byte 0x{raw[error.start]:02x})"
        hint = "save the file with the encoding UTF-8"
        text = raw.decode("utf-8", "replace")
        raise ProblemsFound([Problem(name, position, message, hint)], {name: text}) from None


def _character_problem(name: str, text: str, error: yaml.reader.ReaderError) -> Problem:
    """A character that YAML does not allow, with its place."""
    # The two readers of PyYAML say it as text or as number.
    character = error.character if isinstance(error.character, str) else chr(error.character)
    before = text.partition(character)[0]
    position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    message = f"the character U+{ord(character):04X} is not allowed in YAML"
    return Problem(name, position, message, "remove it, or write it as an escape")


def syntax_problem(name: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    """What the YAML scanner or parser stumbled over, in our form."""
    mark = error.problem_mark or error.context_mark
    reasons = [reason for reason in (error.context, error.problem) if reason]
    message, hint = f"is not YAML: {', '.join(reasons)}", ""
    if error.problem == _TOO_DEEP:
        message = f"is nested more than {MAX_DEPTH} levels deep"
    if mark is None:
        return Problem(name, None, message)
    position = Position(mark.line + 1, mark.column + 1)
    line = [*text.splitlines(), ""][min(mark.line, text.count("\n"))]
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation or line[mark.column : mark.column + 1] == "\t":
        message, hint = "YAML does not allow tabs for indentation", "use spaces"
    return Problem(name, position, message, hint)


@dataclass
class _Frame:
    """A mapping or sequence that is still being read."""

    path: Path
    container: dict[str, Any] | list[Any]
    key: str | None = None
    """The key whose value comes next; None: a key comes next (or it is a sequence)."""
    dropped: bool = False
    """The key was refused: its value is read and thrown away."""


class _Builder:
    """Builds values from YAML events; problems are collected, the reading goes on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data: Any = None
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}
        self.written: dict[Path, str] = {}
        self.problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._documents = 0

    def read(self, events: Iterable[yaml.Event]) -> None:
        """Take all events of a stream."""
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event, "holds several documents", "keep one, without '---'")
                    return
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if not self._open(event):
                    return
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._stack.pop()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)

    def _refuse(self, event: yaml.Event, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.name, _position(event), message, hint))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._take_key(frame, event)
            return
        if event.tag not in _STRING_TAGS:
            self._refuse(event, f"the tag {event.tag!r} is not read", "remove it")
        plain = not event.style and event.tag is None
        path = self._place(event, plain_value(event.value) if plain else event.value)
        if plain:
            self.written[path] = event.value

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._refuse(event, "anchors and aliases are not read", "write the value out")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            # It stands for a key: the value that follows is read and thrown away.
            frame.key, frame.dropped = "", True
        else:
            self._place(event, None)

    def _take_key(self, frame: _Frame, event: yaml.ScalarEvent) -> None:
        frame.key = event.value
        path = (*frame.path, event.value)
        frame.dropped = event.value in frame.container
        if event.value == "<<" and not event.style:
            self._refuse(event, "anchors and what merges them are not read", "write the keys out")
        if frame.dropped:
            first = self.keys[path].line
            message = f"the key {event.value!r} is there twice, first in line {first}"
            self._refuse(event, message, "keep one of them")
        else:
            self.keys[path] = _position(event)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> bool:
        """Begin a mapping or sequence; False when reading cannot go on."""
        frame = self._stack[-1] if self._stack else None
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"is nested more than {MAX_DEPTH} levels deep")
            return False
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._refuse(event, "a key must be text", "write 'key: value'")
            return False
        if event.tag is not None and event.tag != "!":
            self._refuse(event, f"the tag {event.tag!r} is not read", "remove it")
        container: dict[str, Any] | list[Any]
        container = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(event, container)
        self._stack.append(_Frame(path, container))
        return True

    def _place(self, event: yaml.Event, value: Any) -> Path:
        """Put a value where it belongs; the path it got."""
        if not self._stack:
            self.data = value
            self.values[()] = _position(event)
            return ()
        frame = self._stack[-1]
        if isinstance(frame.container, list):
            path: Path = (*frame.path, len(frame.container))
            frame.container.append(value)
        else:
            key = frame.key or ""
            path = (*frame.path, key)
            if frame.dropped:
                frame.key = None
                return (*frame.path, f"{key} (again)")
            frame.container[key] = value
            frame.key = None
        self.values[path] = _position(event)
        return path


def plain_value(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar; all that is not clearly something else is text."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return float(text)
    return text


def _position(event: yaml.Event) -> Position:
    """Where an event begins; as wide as it is, if it ends in the same line."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Position(1, 1)
    width = end.column - start.column if end.line == start.line else 1
    return Position(start.line + 1, start.column + 1, max(1, width))
