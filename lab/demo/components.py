# SPDX-License-Identifier: Apache-2.0
"""Select the components of lab/artifacts that the nodes of a cluster download.

The file of the cluster, the schema and the blocks are read without a YAML parser and without
heatgen: building starts before either is installed.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.artifacts.recipes import Component
from lab.cloud import paths

BLOCKS = paths.CHECKOUT / "hot" / "blocks"
SCHEMA = paths.CHECKOUT / "heatgen" / "schemas" / "cluster.json"
COMMENT = re.compile(r"(?:^|\s)#.*")
WORD = re.compile(r"[A-Za-z0-9_-]+")
URL = re.compile(r"^ +url: https://(\S+)$", re.MULTILINE)
OPTION = re.compile(r"\\\{\w+\\\}")  # `{version}`, escaped as text of a regular expression


def needed(cluster: Path, components: Sequence[Component]) -> list[str]:
    """Return the names of the components that a cluster may need.

    A component is not needed if it is built on request only, or if all that it publishes are
    artifacts of blocks that the cluster does not use. What no block downloads is needed, because
    images may contain it.
    """
    used = used_blocks(cluster)
    downloaded = _urls(used)
    not_downloaded = _urls(block for block in all_blocks() if block not in used)

    def is_needed(component: Component) -> bool:
        published = [release.path for release in component.releases]
        if component.on_request:
            return False
        return not published or any(
            _matches(path, downloaded) or not _matches(path, not_downloaded) for path in published
        )

    return [component.name for component in components if is_needed(component)]


def used_blocks(cluster: Path) -> list[Path]:
    """Return the blocks that a cluster may use: the defaults, and those that its file names.

    A file cannot select another block than the default without containing its name. A name that
    occurs for another reason only means that more is built than necessary.
    """
    text = COMMENT.sub("", cluster.read_text(encoding="utf-8"))
    words = set(WORD.findall(text)) | set(default_blocks())
    return [block for block in all_blocks() if block.parent.name in words]


def all_blocks() -> list[Path]:
    """Return the `block.yaml` of each block of a layer."""
    return sorted(BLOCKS.glob("*/*/block.yaml"))


def default_blocks() -> list[str]:
    """Return the names of the blocks that a cluster uses if its file selects no other."""
    layers = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"].values()
    choices = [layer.get("properties", {}).get("use", {}) for layer in layers]
    return [str(choice["default"]) for choice in choices if "default" in choice]


def _urls(blocks: Iterable[Path]) -> list[re.Pattern[str]]:
    """Return patterns of the URLs of the artifacts of blocks, without scheme, of any version."""
    urls = [url for block in blocks for url in URL.findall(block.read_text(encoding="utf-8"))]
    return [re.compile(OPTION.sub("[^/]+", re.escape(url))) for url in urls]


def _matches(path: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(path) for pattern in patterns)
