# SPDX-License-Identifier: Apache-2.0
"""Messages and hints for violations of a schema.

A hint shows the right form: the value as it was probably meant, if the schema accepts it, else an
example of the schema (``hint``), its rule or its description.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted, plain_value
from heatgen.yamlio.formats import Invalid
from heatgen.yamlio.problems import Problem, did_you_mean
from heatgen.yamlio.text import may_be_secret

_TYPES = {
    "string": "a string", "integer": "an integer", "number": "a number",
    "boolean": "true or false", "object": "a mapping", "array": "a list", "null": "null",
}  # fmt: skip
_PLAIN = re.compile(r"[\w./:@=+-]+\Z")
_MAX_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One violation of a schema."""

    path: Path
    key: bool
    """The key is wrong, not its value."""
    keyword: str
    """The violated keyword, such as ``type``."""
    expected: Any
    """The value of the keyword."""
    part: Mapping[str, Any]
    """The subschema with the keyword."""
    value: Any
    message: str
    """The message of jsonschema, which names missing keys."""
    cause: Invalid | None
    """The reason, if the keyword is ``format``."""
    valid: Callable[[Any, Mapping[str, Any]], bool]
    """Whether a value matches a subschema."""

    @property
    def name(self) -> str:
        """Return the key as text."""
        return dotted(self.path) or "the file"

    @property
    def sensitive(self) -> bool:
        """Return whether the value may be a secret."""
        return bool(self.part.get("sensitive")) or may_be_secret(str(self.value))

    @property
    def but(self) -> str:
        """Return ', not VALUE', or '' if the value may be a secret."""
        return "" if self.sensitive else f", not {_type(self.value)}"

    def problem(self, document: Document, message: str, hint: str, code: Code) -> Problem:
        """Return the problem at the place of the violation."""
        return document.problem(
            self.path, message, hint, key=self.key, code=code, sensitive=self.sensitive
        )


def problems(document: Document, failure: Failure) -> list[Problem]:
    """Return the problems of one violation."""
    return _EXPLAIN.get(failure.keyword, _other)(document, failure)


def _other(document: Document, failure: Failure) -> list[Problem]:
    expected = json.dumps(failure.expected, default=str)
    message = f"{failure.name} violates the rule {failure.keyword}: {_cut(expected)}"
    if failure.part.get("rule"):
        message = f"{failure.name} {failure.part['rule']}{failure.but}"
    hint = failure.part.get("hint") or failure.part.get("description", "")
    return [failure.problem(document, message, hint, Code.SCHEMA_VIOLATION)]


def _constant(document: Document, failure: Failure) -> list[Problem]:
    message = f"{failure.name} must be {_shown(failure.expected)}{failure.but}"
    return [failure.problem(document, message, "", Code.VALUE_NOT_ALLOWED)]


def _wrong_format(document: Document, failure: Failure) -> list[Problem]:
    cause = failure.cause or Invalid(f"must have the format {failure.expected}")
    message = f"{failure.name} {cause.reason}{failure.but}"
    hint = cause.hint or failure.part.get("hint", "")
    return [failure.problem(document, message, hint, cause.code)]


def _wrong_pattern(document: Document, failure: Failure) -> list[Problem]:
    rule = failure.part.get("rule", "")
    subject = f"{dotted(failure.path[:-1])}: each key" if failure.key else failure.name
    hint = _first_valid(failure, _corrections(failure.value)) or failure.part.get("hint", "")
    if not rule:
        rule = f"must match {failure.expected}"
        hint = hint or failure.part.get("description", "")
    return [failure.problem(document, f"{subject} {rule}{failure.but}", hint, Code.INVALID_FORMAT)]


def _out_of_range(document: Document, failure: Failure) -> list[Problem]:
    least = failure.keyword == "minimum"
    message = f"{failure.name} must be at {'least' if least else 'most'} {failure.expected}"
    hint = failure.part.get("hint", "")
    return [failure.problem(document, f"{message}{failure.but}", hint, Code.OUT_OF_RANGE)]


def _wrong_length(document: Document, failure: Failure) -> list[Problem]:
    unit = {"L": "character", "I": "item", "P": "key"}[failure.keyword[3]]
    units = unit if failure.expected == 1 else f"{unit}s"
    size = len(failure.value)
    if failure.keyword == "minLength" and not size:
        message, hint = f"{failure.name} is an empty string", failure.part.get("description", "")
    else:
        bound = "at least" if failure.keyword.startswith("min") else "at most"
        message = f"{failure.name} must have {bound} {failure.expected} {units}, not {size}"
        hint = failure.part.get("hint", "")
    return [failure.problem(document, message, hint, Code.INVALID_LENGTH)]


def _duplicate_items(document: Document, failure: Failure) -> list[Problem]:
    found = []
    for number, item in enumerate(failure.value):
        if item in failure.value[:number]:
            path = (*failure.path, number)
            first = failure.value.index(item)
            message = f"{dotted(path)} is the same as {dotted((*failure.path, first))}"
            code = Code.DUPLICATE_ITEM
            found.append(document.problem(path, message, "remove one of them", code=code))
    return found


