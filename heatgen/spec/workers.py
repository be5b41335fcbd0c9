# SPDX-License-Identifier: Apache-2.0
"""``workers`` in ``cluster.yaml``: one group of workers (a mapping), or several (a list).

A group may have a runtime of its own: the name of a block, or a mapping with its options.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.blocks.catalog import Catalog
from heatgen.layers import CONTROL, RUNTIME, WORKER
from heatgen.spec import machine
from heatgen.spec.machine import Machine
from heatgen.yamlio import schema
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

NAME = {
    # With the cluster's name and an index it must fit into Heat's 53 characters.
    "type": "string", "pattern": "^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$",
    "rule": "must be lower-case letters, digits and hyphens, at most 16, beginning with a letter",
    "description": "name of the group, such as 'name: worker'",
}  # fmt: skip
_KEY = re.compile(
    r"(?P<prefix>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?"
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z"
)
_RESERVED = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True)
class LayerChoice:
    """A layer's block and the values of its options."""

    use: str
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class WorkerGroup:
    """Workers of one kind."""

    name: str
    count: int
    machine: Machine
    runtime: LayerChoice
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    """``KEY=VALUE:EFFECT``; the value may be empty."""


def runtimes(data: Any) -> dict[Path, str]:
    """The runtimes that groups name, each at its place, however broken the rest of the file is."""
    found: dict[Path, str] = {}
    for path, group in _written(data):
        runtime = group.get(RUNTIME) if isinstance(group, dict) else None
        if isinstance(runtime, str):
            found[*path, RUNTIME] = runtime
        elif isinstance(runtime, dict) and isinstance(runtime.get("use"), str):
            found[*path, RUNTIME, "use"] = runtime["use"]
    return found


def full_schema(
    data: Any, group_schema: schema.Schema, main: str, catalog: Catalog
) -> dict[str, Any]:
    """The schema of ``workers`` as it is written: of one group, or of a list of named ones.

    Args:
        data: the whole file.
        group_schema: of a group, without what depends on blocks.
        main: the block of groups that name no runtime.
        catalog: the blocks that they may name.
    """
    schemas = [_with_runtime(group, group_schema, main, catalog) for _, group in _written(data)]
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
    data: Any, cloud: Mapping[str, Any], main: LayerChoice, catalog: Catalog
) -> tuple[WorkerGroup, ...]:
    """The groups of checked data.

    Args:
        data: ``workers``, with defaults.
        cloud: ``cloud``, with defaults: what groups do not say.
        main: the runtime of groups that name none.
        catalog: the blocks.
    """
    written = data if isinstance(data, list) else [{**data, "name": WORKER}]
    return tuple(
        WorkerGroup(
            name=group["name"],
            count=group["count"],
            machine=machine.read(group, cloud, machine.one(group.get("availability_zone")), ()),
            runtime=_runtime(group.get(RUNTIME), main, catalog),
            labels=dict(sorted(group["labels"].items())),
            taints=tuple(_taint(text) for text in group["taints"]),
        )
        for group in written
    )


def check(
    document: Document, groups: tuple[WorkerGroup, ...], main: LayerChoice
) -> Iterator[Problem]:
    """What no schema can say: names, labels and taints, and one set of options for a runtime."""
    names: set[str] = {CONTROL}
    options = {main.use: main.options}
    for (path, _), group in zip(_written(document.data), groups, strict=True):
        if group.name in names:
            reason = "is the control plane" if group.name == CONTROL else "is there twice"
            message = f"{dotted((*path, 'name'))}: {group.name!r} {reason}"
            yield document.problem((*path, "name"), message, "choose another name")
        names.add(group.name)
        if options.setdefault(group.runtime.use, group.runtime.options) != group.runtime.options:
            message = f"{dotted((*path, RUNTIME))}: {group.runtime.use} has other options elsewhere"
            hint = "a cluster has one set of options for each block: write them alike"
            yield document.problem((*path, RUNTIME), message, hint)
        yield from _check_labels(document, (*path, "labels"), group)
        yield from _check_taints(document, (*path, "taints"), group)


def _check_labels(document: Document, path: Path, group: WorkerGroup) -> Iterator[Problem]:
    for key in group.labels:
        place = (*path, key)
        found = _KEY.match(key)
        if not found:
            message = f"{dotted(path)}: {key!r} is not a label's key"
            hint = "a key is NAME or DOMAIN/NAME, the name at most 63 characters"
            yield document.problem(place, message, hint, key=True)
        elif _reserved(found["prefix"] or ""):
            message = f"{dotted(path)}: {key!r} is Kubernetes's own"
            hint = "kubelets may not set labels under kubernetes.io and k8s.io: use another domain"
            yield document.problem(place, message, hint, key=True)


def _check_taints(document: Document, path: Path, group: WorkerGroup) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for number, taint in enumerate(group.taints):
        key, _, rest = taint.partition("=")
        identity = (key, rest.rpartition(":")[2])
        if not _KEY.match(key):
            message = f"{dotted((*path, number))}: {key!r} is not a taint's key"
            hint = "a key is NAME or DOMAIN/NAME, the name at most 63 characters"
            yield document.problem((*path, number), message, hint)
        if identity in seen:
            message = f"{dotted((*path, number))}: key {key!r} is there twice with the same effect"
            yield document.problem((*path, number), message, "keep one of them")
        seen.add(identity)


def _reserved(prefix: str) -> bool:
    domain = prefix.removesuffix("/")
    return any(domain == own or domain.endswith(f".{own}") for own in _RESERVED)


def _written(data: Any) -> list[tuple[Path, Any]]:
    """The groups as they stand in the file, with their places; an unwritten one is empty."""
    workers = data.get("workers") if isinstance(data, dict) else None
    if isinstance(workers, list):
        return [(("workers", number), group) for number, group in enumerate(workers)]
    return [(("workers",), workers or {})]


def _with_runtime(
    group: Any, group_schema: schema.Schema, main: str, catalog: Catalog
) -> dict[str, Any]:
    """The schema of a group with the options of the runtime that it uses."""
    properties = dict(group_schema["properties"])
    runtime = group.get(RUNTIME) if isinstance(group, dict) else None
    if isinstance(runtime, dict):
        block = catalog.blocks.get((RUNTIME, str(runtime.get("use") or main)))
        # Without defaults: what is not written is as elsewhere in the cluster.
        options = {
            name: {key: part for key, part in option.items() if key != "default"}
            for name, option in (block.options if block else {}).items()
        }
        properties[RUNTIME] = {
            "type": "object",
            "properties": {"use": {"type": "string"}, **options},
            "additionalProperties": block is None,
        }
    return {**group_schema, "properties": properties}


def _runtime(written: Any, main: LayerChoice, catalog: Catalog) -> LayerChoice:
    """A group's runtime: the main one, or a block with its own defaults, and what is written."""
    own = {"use": written} if isinstance(written, str) else dict(written or {})
    use = own.pop("use", None) or main.use
    if use == main.use:
        usual = main.options
    else:
        options = catalog.blocks[RUNTIME, use].options
        usual = {name: option["default"] for name, option in options.items()}
    return LayerChoice(use, {**usual, **own})


def _taint(text: str) -> str:
    """A taint with its (maybe empty) value."""
    key, _, effect = text.rpartition(":")
    return f"{key}:{effect}" if "=" in key else f"{key}=:{effect}"
