# SPDX-License-Identifier: Apache-2.0
"""JSON Merge Patch (RFC 7396)."""

from collections.abc import Mapping
from typing import Any


def merged(data: Any, patch: Any) -> Any:
    """Return data with a patch applied: mappings are merged at any depth, null removes a key."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(data) if isinstance(data, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
