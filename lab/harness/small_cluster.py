# SPDX-License-Identifier: Apache-2.0
"""A small cluster beside the one under test: one control-plane node, one worker."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lab.harness import controller

SPEC = "cluster.yaml"
SOURCE = controller.CHECKOUT / "lab" / SPEC
NODES = "198.51.100.0/24"


def write(directory: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Write cluster.yaml, with changes to its content, and its lock."""
    spec = copy.deepcopy(yaml.safe_load(SOURCE.read_text()))
    spec["workers"]["count"] = 1
    spec["cloud"]["nodes"] = NODES
    if change is not None:
        change(spec)
    (directory / SPEC).write_text(yaml.safe_dump(spec))
    controller.inside("heatgen", "lock", directory / SPEC)


def render(directory: Path) -> Path:
    """Render the cluster of a directory; return the template."""
    template = directory / "generated.yaml"
    controller.inside("heatgen", "render", directory / SPEC, "-o", template)
    return template
