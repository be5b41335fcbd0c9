# SPDX-License-Identifier: Apache-2.0
"""Parser of YAML into plain values with their positions.

It reads a subset of YAML: mappings with string keys, sequences, strings, integers, decimals,
true/false, null. Dates, octal numbers and yes/no remain strings, because their conversion surprises
users. Anchors, tags and deep nesting are rejected, because they can exhaust memory or run code.
The parser works on events, without recursion.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import yaml

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound

_Value = TypeVar("_Value")

Path = tuple[str | int, ...]
"""The path to a value: keys of mappings and indices of sequences."""

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
_NESTING = f"nesting is deeper than {MAX_DEPTH} levels"

_TOO_DEEP = "exceeded maximum nesting depth"
"""Message of libyaml, which reads so far ahead that it fails before ``_Builder`` sees the depth."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]{1,17}\Z|[-+]?(?:0|[1-9][0-9]*)\.\Z")
_PLAIN_KEY = re.compile(r"[^\s'\"\x00-\x1f]+\Z")
_CLOSING = {"{": "}", "[": "]", '"': '"', "'": "'"}
_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} ).*", re.MULTILINE)
_STRING_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML document: its values, and the position of each key and value."""

    name: str
    text: str
    data: Any
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    written: Mapping[Path, str] = field(default_factory=dict)
    """Source text of plain scalars, such as ``1.10``."""

    def problem(
        self,
        path: Path,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        code: Code,
        sensitive: bool = False,
    ) -> Problem:
        """Return a problem at the value (or key) of a path, else at the nearest existing parent."""
        tables = (self.keys, self.values) if key else (self.values, self.keys)
        for length in range(len(path), -1, -1):
            for positions in tables:
                if path[:length] in positions:
                    place = positions[path[:length]]
                    return Problem(self.name, place, message, hint, code=code, sensitive=sensitive)
        return Problem(self.name, None, message, hint, code=code, sensitive=sensitive)


def with_renamed_key(document: Document, old: str, new: str) -> Document:
    """Return the document with a top-level key under another name.

    A document without the key, or with both keys, is returned unchanged.
    """
    if not isinstance(document.data, dict) or old not in document.data or new in document.data:
        return document

    def renamed(table: Mapping[Path, _Value]) -> dict[Path, _Value]:
        return {
            (new, *path[1:]) if path[:1] == (old,) else path: value for path, value in table.items()
        }

    return replace(
        document,
        data={new if key == old else key: value for key, value in document.data.items()},
        keys=renamed(document.keys),
        values=renamed(document.values),
        written=renamed(document.written),
    )


def dotted(path: Path) -> str:
    """Return a path as text: ``access.api[0]``; keys with spaces or quotes are quoted."""
    text = ""
    for part in path:
        key = part if isinstance(part, int) or _PLAIN_KEY.match(part) else repr(part)
        text += f"[{key}]" if isinstance(part, int) else f".{key}"
    return text.removeprefix(".")


def parse(name: str, raw: bytes) -> Document:
    """Parse one YAML document.

    Args:
        name: name of the file, for messages.
        raw: its bytes, UTF-8 with or without a byte order mark.

    Raises:
        ProblemsFound: with every problem; parsing stops at the first syntax error.
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
    """Decode UTF-8.

    Raises:
        ProblemsFound: the file is too large, or not UTF-8 (at the position of the first bad byte).
    """
    if len(raw) > MAX_BYTES:
        message = f"file is larger than {MAX_BYTES} bytes"
        raise ProblemsFound([Problem(name, None, message, code=Code.FILE_TOO_LARGE)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        position = Position(before.count(b"\n") + 1, column)
        message = f"file is not UTF-8 (byte 0x{raw[error.start]:02x})"
        hint = "save the file in UTF-8"
        text = raw.decode("utf-8", "replace")
        problem = Problem(name, position, message, hint, code=Code.INVALID_ENCODING)
        raise ProblemsFound([problem], {name: text}) from None


def _character_problem(name: str, text: str, error: yaml.reader.ReaderError) -> Problem:
    """Return the problem of a character that YAML does not allow."""
    # One of the two readers of PyYAML reports a string, the other one a number.
    character = error.character if isinstance(error.character, str) else chr(error.character)
    before = text.partition(character)[0]
    position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    message = f"character U+{ord(character):04X} is not allowed in YAML"
    hint = "remove it, or write it as an escape sequence"
    return Problem(name, position, message, hint, code=Code.INVALID_ENCODING)


def position_of(mark: Any) -> Position | None:
    """Return the position of a mark of PyYAML, which counts from 0; None without a mark."""
    return Position(mark.line + 1, mark.column + 1) if mark else None


def _conflict(name: str, text: str) -> Problem | None:
    """Return the problem of markers that git leaves in a file with a merge conflict, if any."""
    marker = _CONFLICT.search(text)
    if marker is None:
        return None
    message = "the file has an unresolved merge conflict"
    hint = "keep one version of the lines, and remove the lines with <<<<<<<, ======= and >>>>>>>"
    position = Position(text.count("\n", 0, marker.start()) + 1, 1, len(marker[0]))
    return Problem(name, position, message, hint, code=Code.YAML_SYNTAX)


def _unclosed(name: str, text: str, error: yaml.MarkedYAMLError) -> Problem | None:
    """Return the problem of a bracket or quote that is not closed on its line, if any."""
    start, end = error.context_mark, error.problem_mark
    if start is None or end is None or not text:
        return None
    opening = _line(text, start)[start.column : start.column + 1]
    closing = _CLOSING.get(opening)
    in_it = str(error.context).startswith(("while parsing a flow", "while scanning a quoted"))
    if (
        closing is None
        or not in_it
        or (start.line == end.line and end.column < len(_line(text, end)))
    ):
        return None
    message = f"{opening} is not closed"
    hint = f"add {closing} before line {end.line + 1}"
    if start.line == end.line or end.line >= text.rstrip().count("\n") + 1:
        hint = f"add {closing}"
    return Problem(name, position_of(start), message, hint, code=Code.YAML_SYNTAX)


def _line(text: str, mark: Any) -> str:
    """Return the line of a mark."""
    number: int = mark.line
    return [*text.splitlines(), ""][min(number, text.count("\n"))]


def syntax_problem(name: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    """Return the problem of an error of the YAML scanner or parser."""
    found = _conflict(name, text) or _unclosed(name, text, error)
    if found is not None:
        return found
    mark = error.problem_mark or error.context_mark
    reasons = [reason for reason in (error.context, error.problem) if reason]
    message, hint, code = f"invalid YAML: {', '.join(reasons)}", "", Code.YAML_SYNTAX
    if error.problem == _TOO_DEEP:
        message, code = _NESTING, Code.NESTING_TOO_DEEP
    if mark is None:
        return Problem(name, None, message, code=code)
    position = position_of(mark)
    line = _line(text, mark)
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation or line[mark.column : mark.column + 1] == "\t":
        message, hint = "YAML does not allow tabs for indentation", "use spaces"
    return Problem(name, position, message, hint, code=code)


@dataclass
class _Frame:
    """A mapping or sequence that is not complete yet."""

    path: Path
    container: dict[str, Any] | list[Any]
    key: str | None = None
    """The key whose value is the next event; None if a key is next, or in a sequence."""
    dropped: bool = False
    """The key was rejected: its value is discarded."""


class _Builder:
    """Builds values from YAML events; collects problems and continues."""

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
        """Process all events of a stream."""
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    message = "file contains several YAML documents"
                    hint = "keep one, without '---'"
                    self._report(event, Code.UNSUPPORTED_YAML, message, hint)
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

    def _report(self, event: yaml.Event, code: Code, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.name, _position(event), message, hint, code=code))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._take_key(frame, event)
            return
        if event.tag not in _STRING_TAGS:
            self._report(
                event, Code.UNSUPPORTED_YAML, f"unsupported tag {event.tag!r}", "remove it"
            )
        plain = not event.style and event.tag is None
        path = self._add(event, plain_value(event.value) if plain else event.value)
        if plain:
            self.written[path] = event.value

    def _alias(self, event: yaml.AliasEvent) -> None:
        message, hint = "anchors and aliases are not supported", "repeat the value"
        self._report(event, Code.UNSUPPORTED_YAML, message, hint)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            # The alias is a key: discard the value that follows.
            frame.key, frame.dropped = "", True
        else:
            self._add(event, None)

    def _take_key(self, frame: _Frame, event: yaml.ScalarEvent) -> None:
        frame.key = event.value
        path = (*frame.path, event.value)
        frame.dropped = event.value in frame.container
        if event.value == "<<" and not event.style:
            message, hint = "merge keys and anchors are not supported", "repeat the keys"
            self._report(event, Code.UNSUPPORTED_YAML, message, hint)
        if frame.dropped:
            first = self.keys[path].line
            message = f"duplicate key {event.value!r} (first defined on line {first})"
            self._report(event, Code.DUPLICATE_KEY, message, "remove one of them")
        else:
            self.keys[path] = _position(event)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> bool:
        """Start a mapping or sequence; return False if parsing cannot continue."""
        frame = self._stack[-1] if self._stack else None
        if len(self._stack) >= MAX_DEPTH:
            self._report(event, Code.NESTING_TOO_DEEP, _NESTING)
            return False
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            message, hint = "a key must be a string", "write 'key: value'"
            self._report(event, Code.UNSUPPORTED_YAML, message, hint)
            return False
        if event.tag is not None and event.tag != "!":
            self._report(
                event, Code.UNSUPPORTED_YAML, f"unsupported tag {event.tag!r}", "remove it"
            )
        container: dict[str, Any] | list[Any]
        container = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._add(event, container)
        self._stack.append(_Frame(path, container))
        return True

    def _add(self, event: yaml.Event, value: Any) -> Path:
        """Add a value to its parent; return its path."""
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
    """Return the value of an unquoted scalar: a string unless it is clearly something else."""
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
    """Return the start of an event, and its width if it ends on the same line."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Position(1, 1)
    width = end.column - start.column if end.line == start.line else 1
    return Position(start.line + 1, start.column + 1, max(1, width))
