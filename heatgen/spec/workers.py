# SPDX-License-Identifier: Apache-2.0
"""``workers`` in ``cluster.yaml``: one group (a mapping), or several (a list).

A group can have its own operating system and runtime: the name of a block, or a mapping with the
block's options.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.blocks.catalog import MAX_NAME, Catalog
from heatgen.layers import CONTROL, GROUP_LAYERS, OS, WORKER
from heatgen.spec import machine
from heatgen.spec.machine import Machine
from heatgen.yamlio import schema
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

NAME = {
    # Heat limits the cluster's name, this name and an index to 53 characters in total.
    "type": "string", "pattern": "^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$",
    "rule": "must be at most 16 lower-case letters, digits and hyphens, starting with a letter",
    "description": "name of the group, such as 'name: worker'",
}  # fmt: skip
MAX_COUNT = 1000
"""Workers of a group, as in the schema."""
MAX_GROUPS = 100
_KEY = re.compile(r"(?:(?P<domain>[^/]*)/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\Z")
_MAX_DOMAIN = 253
_KEY_HINT = (
    "use NAME or DOMAIN/NAME: at most 63 letters, digits, '-', '_' and '.' in NAME, and a domain "
    "in lower case such as example.org"
)
MAX_TEXT = 1024
"""Maximum length of the text options of blocks that do not set their own."""
_KUBERNETES = ("kubernetes.io", "k8s.io")
_OWN = "heatgen"
"""The domain of the labels and annotations that the steps set."""


@dataclass(frozen=True)
class LayerChoice:
    """A layer's block and the values of its options."""

    use: str
    options: Mapping[str, Any]


DRAIN_MINOR, DRAIN_ALWAYS, DRAIN_NEVER = "minor", "always", "never"


@dataclass(frozen=True)
class Roll:
    """How the nodes of a group change, one after the other."""

    batch: int = 1
    """Nodes that change at the same time, after the first one has changed alone."""
    drain: str = DRAIN_MINOR
    """When pods are evicted before: if kubelet's minor version or the runtime changes, or else."""
    drain_seconds: int = 300
    """Limit until all pods are evicted; disruption budgets can delay them."""


@dataclass(frozen=True, kw_only=True)
class WorkerGroup:
    """A group of equal workers."""

    name: str
    count: int
    machine: Machine
    layers: Mapping[str, LayerChoice]
    """The blocks of the layers that may differ between groups."""
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    """``KEY=VALUE:EFFECT``; the value may be empty."""
    roll: Roll = Roll()
    version: str = ""
    """Version of kubelet and kube-proxy; '' for that of the control plane."""


def bounded(options: Mapping[str, schema.Schema]) -> dict[str, schema.Schema]:
    """Return the schemas of a block's options; texts without a maximum length get one."""
    return {
        name: {**option, **({} if "maxLength" in option else {"maxLength": MAX_TEXT})}
        for name, option in options.items()
    }


def too_many(document: Document) -> list[Problem]:
    """Return a problem if the file has more groups than allowed, before they are checked."""
    count = len(_written(document.data))
    if count <= MAX_GROUPS:
        return []
    message = f"workers: {count} groups; the maximum is {MAX_GROUPS}"
    hint = "use fewer groups, or several clusters"
    return [document.problem(("workers",), message, hint, code=Code.INVALID_LENGTH)]


def own_blocks(data: Any) -> dict[Path, tuple[str, str]]:
    """Return layer and name of the blocks of groups by their paths, in a file that may be invalid.

    Empty names are not included.
    """
    found: dict[Path, tuple[str, str]] = {}
    for path, group in _written(data):
        for layer in GROUP_LAYERS if isinstance(group, dict) else ():
            part = group.get(layer)
            place = (*path, layer)
            if isinstance(part, dict):
                part, place = part.get("use"), (*place, "use")
            if isinstance(part, str) and part:
                found[place] = (layer, part)
    return found