def _unknown_keys(document: Document, failure: Failure) -> list[Problem]:
    known = failure.part.get("properties", {})
    elsewhere = failure.part.get("elsewhere", {})
    found = []
    for key in failure.value:
        if key not in known:
            path = (*failure.path, key)
            hint = elsewhere.get(key) or did_you_mean(str(key), known)
            hint = hint or failure.part.get("hint", "")
            message = f"unknown key {_cut(dotted(path), 200)}"
            problem = document.problem(path, message, hint, key=True, code=Code.UNKNOWN_KEY)
            found.append(problem)
    return found


def _missing_keys(document: Document, failure: Failure) -> list[Problem]:
    # jsonschema reports each key separately, but names it only in the message.
    key = next(key for key in failure.expected if failure.message.startswith(repr(key)))
    hint = failure.part.get("properties", {}).get(key, {}).get("description", "")
    message = f"{dotted((*failure.path, key))} is required"
    at_key = bool(failure.path)
    return [document.problem(failure.path, message, hint, key=at_key, code=Code.MISSING_KEY)]


def _wrong_type(document: Document, failure: Failure) -> list[Problem]:
    names = [failure.expected] if isinstance(failure.expected, str) else failure.expected
    # Optional keys accept null, which is not worth mentioning.
    kinds = " or ".join(_TYPES.get(name, name) for name in names if name != "null")
    if failure.value is None and failure.path:
        hint = f"set {kinds}, or remove the key"
        message = f"{failure.name} is empty"
        return [failure.problem(document, message, hint, Code.EMPTY_VALUE)]
    message = f"{failure.name} must be {kinds}{failure.but}"
    hint = "" if failure.sensitive else _other_type(document, failure, names)
    hint = hint or failure.part.get("hint", "")
    return [failure.problem(document, message, hint, Code.WRONG_TYPE)]


def _other_type(document: Document, failure: Failure, names: list[str]) -> str:
    """Return a hint with the value in the right type, '' if no such value exists."""
    value, part = failure.value, failure.part
    scalar = not isinstance(value, dict | list)
    shorthand = part.get("shorthand")
    if scalar and shorthand and isinstance(failure.path[-1], str):
        inner = part["properties"][shorthand]
        right = failure.valid(value, inner)
        return f"write '{failure.path[-1]}: {{{shorthand}: {_yaml(value)}}}'" if right else ""
    if scalar and "array" in names:
        items = [value, f"{value}/32"]
        right = next((item for item in items if failure.valid([item], part)), value)
        return f"write a list: [{_yaml(right)}]"
    if "string" in names and failure.path in document.written:
        written = document.written[failure.path]
        # A number that is not valid as text either, such as a version with two parts.
        right = failure.valid(written, part)
        return f"put it in quotes: '{written}'" if right else str(part.get("rule", ""))
    if "boolean" in names and str(value).lower() in {"yes", "no", "on", "off"}:
        return "write true or false"
    if "integer" in names and isinstance(value, str):
        return _first_valid(failure, [plain_value(value.strip())], " without quotes")
    if isinstance(value, list) and len(value) == 1:
        return _first_valid(failure, value, " without brackets")
    return ""


def _not_in_list(document: Document, failure: Failure) -> list[Problem]:
    if failure.value is None and "type" in failure.part:
        return []  # the type is wrong, too
    choices = [str(choice) for choice in failure.expected]
    message = f"{failure.name}: unsupported value {_shown(failure.value)}"
    hint = did_you_mean(str(failure.value), choices)
    return [failure.problem(document, message, hint, Code.VALUE_NOT_ALLOWED)]


_EXPLAIN: dict[str, Callable[[Document, Failure], list[Problem]]] = {
    "additionalProperties": _unknown_keys,
    "const": _constant,
    "enum": _not_in_list,
    "format": _wrong_format,
    "maxItems": _wrong_length,
    "maxLength": _wrong_length,
    "maxProperties": _wrong_length,
    "maximum": _out_of_range,
    "minItems": _wrong_length,
    "minLength": _wrong_length,
    "minProperties": _wrong_length,
    "minimum": _out_of_range,
    "pattern": _wrong_pattern,
    "required": _missing_keys,
    "type": _wrong_type,
    "uniqueItems": _duplicate_items,
}


def _corrections(text: str) -> Iterator[str]:
    """Yield what a text could have been meant as."""
    plain = text.strip()
    for candidate in (plain, plain.removeprefix("v"), plain.lower()):
        yield candidate
        yield candidate.replace("_", "-")


def _first_valid(failure: Failure, candidates: Any, how: str = "") -> str:
    """Return a hint with the first candidate that the schema accepts, '' if it accepts none."""
    for candidate in candidates:
        if candidate in (failure.value, "") or len(str(candidate)) > _MAX_SHOWN:
            continue
        if not may_be_secret(str(candidate)) and failure.valid(candidate, failure.part):
            return f"write {_yaml(candidate)}{how}"
    return ""


def _yaml(value: Any) -> str:
    """Return a scalar as it can be written in YAML."""
    if not isinstance(value, str):
        return _shown(value)
    plain = _PLAIN.match(value) and isinstance(plain_value(value), str)
    return _cut(value) if plain else _shown(value)


def _type(value: Any) -> str:
    """Return the type of a mapping, list or null, else the value."""
    types = {dict: "a mapping", list: "a list", type(None): "empty"}
    return types.get(type(value)) or _shown(value)


def _shown(value: Any) -> str:
    if may_be_secret(str(value)):
        return "the value"
    return _cut(str(value).lower() if isinstance(value, bool) else repr(value))


def _cut(text: str, length: int = _MAX_SHOWN) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
