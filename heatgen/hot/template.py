# SPDX-License-Identifier: Apache-2.0
"""Data model and writer of Heat Orchestration Templates: parameters, resources, outputs.

:mod:`heatgen.render.template` creates the template of a cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from heatgen.yamlio import writer

VERSION = "2021-04-16"
"""heat_template_version: Wallaby, the newest one."""

Expression = Any
"""A value of a property, which may contain HOT functions."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the stack."""

    kind: str
    description: str
    default: str | int | None = None
    constraints: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the parameter in HOT."""
        result: dict[str, Any] = {"type": self.kind, "description": self.description}
        if self.default is not None:
            result["default"] = self.default
        if self.constraints:
            result["constraints"] = [dict(item) for item in self.constraints]
        return result


@dataclass(frozen=True)
class Resource:
    """A resource of the stack."""

    kind: str
    properties: Mapping[str, Expression]
    depends_on: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the resource in HOT."""
        result: dict[str, Any] = {"type": self.kind}
        if self.depends_on:
            result["depends_on"] = list(self.depends_on)
        if self.metadata:
            result["metadata"] = dict(self.metadata)
        if self.properties:
            result["properties"] = dict(self.properties)
        return result


@dataclass(frozen=True)
class Output:
    """An output of the stack."""

    description: str
    value: Expression


@dataclass(frozen=True)
class Template:
    """A template; the order of its mappings is the order in the file."""

    description: str
    parameters: Mapping[str, Parameter]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Output]

    def as_dict(self) -> dict[str, Any]:
        """Return the template as sent to Heat."""
        return {
            "heat_template_version": VERSION,
            "description": self.description,
            "parameters": {name: item.as_dict() for name, item in self.parameters.items()},
            "resources": {name: item.as_dict() for name, item in self.resources.items()},
            "outputs": {
                name: {"description": item.description, "value": item.value}
                for name, item in self.outputs.items()
            },
        }


def to_yaml(template: dict[str, Any], header: str) -> str:
    """Return a template (:meth:`Template.as_dict`) as YAML after a header of comment lines."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comment + writer.dump(template)


def get_param(name: str) -> dict[str, Any]:
    """Return a reference to a parameter or pseudo parameter (``OS::stack_name``)."""
    return {"get_param": name}


def get_resource(name: str) -> dict[str, Any]:
    """Return a reference to a resource."""
    return {"get_resource": name}


def get_attr(resource: str, *path: str | int) -> dict[str, Any]:
    """Return a reference to an attribute of a resource, or to a path in it."""
    return {"get_attr": [resource, *path]}


def list_join(separator: str, *lists: Expression) -> dict[str, Any]:
    """Return the function that joins lists of strings."""
    return {"list_join": [separator, *lists]}
