# SPDX-License-Identifier: Apache-2.0
"""Backups of etcd, as each control-plane node reports them in its annotation ``heatgen/backup``.

The program ``hot/blocks/kvstore/etcd/backup.sh`` writes the annotation.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANNOTATION = "heatgen/backup"
"""Annotation of a node with the state of its backups (JSON)."""
REQUEST = "heatgen/backup-request"
"""Annotation of a node: a new value requests a backup, whose state then has the same value."""
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A sealed backup on the disk of a node."""

    file: str
    taken: str
    """RFC 3339, UTC."""
    revision: int
    """Of etcd."""
    keys: int
    """Of Kubernetes."""
    size: int
    """Bytes of the file."""
    rehearsed: bool
    """Whether etcd was started from it."""


@dataclass(frozen=True, kw_only=True)
class NodeBackups:
    """The backups of a control-plane node."""

    node: str
    taken: str
    """Time of the newest backup; '' for none."""
    rehearsed: str
    """Time of the last rehearsal; '' for none."""
    request: str
    """The last request that was executed."""
    problem: str
    """Why the last backup or rehearsal failed; '' if it succeeded."""
    archives: tuple[Archive, ...]
    """The newest first."""


class UnknownFormat(ValueError):
    """An annotation is not one of this version of heatgen."""


def read(node: str, annotations: Mapping[str, str]) -> NodeBackups | None:
    """Return the backups of a node; None if the node reports none.

    Raises:
        UnknownFormat: the annotation cannot be read.
    """
    text = annotations.get(ANNOTATION)
    if not text:
        return None
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise UnknownFormat(f"its format is {data['format']}")
        problems = [data["problem"], data["rehearsal_problem"]]
        return NodeBackups(
            node=node,
            taken=str(data["taken"]),
            rehearsed=str(data["rehearsed"]),
            request=str(data["request"]),
            problem="; ".join(str(problem) for problem in problems if problem),
            archives=tuple(_archive(item, data["rehearsed_file"]) for item in data["archives"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise UnknownFormat(f"node {node}: cannot read annotation {ANNOTATION}: {error}") from None


def _archive(item: Mapping[str, Any], rehearsed: str) -> Archive:
    return Archive(
        file=str(item["file"]),
        taken=str(item["taken"]),
        revision=int(item["revision"]),
        keys=int(item["keys"]),
        size=int(item["size"]),
        rehearsed=item["file"] == rehearsed,
    )
