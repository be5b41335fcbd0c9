# SPDX-License-Identifier: Apache-2.0
"""JSON Schema validation of documents with readable messages, and defaults.

Besides the standard keywords a schema may have ``rule``: the message if ``pattern`` or ``format``
does not match. Next to ``properties`` it may have ``elsewhere``: keys that are not defined here,
each with a hint where they are defined.
"""

import copy
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem, did_you_mean

Schema = Mapping[str, Any]

_TYPES = {
    "string": "a string", "integer": "an integer", "number": "a number",
    "boolean": "true or false", "object": "a mapping", "array": "a list", "null": "null",
}  # fmt: skip
_CODES = {
    "const": Code.VALUE_NOT_ALLOWED,
    "pattern": Code.INVALID_FORMAT,
    "format": Code.INVALID_FORMAT,
    "minimum": Code.OUT_OF_RANGE,
    "maximum": Code.OUT_OF_RANGE,
    "minLength": Code.INVALID_LENGTH,
    "maxLength": Code.INVALID_LENGTH,
    "maxItems": Code.INVALID_LENGTH,
    "uniqueItems": Code.DUPLICATE_ITEM,
}
"""Codes of keywords that have no function in ``_EXPLAIN``."""
_FORMAT_RULES = {
    "cidr": "must be an IPv4 network such as 10.0.0.0/24",
    "ipv4": "must be an IPv4 address",
}
_FORMATS = jsonschema.FormatChecker(formats=())
# JSON Schema accepts 2.0 as an integer; this validator does not.
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@_FORMATS.checks("cidr", raises=ValueError)
def _is_cidr(value: object) -> bool:
    """Return whether a string is an IPv4 network in CIDR notation without host bits."""
    if isinstance(value, str):
        if "/" not in value:
            return False
        ipaddress.IPv4Network(value)
    return True


@_FORMATS.checks("ipv4", raises=ValueError)
def _is_ipv4(value: object) -> bool:
    """Return whether a string is an IPv4 address."""
    if isinstance(value, str):
        ipaddress.IPv4Address(value)
    return True


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """One violation of a schema."""

    path: Path
    keyword: str
    """The violated keyword, such as ``type``."""
    expected: Any
    """The value of the keyword."""
    part: Schema
    """The subschema with the keyword."""
    value: Any
    message: str


def check(document: Document, schema: Schema) -> list[Problem]:
    """Return every violation of a schema by a document."""
    problems: list[Problem] = []
    for failure in _failures(schema, document.data):
        problems += _EXPLAIN.get(failure.keyword, _broken_rule)(document, failure)
    return problems


def check_value(value: Any, schema: Schema) -> str:
    """Return why a value violates a schema, in one line; '' if it does not."""
    validator = _Validator(schema, format_checker=_FORMATS)
    return "; ".join(error.message for error in validator.iter_errors(value))


def filled(value: Any, schema: Schema) -> Any:
    """Return a copy of a value with the schema's defaults for keys that are not set."""
    if isinstance(value, list) and "prefixItems" in schema:
        return [filled(*pair) for pair in zip(value, schema["prefixItems"], strict=True)]
    properties = schema.get("properties")
    if not properties or not isinstance(value, dict):
        return copy.deepcopy(value)
    result = copy.deepcopy(value)
    for name, part in properties.items():
        if result.get(name) is None:
            if "default" in part:
                result[name] = copy.deepcopy(part["default"])
            elif "properties" in part:
                result[name] = {}
        if name in result:
            result[name] = filled(result[name], part)
    return result


def _failures(schema: Schema, value: Any) -> Iterator[_Failure]:
    """Yield the violations; for alternatives (``anyOf``), only that of the best match."""
    validator = _Validator(schema, format_checker=_FORMATS)
    for error in validator.iter_errors(value):
        best = error
        if error.validator in {"anyOf", "oneOf"} and error.context:
            best = jsonschema.exceptions.best_match([error]) or error
        yield _Failure(
            path=tuple(best.absolute_path),
            keyword=str(best.validator),
            expected=best.validator_value,
            part=best.schema if isinstance(best.schema, dict) else {},
            value=best.instance,
            message=best.message,
        )


