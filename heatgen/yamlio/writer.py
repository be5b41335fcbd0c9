# SPDX-License-Identifier: Apache-2.0
"""Deterministic writer of readable YAML: block style, scripts as literal blocks.

It does not use a library because the bytes are compared (golden files, digests) and must not depend
on a library's version. Any YAML 1.1 or 1.2 parser reads the same values back.
"""

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*(?:::?[A-Za-z0-9_./+-]+)*\Z")
_LITERAL = re.compile(r"[\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]+\Z")
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def dump(value: Any) -> str:
    """Return mappings, lists, strings, numbers, booleans and None as YAML with a final newline."""
    lines: list[str] = []
    _emit(value, 0, "", lines)
    return "\n".join(lines) + "\n"


def _emit(value: Any, indent: int, lead: str, lines: list[str]) -> None:
    """Append a value; ``lead`` precedes it on its first line ('key:' or '-')."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        _emit_mapping(value, indent, lead, lines)
    elif isinstance(value, list | tuple) and value:
        if lead:
            lines.append(lead)
        for item in value:
            _emit(item, indent + 1, f"{pad}-", lines)
    elif isinstance(value, str) and "\n" in value and lead and _LITERAL.match(value):
        _emit_literal(value, indent, lead, lines)
    else:
        lines.append(f"{lead} {_scalar(value)}" if lead else _scalar(value))


def _emit_mapping(value: dict[str, Any], indent: int, lead: str, lines: list[str]) -> None:
    pad = "  " * indent
    if lead and not lead.endswith("-"):
        lines.append(lead)
    for number, (key, item) in enumerate(value.items()):
        # The first key of a mapping in a list follows the dash.
        start = f"{lead} " if number == 0 and lead.endswith("-") else pad
        _emit(item, indent + 1, f"{start}{_scalar(str(key))}:", lines)


def _emit_literal(text: str, indent: int, lead: str, lines: list[str]) -> None:
    """Append a literal block with the chomping indicator for its final newlines."""
    pad = "  " * indent
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    # A literal block needs text, and leading space would be parsed as indentation.
    if not body or body[0] in " \n\t":
        lines.append(f"{lead} {_quoted(text)}")
        return
    chomping = {0: "-", 1: ""}.get(trailing, "+")
    lines.append(f"{lead} |{chomping}")
    lines += [f"{pad}{line}" if line else "" for line in body.split("\n")]
    lines += [""] * (trailing - 1)


def _scalar(value: Any) -> str:
    """Return a value on one line; JSON's quoting is valid YAML."""
    if isinstance(value, str):
        if _PLAIN.match(value) and value.lower() not in _WORDS:
            return value
        return _quoted(value)
    if value is None or isinstance(value, bool | int | float | dict | list | tuple):
        return json.dumps(value)
    raise TypeError(f"cannot write {type(value).__name__} as YAML")


def _quoted(text: str) -> str:
    """Return a string in double quotes as in JSON, with one YAML escape for a surrogate pair."""
    return _PAIR.sub(_one_escape, json.dumps(text))


def _one_escape(match: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in match.groups())
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
