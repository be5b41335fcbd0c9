# SPDX-License-Identifier: Apache-2.0
"""Configuration files of components: base file, planned values, then the user's overrides.

Overrides are a JSON Merge Patch (:mod:`heatgen.yamlio.merge_patch`).
"""

import json
import tomllib
from typing import Any

import tomli_w

from heatgen.yamlio import document


def base(name: str, text: str) -> dict[str, Any]:
    """Parse a base file: TOML if its name ends with ``.toml``, else YAML (or JSON).

    Raises:
        ValueError: the TOML is invalid, or the file is not a mapping.
        ProblemsFound: the YAML is invalid.
    """
    if name.endswith(".toml"):
        return tomllib.loads(text)
    data = document.parse(name, text.encode()).data
    if not isinstance(data, dict):
        raise ValueError(f"{name} is not a mapping")
    return data


def with_value(data: Any, pointer: str, value: Any) -> Any:
    """Return a copy of data with a value set at a JSON pointer (RFC 6901); create missing mappings.

    Raises:
        ValueError: a parent is a scalar, or an item of a list that does not exist.
    """
    if not pointer:
        return value
    token, _, rest = pointer[1:].partition("/")
    token = token.replace("~1", "/").replace("~0", "~")
    rest = f"/{rest}" if rest else ""
    if isinstance(data, dict):
        return {**data, token: with_value(data.get(token, {}), rest, value)}
    if isinstance(data, list) and token.isdigit() and int(token) < len(data):
        index = int(token)
        return [*data[:index], with_value(data[index], rest, value), *data[index + 1 :]]
    raise ValueError(f"cannot set {token!r}: its parent has no such item")


def text(data: dict[str, Any], form: str) -> str:
    """Return a configuration as text in the format ``json`` or ``toml``, with a final newline."""
    if form == "toml":
        return tomli_w.dumps(data)
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
