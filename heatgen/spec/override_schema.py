# SPDX-License-Identifier: Apache-2.0
"""Schemas of ``overrides``: the types of a component's configuration, which is merged with them.

A block may have a JSON Schema of a configuration. In addition to the keywords of
:mod:`heatgen.yamlio.schema`, a property may have ``versions``: the minor versions of the component
that have it.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any

from heatgen.blocks.catalog import Block, Config
from heatgen.yamlio.schema import Schema, nullable

VERSIONS = "versions"


def of(block: Block, config: Config, version: str) -> Schema:
    """Return the schema of an override.

    Args:
        block: the block of the configuration.
        config: the configuration.
        version: version of the component; '' for the properties of all versions.
    """
    text = block.files.get(config.schema, "")
    return _patch(text, ".".join(version.split(".")[:2])) if text else {"type": "object"}


@functools.cache
def _patch(text: str, minor: str) -> dict[str, Any]:
    """Return the schema of a JSON Merge Patch for a configuration with a schema (JSON)."""
    return _of_object(json.loads(text), minor)


def _of_object(part: Mapping[str, Any], minor: str) -> dict[str, Any]:
    """Return a schema without properties of other versions, in which null removes a property."""
    result = dict(part)
    properties, elsewhere = {}, {}
    for name, item in part.get("properties", {}).items():
        versions = item.get(VERSIONS, ())
        if versions and minor and minor not in versions:
            elsewhere[name] = f"remove it: {minor} does not have it, only {_listed(versions)}"
            continue
        plain = {key: value for key, value in item.items() if key != VERSIONS}
        properties[name] = nullable(_of_object(plain, minor))
    if "properties" in part:
        result |= {"properties": properties, "elsewhere": elsewhere}
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            inner = _of_object(part[key], minor)
            result[key] = inner if key == "items" else nullable(inner)
    return result


def _listed(versions: list[str]) -> str:
    return f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(versions)}"