def _broken_rule(document: Document, failure: _Failure) -> list[Problem]:
    name = _name(failure.path)
    code = _CODES.get(failure.keyword, Code.SCHEMA_VIOLATION)
    if code != Code.INVALID_FORMAT:
        return [document.problem(failure.path, f"{name}: {failure.message}", code=code)]
    rule, hint = failure.part.get("rule", ""), ""
    if not rule and failure.keyword == "format":
        rule = _FORMAT_RULES.get(failure.expected, f"must have the format {failure.expected}")
    elif not rule:
        rule, hint = f"must match {failure.expected}", failure.part.get("description", "")
    message = f"{name} {rule}, not {_shown(failure.value)}"
    return [document.problem(failure.path, message, hint, code=code)]


def _unknown_keys(document: Document, failure: _Failure) -> list[Problem]:
    known = failure.part.get("properties", {})
    elsewhere = failure.part.get("elsewhere", {})
    problems = []
    for key in failure.value:
        if key not in known:
            path = (*failure.path, key)
            hint = elsewhere.get(key) or did_you_mean(str(key), known)
            message = f"unknown key {dotted(path)}"
            problem = document.problem(path, message, hint, key=True, code=Code.UNKNOWN_KEY)
            problems.append(problem)
    return problems


def _missing_keys(document: Document, failure: _Failure) -> list[Problem]:
    # jsonschema reports each key separately, but names it only in the message.
    key = next(key for key in failure.expected if failure.message.startswith(repr(key)))
    hint = failure.part.get("properties", {}).get(key, {}).get("description", "")
    message = f"{dotted((*failure.path, key))} is required"
    at_key = bool(failure.path)
    return [document.problem(failure.path, message, hint, key=at_key, code=Code.MISSING_KEY)]


def _wrong_type(document: Document, failure: _Failure) -> list[Problem]:
    path, value = failure.path, failure.value
    names = [failure.expected] if isinstance(failure.expected, str) else failure.expected
    if value is None and path:
        hint = f"set {_either(names)}, or remove the key"
        return [document.problem(path, f"{_name(path)} is empty", hint, code=Code.EMPTY_VALUE)]
    hint = ""
    if "string" in names and path in document.written:
        hint = f"put it in quotes: '{document.written[path]}'"
    elif "boolean" in names and str(value).lower() in {"yes", "no", "on", "off"}:
        hint = "write true or false"
    elif not path:
        hint = "start with 'name: NAME'"
    message = f"{_name(path)} must be {_either(names)}, not {_type(value)}"
    return [document.problem(path, message, hint, code=Code.WRONG_TYPE)]


def _too_few(document: Document, failure: _Failure) -> list[Problem]:
    items = "item" if failure.expected == 1 else "items"
    message = f"{_name(failure.path)} must have at least {failure.expected} {items}"
    return [document.problem(failure.path, message, code=Code.INVALID_LENGTH)]


def _not_in_list(document: Document, failure: _Failure) -> list[Problem]:
    choices = [str(choice) for choice in failure.expected]
    message = f"{_name(failure.path)}: unsupported value {_shown(failure.value)}"
    hint = did_you_mean(str(failure.value), choices)
    return [document.problem(failure.path, message, hint, code=Code.VALUE_NOT_ALLOWED)]


_EXPLAIN: dict[str, Callable[[Document, _Failure], list[Problem]]] = {
    "additionalProperties": _unknown_keys,
    "enum": _not_in_list,
    "minItems": _too_few,
    "minProperties": _too_few,
    "required": _missing_keys,
    "type": _wrong_type,
}


def _name(path: Path) -> str:
    return dotted(path) or "the file"


def _either(names: list[str]) -> str:
    return " or ".join(_TYPES.get(name, name) for name in names)


def _type(value: Any) -> str:
    """Return the type of a mapping, list or null, else the value."""
    types = {dict: "a mapping", list: "a list", type(None): "empty"}
    return types.get(type(value)) or _shown(value)


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
