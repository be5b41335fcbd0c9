# SPDX-License-Identifier: Apache-2.0
"""A small cluster for tests that create stacks: one control-plane node and one worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.harness import controller

SPEC = "cluster.yaml"
NODES = "198.51.100.0/24"


def write(directory: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Write and lock the cluster; return its directory.

    Args:
        directory: for `cluster.yaml` and its lock.
        changes: keys to set, by part of the file, such as ``cloud``.
    """
    spec = yaml.safe_load((controller.CHECKOUT / "lab" / SPEC).read_text())
    parts: dict[str, Mapping[str, Any]] = {"cloud": {"nodes": NODES}, "workers": {"count": 1}}
    for part, values in [*parts.items(), *(changes or {}).items()]:
        spec[part] = {**spec.get(part, {}), **values}
    (directory / SPEC).write_text(yaml.safe_dump(spec))
    controller.inside("heatgen", "lock", directory / SPEC)
    return directory


def render(directory: Path) -> Path:
    """Render the cluster of a directory; return the template."""
    template = directory / "generated.yaml"
    controller.inside("heatgen", "render", directory / SPEC, "-o", template)
    return template


def kubeconfig(stack: str, directory: Path) -> Path:
    """Write the administrator's kubeconfig of a stack of this cluster; return its path."""
    words = ["heatgen", "kubeconfig", stack, "-o", "kubeconfig"]
    controller.inside(*words, directory=directory)
    return directory / "kubeconfig"
