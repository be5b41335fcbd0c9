# SPDX-License-Identifier: Apache-2.0
"""JSON Schema on documents: problems that people understand, and defaults filled in.

Beside the standard keywords a schema may carry ``rule``: the sentence to say when ``pattern`` or
``format`` does not hold.
"""

import copy
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from heatgen.document import Document, Path, dotted
from heatgen.problems import Problem, did_you_mean

Schema = Mapping[str, Any]

_KINDS = {
    "string": "text", "integer": "a whole number", "number": "a number",
    "boolean": "true or false", "object": "a mapping", "array": "a list", "null": "empty",
}  # fmt: skip
_FORMATS = jsonschema.FormatChecker(formats=())


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


def check(document: Document, schema: Schema) -> list[Problem]:
    """Every way in which a document breaks a schema, each at its place."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=_FORMATS)
    return [problem for error in _leaves(validator, document.data)
            for problem in _explain(document, error)]  # fmt: skip


def check_value(value: Any, schema: Schema) -> str:
    """Why a value breaks a schema, in one line; empty if it does not."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=_FORMATS)
    return "; ".join(error.message for error in validator.iter_errors(value))


def filled(value: Any, schema: Schema) -> Any:
    """A copy of a value with the schema's defaults where nothing was written."""
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


def _leaves(validator: Validator, value: Any) -> Iterator[jsonschema.ValidationError]:
    """The errors that matter: of alternatives, those of the one that fits best."""
    for error in validator.iter_errors(value):
        if error.validator in {"anyOf", "oneOf"} and error.context:
            yield jsonschema.exceptions.best_match([error]) or error
        else:
            yield error


def _explain(document: Document, error: jsonschema.ValidationError) -> list[Problem]:
    """One schema error as problems in our words."""
    path: Path = tuple(error.absolute_path)
    explain = {
        "additionalProperties": _unknown_keys, "required": _missing_keys, "type": _wrong_type,
        "enum": _not_in_list,
    }.get(str(error.validator))  # fmt: skip
    if explain is not None:
        return explain(document, path, error)
    rule = str(error.schema.get("rule", "")) if isinstance(error.schema, dict) else ""
    if rule and error.validator in {"pattern", "format", "propertyNames", "minLength"}:
        message = f"{_name(path)} {rule}, not {_shown(error.instance)}"
    else:
        message = f"{_name(path)}: {error.message}"
    return [document.problem(path, message)]


def _unknown_keys(
    document: Document, path: Path, error: jsonschema.ValidationError
) -> list[Problem]:
    known = error.schema.get("properties", {})
    return [
        document.problem(
            (*path, key),
            f"{dotted((*path, key))} is not known here",
            did_you_mean(key, known),
            key=True,
        )
        for key in error.instance
        if key not in known
    ]


def _missing_keys(
    document: Document, path: Path, error: jsonschema.ValidationError
) -> list[Problem]:
    key = next(key for key in error.validator_value if key not in error.instance
               and f"'{key}'" in error.message)  # fmt: skip
    part = error.schema.get("properties", {}).get(key, {})
    hint = str(part.get("description", ""))
    return [document.problem(path, f"{dotted((*path, key))} is missing", hint, key=bool(path))]


def _wrong_type(document: Document, path: Path, error: jsonschema.ValidationError) -> list[Problem]:
    wanted = error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if error.instance is None and path:
        message = f"{_name(path)} is empty"
        return [document.problem(path, message, f"write {_either(names)}, or remove the key")]
    message = f"{_name(path)} must be {_either(names)}, not {_kind(error.instance)}"
    written = document.written.get(path)
    hint = ""
    if "string" in names and written is not None:
        hint = f"put it in quotes: '{written}'"
    elif "boolean" in names and str(error.instance).lower() in {"yes", "no", "on", "off"}:
        hint = "write true or false"
    elif not path:
        hint = "begin with 'name: NAME'"
    return [document.problem(path, message, hint)]


def _not_in_list(
    document: Document, path: Path, error: jsonschema.ValidationError
) -> list[Problem]:
    choices = [str(choice) for choice in error.validator_value]
    hint = did_you_mean(str(error.instance), choices)
    return [document.problem(path, f"{_name(path)}: {_shown(error.instance)} is not known", hint)]


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
