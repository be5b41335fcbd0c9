# SPDX-License-Identifier: Apache-2.0
"""Checks that the texts of ``cluster.yaml`` reach the template as data, and that none is a secret.

Heat evaluates a mapping whose only key is a function, and its ResourceGroup replaces ``%index%`` in
all texts of its members. It stores the template unencrypted.
"""

from collections.abc import Iterator
from typing import Any

from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem
from heatgen.yamlio.text import contains_secret

INDEX = "%index%"
"""What a ResourceGroup replaces by the number of its member."""

FUNCTIONS = frozenset(
    {
        "and", "contains", "digest", "equals", "filter", "get_attr", "get_file", "get_param",
        "get_resource", "if", "list_concat", "list_concat_unique", "list_join", "make_url",
        "map_merge", "map_replace", "not", "or", "repeat", "resource_facade", "str_replace",
        "str_replace_strict", "str_replace_vstrict", "str_split", "yaql", "Ref",
    }
)  # fmt: skip
"""The functions of HOT in all versions; a test compares them with Heat's code."""
OLD_FUNCTIONS = "Fn::"
"""The prefix of the functions of CloudFormation, which Heat refuses or evaluates."""

_SECRET_KEYS = frozenset(
    {"password", "passwd", "passphrase", "admin_pass", "adminpass", "identitytoken", "secret_key"}
)
_SECRET_HINT = "remove it: everyone who may read the stack could read it"


def check(document: Document) -> Iterator[Problem]:
    """Yield the problems of all keys and texts of a file, which may be invalid otherwise."""
    for path, text, key in _texts(document.data, ()):
        name = f"a key of {dotted(path[:-1]) or 'the file'}" if key else dotted(path) or "the file"
        if INDEX in text:
            message = f"{name} contains {INDEX}, which Heat replaces in groups of servers"
            code = Code.HEAT_SYNTAX
            yield document.problem(path, message, "write another text", key=key, code=code)
        if contains_secret(text):
            message = (
                f"{name} contains a private key or a password in a URL: Heat stores it unencrypted"
            )
            code = Code.SECRET_IN_FILE
            yield document.problem(path, message, _SECRET_HINT, key=key, code=code, sensitive=True)
    yield from _secret_values(document)
    yield from _functions(document)


def is_function(key: str) -> bool:
    """Return whether Heat evaluates a mapping with only this key."""
    return key in FUNCTIONS or key.startswith(OLD_FUNCTIONS)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield the path and text of every key (True) and string (False)."""
    if isinstance(value, str):
        yield path, value, False
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key, True
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, (*path, number))


def _secret_values(document: Document) -> Iterator[Problem]:
    """Yield problems of values in free mappings whose key names a password."""
    for free in (("cloud", "metadata"), ("overrides",)):
        for path, text, key in _texts(_at(document.data, free), free):
            name = str(path[-1]).lower()
            if text and not key and name in _SECRET_KEYS:
                message = f"{dotted(path)} is a password: Heat stores it unencrypted"
                code = Code.SECRET_IN_FILE
                yield document.problem(path, message, _SECRET_HINT, code=code, sensitive=True)


def _functions(document: Document) -> Iterator[Problem]:
    path = ("cloud", "metadata")
    metadata = _at(document.data, path)
    if isinstance(metadata, dict) and len(metadata) == 1:
        [key] = metadata
        if is_function(key):
            message = f"{dotted(path)}: Heat evaluates a mapping whose only key is {key!r}"
            hint = "use another key, or add a second one"
            yield document.problem((*path, key), message, hint, key=True, code=Code.HEAT_SYNTAX)


def _at(data: Any, path: Path) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data
