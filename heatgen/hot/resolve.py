# SPDX-License-Identifier: Apache-2.0
"""Evaluation of HOT functions that do not need a running stack.

It replaces parameters, attributes of ``OS::Heat::Value`` and ``list_join``; references to other
resources and their attributes remain functions.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

VALUE = "OS::Heat::Value"


def parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each parameter, converted to its type, or its default.

    Args:
        template: as sent to Heat.
        given: values by name; Heat returns numbers as strings. Pseudo parameters such as
            ``OS::stack_name`` are not converted.
    """
    declared = template.get("parameters") or {}
    values = {name: value for name, value in given.items() if name.startswith("OS::")}
    for name, item in declared.items():
        value = given.get(name, item.get("default"))
        values[name] = _typed(str(item.get("type")), value)
    return values


def resources(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources by name, with functions replaced by their values where possible.

    Args:
        template: as sent to Heat.
        values: values of its parameters, see :func:`parameters`.
    """
    raw = template.get("resources") or {}
    return {name: _resolved(item, values, raw) for name, item in raw.items()}


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every reference in a resolved value: ``get_resource`` or ``get_attr``, and target."""
    if isinstance(value, dict):
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "get_resource" and isinstance(argument, str):
                yield name, argument
                return
            if name == "get_attr" and isinstance(argument, list) and argument:
                yield name, str(argument[0])
                yield from references(argument[1:])
                return
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def _resolved(value: Any, values: Mapping[str, Any], raw: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_resolved(item, values, raw) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, argument)] = value.items()
        if name == "get_param":
            return _parameter(argument, values)
        if name == "get_attr" and isinstance(argument, list):
            return _attribute([_resolved(item, values, raw) for item in argument], values, raw)
        if name == "list_join" and isinstance(argument, list):
            return _joined([_resolved(item, values, raw) for item in argument])
    return {key: _resolved(item, values, raw) for key, item in value.items()}


def _parameter(argument: Any, values: Mapping[str, Any]) -> Any:
    """Return a parameter's value; a path into a parameter is not evaluated."""
    if isinstance(argument, str) and argument in values:
        return values[argument]
    return {"get_param": argument}


def _attribute(argument: list[Any], values: Mapping[str, Any], raw: Mapping[str, Any]) -> Any:
    """Return the value of an ``OS::Heat::Value``, else the function."""
    name, *path = argument
    item = raw.get(name) if isinstance(name, str) else None
    if not item or item.get("type") != VALUE or path[:1] != ["value"]:
        return {"get_attr": argument}
    found = _resolved(item["properties"]["value"], values, raw)
    for key in path[1:]:
        if not isinstance(found, dict) or key not in found:
            return {"get_attr": argument}
        found = found[key]
    return found


def _joined(argument: list[Any]) -> Any:
    """Return joined lists of strings if all items are known, else the function."""
    separator, *lists = argument
    if all(isinstance(part, list) for part in lists):
        items = [item for part in lists for item in part]
        if all(isinstance(item, str | int) for item in items):
            return str(separator).join(str(item) for item in items)
    return {"list_join": argument}


def _typed(kind: str, value: Any) -> Any:
    """Return a parameter's value converted to its type; Heat returns every value as a string."""
    if not isinstance(value, str):
        return value
    if kind == "number":
        return float(value) if "." in value else int(value)
    if kind == "json":
        return json.loads(value)
    if kind == "comma_delimited_list":
        return value.split(",") if value else []
    if kind == "boolean":
        return value.lower() in ("true", "t", "1", "on", "y", "yes")
    return value
