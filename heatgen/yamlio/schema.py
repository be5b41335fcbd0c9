# SPDX-License-Identifier: Apache-2.0
"""JSON Schema on documents: problems that people understand, and defaults filled in.

Beside the standard keywords a schema may carry ``rule``: the sentence to say when ``pattern`` or
``format`` does not hold. Beside ``properties`` it may carry ``elsewhere``: keys that are not known
here, with the sentence that says where they are.
"""

import copy
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem, did_you_mean

Schema = Mapping[str, Any]

_KINDS = {
    "string": "text", "integer": "a whole number", "number": "a number",
    "boolean": "true or false", "object": "a mapping", "array": "a list", "null": "empty",
}  # fmt: skip
_FORMAT_RULES = {
    "cidr": "must be an IPv4 network such as 10.0.0.0/24",
    "ipv4": "must be an IPv4 address",
}
_FORMATS = jsonschema.FormatChecker(formats=())
# JSON Schema takes 2.0 for a whole number; what counts things here must be written as one.
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@_FORMATS.checks("cidr", raises=ValueError)
def _is_cidr(value: object) -> bool:
    """An IPv4 network in CIDR notation without host bits."""
    if isinstance(value, str):
        if "/" not in value:
            return False
        ipaddress.IPv4Network(value)
    return True


@_FORMATS.checks("ipv4", raises=ValueError)
def _is_ipv4(value: object) -> bool:
    """An IPv4 address."""
    if isinstance(value, str):
        ipaddress.IPv4Address(value)
    return True


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """One way in which a value breaks a schema."""

    path: Path
    keyword: str
    """The schema's keyword that does not hold, such as ``type``."""
    wanted: Any
    """What the keyword asks for."""
    part: Schema
    """The part of the schema that the keyword stands in."""
    value: Any
    message: str


def check(document: Document, schema: Schema) -> list[Problem]:
    """Every way in which a document breaks a schema, each at its place."""
    problems: list[Problem] = []
    for failure in _failures(schema, document.data):
        problems += _EXPLAIN.get(failure.keyword, _broken_rule)(document, failure)
    return problems


def check_value(value: Any, schema: Schema) -> str:
    """Why a value breaks a schema, in one line; empty if it does not."""
    validator = _Validator(schema, format_checker=_FORMATS)
    return "; ".join(error.message for error in validator.iter_errors(value))


def filled(value: Any, schema: Schema) -> Any:
    """A copy of a value with the schema's defaults where nothing was written."""
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
    """The failures that matter: of alternatives, those of the one that fits best."""
    validator = _Validator(schema, format_checker=_FORMATS)
    for error in validator.iter_errors(value):
        best = error
        if error.validator in {"anyOf", "oneOf"} and error.context:
            best = jsonschema.exceptions.best_match([error]) or error
        yield _Failure(
            path=tuple(best.absolute_path),
            keyword=str(best.validator),
            wanted=best.validator_value,
            part=best.schema if isinstance(best.schema, dict) else {},
            value=best.instance,
            message=best.message,
        )


def _broken_rule(document: Document, failure: _Failure) -> list[Problem]:
    name = _name(failure.path)
    if failure.keyword not in {"pattern", "format"}:
        return [document.problem(failure.path, f"{name}: {failure.message}")]
    rule, hint = failure.part.get("rule", ""), ""
    if not rule and failure.keyword == "format":
        rule = _FORMAT_RULES.get(failure.wanted, f"must be of the form {failure.wanted}")
    elif not rule:
        rule, hint = f"must match {failure.wanted}", failure.part.get("description", "")
    message = f"{name} {rule}, not {_shown(failure.value)}"
    return [document.problem(failure.path, message, hint)]


def _unknown_keys(document: Document, failure: _Failure) -> list[Problem]:
    known = failure.part.get("properties", {})
    elsewhere = failure.part.get("elsewhere", {})
    problems = []
    for key in failure.value:
        if key not in known:
            path = (*failure.path, key)
            hint = elsewhere.get(key) or did_you_mean(str(key), known)
            problem = document.problem(path, f"{dotted(path)} is not known here", hint, key=True)
            problems.append(problem)
    return problems


def _missing_keys(document: Document, failure: _Failure) -> list[Problem]:
    # One failure for each key: its name stands in the message only.
    key = next(key for key in failure.wanted if failure.message.startswith(repr(key)))
    hint = failure.part.get("properties", {}).get(key, {}).get("description", "")
    message = f"{dotted((*failure.path, key))} is missing"
    return [document.problem(failure.path, message, hint, key=bool(failure.path))]


def _wrong_type(document: Document, failure: _Failure) -> list[Problem]:
    path, value = failure.path, failure.value
    names = [failure.wanted] if isinstance(failure.wanted, str) else failure.wanted
    if value is None and path:
        hint = f"write {_either(names)}, or remove the key"
        return [document.problem(path, f"{_name(path)} is empty", hint)]
    hint = ""
    if "string" in names and path in document.written:
        hint = f"put it in quotes: '{document.written[path]}'"
    elif "boolean" in names and str(value).lower() in {"yes", "no", "on", "off"}:
        hint = "write true or false"
    elif not path:
        hint = "begin with 'name: NAME'"
    message = f"{_name(path)} must be {_either(names)}, not {_kind(value)}"
    return [document.problem(path, message, hint)]


def _too_few(document: Document, failure: _Failure) -> list[Problem]:
    message = f"{_name(failure.path)} must have at least {failure.wanted}"
    return [document.problem(failure.path, message)]


def _not_in_list(document: Document, failure: _Failure) -> list[Problem]:
    choices = [str(choice) for choice in failure.wanted]
    message = f"{_name(failure.path)}: {_shown(failure.value)} is not known"
    return [document.problem(failure.path, message, did_you_mean(str(failure.value), choices))]


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
    return " or ".join(_KINDS.get(name, name) for name in names)


def _kind(value: Any) -> str:
    """What a value is, with the value where it is short."""
    kinds = {dict: "a mapping", list: "a list", type(None): "empty"}
    return kinds.get(type(value)) or _shown(value)


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