def full_schema(
    data: Any, group_schema: schema.Schema, main: Mapping[str, str], catalog: Catalog
) -> dict[str, Any]:
    """Return the schema of ``workers`` for a file: of one group, or of a list of named groups.

    Args:
        data: the data of the file.
        group_schema: schema of a group, without the parts that depend on blocks.
        main: the blocks of groups without their own, by layer.
        catalog: the available blocks.
    """
    schemas = [_with_layers(group, group_schema, main, catalog) for _, group in _written(data)]
    if not isinstance(data, dict) or not isinstance(data.get("workers"), list):
        return schemas[0]
    named = [
        {
            **item,
            "type": "object",
            "required": ["name"],
            "properties": {"name": NAME, **item["properties"]},
        }
        for item in schemas
    ]
    return {"type": "array", "minItems": 1, "prefixItems": named}


def read(
    data: Any, cloud: Mapping[str, Any], main: Mapping[str, LayerChoice], catalog: Catalog
) -> tuple[WorkerGroup, ...]:
    """Return the groups of valid data.

    Args:
        data: ``workers``, with defaults.
        cloud: ``cloud``, with defaults: for what groups do not set.
        main: the layers of groups without their own.
        catalog: the available blocks.
    """
    written = data if isinstance(data, list) else [{**data, "name": WORKER}]
    return tuple(
        WorkerGroup(
            name=group["name"],
            count=group["count"],
            machine=machine.read(
                group, cloud, machine.zones_of(group.get("availability_zone")), ()
            ),
            layers={
                layer: _choice(layer, group.get(layer), main[layer], catalog)
                for layer in GROUP_LAYERS
            },
            labels=dict(sorted(group["labels"].items())),
            taints=tuple(_taint(text) for text in group["taints"]),
            roll=Roll(**group["roll"]),
            version=group.get("version") or "",
        )
        for group in written
    )


def check(
    document: Document, groups: tuple[WorkerGroup, ...], main: Mapping[str, LayerChoice]
) -> Iterator[Problem]:
    """Check what a schema cannot express: names, labels, taints, blocks of layers, images."""
    names: set[str] = {CONTROL}
    options = {(layer, main[layer].use): main[layer].options for layer in GROUP_LAYERS}
    for (path, _), group in zip(_written(document.data), groups, strict=True):
        if group.name in names:
            place = (*path, "name")
            reason = " (reserved for the control plane)" if group.name == CONTROL else ""
            message = f"{dotted(place)}: duplicate name {group.name!r}{reason}"
            code = Code.DUPLICATE_GROUP
            yield document.problem(place, message, "choose another name", code=code)
        elif conflict := _same_name(group, groups):
            place = (*path, "name")
            message = (
                f"{dotted(place)}: the groups {group.name!r} and {conflict!r} have a parameter and "
                "a resource of the same name in the template"
            )
            code = Code.DUPLICATE_GROUP
            yield document.problem(place, message, "choose another name", code=code)
        names.add(group.name)
        for layer, own in group.layers.items():
            if options.setdefault((layer, own.use), own.options) != own.options:
                place = (*path, layer)
                message = f"{dotted(place)}: {own.use} has other options in another group"
                hint = "set the same options wherever the block is used"
                yield document.problem(place, message, hint, code=Code.CONFLICTING_OPTIONS)
        if group.layers[OS].use != main[OS].use and not group.machine.image:
            place = (*path, OS)
            message = (
                f"{dotted(place)}: cloud.image is an image of {main[OS].use}, but this group uses "
                f"{group.layers[OS].use}"
            )
            hint = f"set 'image' of the group to an image of {group.layers[OS].use}"
            yield document.problem(place, message, hint, code=Code.IMAGE_OF_OTHER_SYSTEM)
        yield from _check_labels(document, (*path, "labels"), group)
        yield from _check_taints(document, (*path, "taints"), group)


def _same_name(group: WorkerGroup, groups: tuple[WorkerGroup, ...]) -> str:
    """Return the group with a resource named like a parameter of this group, or ''.

    See :mod:`heatgen.hot.names`: a parameter is ``GROUP_count``, a resource ``workers_GROUP``.
    """
    parameters = {f"{group.name}-{what}" for what in ("count", "removed", "flavor")}
    if group.machine.image:
        parameters.add(f"{group.name}-image")
    for other in groups:
        resources = {f"workers-{other.name}"} if other.name != WORKER else set()
        if other.machine.server_group != machine.NO_GROUP:
            resources.add(f"server-group-{other.name}")
        if parameters & resources:
            return other.name
    return ""


