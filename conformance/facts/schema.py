# SPDX-License-Identifier: Apache-2.0
"""The format of facts files as JSON schema and reference page, generated from the dataclasses.

Pure; the suite itself does not use it.
"""

import ast
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from conformance.facts.model import FORMAT, Facts
from conformance.outcome import Unavailable

PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any JSON"}
KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}

HEAD = f"""\
.. SPDX-License-Identifier: Apache-2.0
.. Generated from the suite's dataclasses; a test compares it with them.

===========
Facts files
===========

A facts file is written by ``pytest conformance/ --save-facts FILE`` and evaluated by
``--replay FILE``. It is one JSON object, `Facts`_, compressed with gzip if the file name ends in
``.gz``. ``facts.schema.json`` in the same directory is the JSON schema. This is format {FORMAT}.

* Within a format, keys are only added. Checks are skipped if they need a key that a recording does
  not have. A key that the suite does not know is an error: a later version made the recording.
* A file of another format is rejected.
* A value that could not be read is replaced by `Unavailable`_. ``null`` means that the object does
  not exist.
* Times are in milliseconds unless a name has another unit, sizes in bytes.
* Facts contain addresses, names, states and sizes; never a key, the body of a certificate, a token
  or the value of a Secret. A test searches all recordings of this repository for texts that look
  like one, and ``lab/lab fault --publish`` for every secret of the cluster that was recorded.
"""


def schema() -> dict[str, Any]:
    """Return the JSON schema of a facts file."""
    definitions = {kind.__name__: _object(kind) for kind in kinds()}
    definitions["Facts"]["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Facts about a cluster, format {FORMAT}",
        "$ref": "#/$defs/Facts",
        "$defs": dict(sorted(definitions.items())),
    }


def page() -> str:
    """Return the reference page as reStructuredText."""
    return "\n".join([HEAD, *(_section(kind) for kind in kinds())])


def kinds() -> list[type]:
    """Return all dataclasses of facts, ``Facts`` first, each before the types of its fields."""
    found: list[type] = [Facts]
    for kind in found:
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            found += [part for part in _parts(hints[field.name]) if part not in found]
    return found


@functools.cache
def attribute_docs(kind: type) -> dict[str, str]:
    """Return the string literals that follow the attributes of a class."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for attribute, following in pairwise(definition.body):
        match attribute, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = inspect.cleandoc(text)
    return docs


def _parts(hint: Any) -> Iterator[type]:
    """Yield the dataclasses in a type."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _parts(argument)


def _section(kind: type) -> str:
    hints = typing.get_type_hints(kind)
    lines = [kind.__name__, "-" * len(kind.__name__), "", inspect.cleandoc(kind.__doc__ or ""), ""]
    lines += [".. list-table::", "   :widths: 20 30 50", ""]
    for field in dataclasses.fields(kind):
        text = " ".join(attribute_docs(kind).get(field.name, "").split())
        lines += [f"   * - ``{field.name}``", f"     - {_words(hints[field.name])}"]
        lines += [f"     - {text}".rstrip()]
    return "\n".join([*lines, ""])


def _words(hint: Any) -> str:
    """Describe a type."""
    if hint in PLAIN:
        return PLAIN[hint]
    arguments = typing.get_args(hint)
    if hint is type(None):
        return "null"
    if typing.get_origin(hint) is list:
        return f"list of {_words(arguments[0])}"
    if typing.get_origin(hint) is dict:
        return f"by name: {_words(arguments[1])}"
    if arguments:
        return ", or ".join(_words(each) for each in arguments)
    return f"`{hint.__name__}`_"


def _object(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    needed = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "properties": {
            field.name: _schema(hints[field.name]) | _description(kind, field.name)
            for field in fields
        },
        "required": ["unasked"] if kind is Unavailable else needed,
        "additionalProperties": False,
    }


def _description(kind: type, name: str) -> dict[str, str]:
    text = attribute_docs(kind).get(name)
    return {"description": " ".join(text.split())} if text else {}


def _schema(hint: Any) -> dict[str, Any]:
    if hint is Any:
        return {}
    if hint in KINDS:
        return {"type": KINDS[hint]}
    if hint is type(None):
        return {"type": "null"}
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(each) for each in arguments]}
    return {"$ref": f"#/$defs/{hint.__name__}"}
