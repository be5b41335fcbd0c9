# SPDX-License-Identifier: Apache-2.0
"""Components' configuration files: base, planned values, then what the user overrides, merged last.

The user's part follows JSON Merge Patch (RFC 7396): mappings merge, lists and the rest replace,
null removes.
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w

from heatgen.yamlio import document


def base(name: str, text: str) -> dict[str, Any]:
    """A base file as values: TOML by its ending, else YAML (JSON is YAML).

    Raises:
        ValueError: the TOML is not TOML, or the file is not a mapping.
        ProblemsFound: the YAML is not YAML.
    """
    if name.endswith(".toml"):
        return tomllib.loads(text)
    data = document.parse(name, text.encode()).data
    if not isinstance(data, dict):
        raise ValueError(f"{name} is not a mapping")
    return data


def with_value(data: Any, pointer: str, value: Any) -> Any:
    """A copy of data with one value set at a JSON pointer (RFC 6901); mappings are made as needed.

    Raises:
        ValueError: the pointer leads through a list's missing item or through a scalar.
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
    raise ValueError(f"there is no {token!r} to set a value at")


def merged(data: Any, patch: Any) -> Any:
    """Data with a JSON Merge Patch (RFC 7396) applied."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(data) if isinstance(data, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def text(data: dict[str, Any], form: str) -> str:
    """A configuration as text: ``json`` or ``toml``, with a newline at its end."""
    if form == "toml":
        return tomli_w.dumps(data)
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
