# SPDX-License-Identifier: Apache-2.0
"""The format of facts files, told by the dataclasses themselves: a JSON schema, a reference page.

Pure; nothing of the suite needs it to run.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any

from conformance.facts.model import FORMAT, Facts
from conformance.outcome import Unavailable

PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any JSON"}
KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}

HEAD = f"""\
.. SPDX-License-Identifier: Apache-2.0
.. Made from the suite's dataclasses; a test holds that it is what they say.

============
Facts' files
============

What ``pytest conformance/ --save-facts FILE`` keeps and ``--replay FILE`` judges: one JSON object,
`Facts`_, packed by gzip if the file's name ends in ``.gz``. ``facts.schema.json`` beside this page
is the same as a JSON schema. This is format {FORMAT}.

* Within a format, keys are only added. What an older recording lacks is taken as not recorded, and
  the checks that ask for it are skipped with that reason. A key that the suite does not know is an
  error: the recording is of a later suite.
* Another number of the format is refused, with both numbers.
* A value that could not be asked is an `Unavailable`_ in its place. ``null`` means that the node
  was asked and has no such thing.
* Times are in milliseconds unless a name says otherwise, sizes in bytes.
* There are addresses, names, states and sizes in it; never a key, a certificate's body, a token or
  the contents of a Secret. A test looks for what looks like one in all recordings of this
  repository, and ``lab/lab fault --publish`` for every real secret of the clusters they are of.
"""


def schema() -> dict[str, Any]:
    """The JSON schema of a facts file."""
    definitions = {kind.__name__: _object(kind) for kind in kinds()}
    definitions["Facts"]["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Facts about a cluster, format {FORMAT}",
        "$ref": "#/$defs/Facts",
        "$defs": dict(sorted(definitions.items())),
    }


def page() -> str:
    """The reference page, as reStructuredText."""
    return "\n".join([HEAD, *(_section(kind) for kind in kinds())])


def kinds() -> list[type]:
    """All dataclasses that facts are made of, `Facts` first, each before its parts."""
    found: list[type] = [Facts]
    for kind in found:
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            found += [part for part in _parts(hints[field.name]) if part not in found]
    return found


def _parts(hint: Any) -> Iterator[type]:
    """The dataclasses in a type."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for argument in typing.get_args(hint):
        yield from _parts(argument)


def _section(kind: type) -> str:
    hints = typing.get_type_hints(kind)
    lines = [kind.__name__, "-" * len(kind.__name__), "", inspect.cleandoc(kind.__doc__ or ""), ""]
    lines += [".. list-table::", "   :widths: 25 75", ""]
    for field in dataclasses.fields(kind):
        lines += [f"   * - ``{field.name}``", f"     - {_words(hints[field.name])}"]
    return "\n".join([*lines, ""])


def _words(hint: Any) -> str:
    """A type in words."""
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
        "properties": {field.name: _schema(hints[field.name]) for field in fields},
        "required": ["unasked"] if kind is Unavailable else needed,
        "additionalProperties": False,
    }


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
