# SPDX-License-Identifier: Apache-2.0
"""JSON Schema validation of documents with readable messages, and defaults.

Patterns have the meaning of JSON Schema: ``$`` is the end of the text, not of its last line. No key
or value may contain control characters. Besides the standard keywords a schema may have:

``rule``
    the message if ``pattern`` or ``not`` is violated, after the key: "must be ...";
``hint``
    what to write, if a value is wrong and nothing better can be suggested;
``elsewhere``
    next to ``properties``: keys that are not defined here, each with a hint;
``shorthand``
    next to ``properties``: the key that a value instead of the mapping probably means;
``multiline``
    texts of this part may have several lines;
``sensitive``
    the value may contain a secret by mistake: no message shows it.
"""

import copy
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from heatgen.yamlio import explain
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.explain import Failure
from heatgen.yamlio.formats import FORMATS, Invalid
from heatgen.yamlio.problems import Problem
from heatgen.yamlio.text import unsafe_character

Schema = Mapping[str, Any]

_CHECKER = jsonschema.FormatChecker(formats=())
_DOLLAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\$)", re.DOTALL)


def _pattern(_: Any, pattern: str, value: object, __: Schema) -> Iterator[Any]:
    """Check a pattern; Python's ``$`` would also match before a line feed at the end."""
    if isinstance(value, str) and not _compiled(pattern).search(value):
        yield jsonschema.ValidationError("pattern")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_DOLLAR.sub(lambda found: r"\Z" if found[1] else found[0], pattern))


# JSON Schema accepts 2.0 as an integer; this validator does not.
_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def _register(name: str) -> None:
    @_CHECKER.checks(name, raises=Invalid)
    def _matches(value: object) -> bool:
        if isinstance(value, str):
            FORMATS[name](value)
        return True


for _name in FORMATS:
    _register(_name)


def check(document: Document, schema: Schema) -> list[Problem]:
    """Return every violation of a schema by a document."""
    problems = []
    unsafe: set[Path] = set()
    for text in _texts(document.data, schema):
        character = unsafe_character(text.text, multiline=text.multiline)
        if character:
            unsafe.add(text.path)
            problems.append(_control_character(document, text, character))
    for failure in _failures(schema, document.data):
        # One cause, one problem.
        if failure.path not in unsafe:
            problems += explain.problems(document, failure)
    return problems


def check_value(value: Any, schema: Schema) -> str:
    """Return why a value violates a schema, in one line; '' if it does not."""
    document = Document(name="", text="", data=value, keys={}, values={})
    return "; ".join(problem.message for problem in check(document, schema))


def nullable(schema: Schema) -> dict[str, Any]:
    """Return a schema that also accepts null."""
    result = dict(schema)
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        result["type"] = [*kinds, "null"]
    if "anyOf" in schema:
        result["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return result


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


@dataclass(frozen=True)
class _Text:
    """A key or a string of a document."""

    path: Path
    text: str
    key: bool
    multiline: bool
    sensitive: bool


def _texts(value: Any, schema: Schema, path: Path = (), multiline: bool = False) -> Iterator[_Text]:
    """Yield every key and string with its path, the keys with that of their value."""
    multiline = multiline or schema.get("multiline", False)
    if isinstance(value, str):
        yield _Text(path, value, False, multiline, schema.get("sensitive", False))
    elif isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            part = properties.get(key, other)
            yield _Text((*path, key), key, True, False, False)
            yield from _texts(
                item, part if isinstance(part, Mapping) else {}, (*path, key), multiline
            )
    elif isinstance(value, list):
        first, rest = schema.get("prefixItems", ()), schema.get("items")
        for number, item in enumerate(value):
            part = first[number] if number < len(first) else rest
            yield from _texts(
                item, part if isinstance(part, Mapping) else {}, (*path, number), multiline
            )


def _control_character(document: Document, text: _Text, character: str) -> Problem:
    name = "a key" if text.key else dotted(text.path) or "the file"
    if character == "\n" and text.text.find("\n") == len(text.text) - 1:
        message = f"{name} ends with a line break"
        hint = "write it on one line without '|' or '>'; these add a line break unless '-' follows"
    elif character == "\n":
        message, hint = f"{name} must be one line", "remove the line breaks"
    else:
        message, hint = f"{name} contains the control character U+{ord(character):04X}", "remove it"
    return document.problem(
        text.path,
        message,
        hint,
        key=text.key,
        code=Code.CONTROL_CHARACTER,
        sensitive=text.sensitive,
    )


def _failures(schema: Schema, value: Any) -> Iterator[Failure]:
    """Yield the violations; for alternatives (``anyOf``), only that of the best match."""
    validator = _Validator(schema, format_checker=_CHECKER)

    def valid(candidate: Any, part: Schema) -> bool:
        return bool(validator.evolve(schema=part).is_valid(candidate))

    for error in validator.iter_errors(value):
        best = error
        if error.validator in {"anyOf", "oneOf"} and error.context:
            best = jsonschema.exceptions.best_match([error]) or error
        path: Path = tuple(best.absolute_path)
        key = "propertyNames" in list(best.absolute_schema_path)[-3:-1]
        yield Failure(
            path=(*path, best.instance) if key else path,
            key=key,
            keyword=str(best.validator),
            expected=best.validator_value,
            part=best.schema if isinstance(best.schema, dict) else {},
            value=best.instance,
            message=best.message,
            cause=best.cause if isinstance(best.cause, Invalid) else None,
            valid=valid,
        )