def _check_labels(document: Document, path: Path, group: WorkerGroup) -> Iterator[Problem]:
    for key in group.labels:
        place = (*path, key)
        domain = _domain(key)
        if domain is None:
            message = f"{dotted(path)}: invalid label key {key!r}"
            code = Code.INVALID_LABEL_OR_TAINT
            yield document.problem(place, message, _KEY_HINT, key=True, code=code)
        elif domain == _OWN:
            message = f"{dotted(path)}: label key {key!r} is reserved for heatgen"
            hint = f"use a domain other than {_OWN}"
            code = Code.RESERVED_LABEL
            yield document.problem(place, message, hint, key=True, code=code)
        elif any(domain == own or domain.endswith(f".{own}") for own in _KUBERNETES):
            message = f"{dotted(path)}: label key {key!r} is reserved for Kubernetes"
            hint = "use a domain other than kubernetes.io and k8s.io"
            code = Code.RESERVED_LABEL
            yield document.problem(place, message, hint, key=True, code=code)


def _check_taints(document: Document, path: Path, group: WorkerGroup) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for number, taint in enumerate(group.taints):
        key, _, rest = taint.partition("=")
        identity = (key, rest.rpartition(":")[2])
        place = (*path, number)
        domain = _domain(key)
        if domain is None:
            message = f"{dotted(place)}: invalid taint key {key!r}"
            yield document.problem(place, message, _KEY_HINT, code=Code.INVALID_LABEL_OR_TAINT)
        elif domain == _OWN:
            message = f"{dotted(place)}: taint key {key!r} is reserved for heatgen"
            hint = f"use a domain other than {_OWN}"
            yield document.problem(place, message, hint, code=Code.RESERVED_LABEL)
        if identity in seen:
            message = f"{dotted(place)}: duplicate taint {key!r} with the same effect"
            hint = "remove one of them"
            yield document.problem(place, message, hint, code=Code.DUPLICATE_ITEM)
        seen.add(identity)


def _domain(key: str) -> str | None:
    """Return the domain of a label's or taint's key, '' without one, None if it is invalid."""
    found = _KEY.match(key)
    if not found or found["domain"] is None:
        return "" if found else None
    domain = found["domain"]
    return domain if len(domain) <= _MAX_DOMAIN and _DOMAIN.match(domain) else None


def paths(document: Document) -> list[Path]:
    """Return the path of each group in the file."""
    return [path for path, _ in _written(document.data)]


def _written(data: Any) -> list[tuple[Path, Any]]:
    """Return the groups in the file with their paths; without ``workers``, one empty group."""
    workers = data.get("workers") if isinstance(data, dict) else None
    if isinstance(workers, list):
        return [(("workers", number), group) for number, group in enumerate(workers)]
    return [(("workers",), workers or {})]


def _with_layers(
    group: Any, group_schema: schema.Schema, main: Mapping[str, str], catalog: Catalog
) -> dict[str, Any]:
    """Return the schema of a group with the options of its own blocks."""
    properties = dict(group_schema["properties"])
    for layer in GROUP_LAYERS:
        part = group.get(layer) if isinstance(group, dict) else None
        if not isinstance(part, dict):
            continue
        block = catalog.blocks.get((layer, str(part.get("use") or main[layer])))
        # Without defaults: _choice adds the values of the main block, or the block's defaults.
        options = {
            name: {key: part for key, part in option.items() if key != "default"}
            for name, option in (block.options if block else {}).items()
        }
        properties[layer] = {
            "type": "object",
            "properties": {
                "use": {"type": "string", "maxLength": MAX_NAME},
                **bounded(options),
            },
            "additionalProperties": block is None,
        }
    return {**group_schema, "properties": properties}


def _choice(layer: str, written: Any, main: LayerChoice, catalog: Catalog) -> LayerChoice:
    """Return a group's block of a layer: the main one, or another, with the group's options."""
    own = {"use": written} if isinstance(written, str) else dict(written or {})
    use = own.pop("use", None) or main.use
    if use == main.use:
        defaults = main.options
    else:
        options = catalog.blocks[layer, use].options
        defaults = {name: option["default"] for name, option in options.items()}
    return LayerChoice(use, {**defaults, **own})


def _taint(text: str) -> str:
    """Return a taint in the form ``KEY=VALUE:EFFECT``; the value may be empty."""
    key, _, effect = text.rpartition(":")
    return f"{key}:{effect}" if "=" in key else f"{key}=:{effect}"
