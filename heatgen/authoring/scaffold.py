# SPDX-License-Identifier: Apache-2.0
"""A new block: the least that keeps the promises of its layer, for people to go on from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.authoring.lint import EXAMPLE, sources_used
from heatgen.authoring.script_scan import HEAD
from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, Block, Catalog
from heatgen.spec.model import PODS, SERVICES
from heatgen.yamlio import writer

SCRIPT = "10-start.sh"

_BLOCK = """\
# SPDX-License-Identifier: Apache-2.0
summary: {name}, say here in one line what it is
description: >-
  What somebody should know who wants to use it.
layer: {layer}
roles: [{roles}]
options:
  # What cluster.yaml may say under {layer}: a JSON Schema for each.
  note:
    type: string
    default: hello
    description: An example of an option; the step writes it into a file.
{options}inputs:
  # Environment variables of the scripts, and where each comes from.
  NOTE:
    from: options.note
    description: What the step writes into its file.
steps:
  - name: start
    script: {script}
    # What must be there before; and what the rest of the house expects of this layer.
    requires: [{requires}]
    provides: [{provides}]
    inputs: [NOTE]
    timeout: 60
ports: []
conformance: []
"""
_STEP = """
# It may run again at any time: whatever it does must be right the second time, too.
install_text "$NOTE" /etc/{name}.note

echo "The note of {name} is in its place."
"""
_EXAMPLE = """\
# SPDX-License-Identifier: Apache-2.0
# A cluster with this block; the linter plans it.
name: example
cloud: {{external_network: public, image: debian-12, flavor: m1.medium}}
{layer}:
  use: {name}
  note: hello from the example
"""


@dataclass(frozen=True)
class Promise:
    """What the rest of the house expects of every block of a layer."""

    roles: tuple[str, ...]
    requires: tuple[str, ...]
    """What is there before, from other layers."""
    provides: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    """Options that others ask for."""


def promise(catalog: Catalog, layer: str) -> Promise:
    """What all of heatgen's own blocks of a layer have in common and others make use of."""
    own = [block for block in catalog.all_blocks() if block.origin == BUILTIN]
    peers = [block for block in own if block.layer == layer]
    others = [block for block in own if block.layer != layer]
    first = peers[0]
    asked = {source for block in others for source in sources_used(block)}
    asked |= {".".join(option) for option in (PODS, SERVICES)}
    return Promise(
        roles=first.roles,
        requires=_common([_required(block) - _provided(block) for block in peers]),
        provides=_common([*map(_provided, peers), set().union(*map(_required, others))]),
        options={name: part for name, part in first.options.items() if f"{layer}.{name}" in asked},
    )


def files(catalog: Catalog, layer: str, name: str) -> dict[str, str]:
    """The files of a new block by name."""
    kept = promise(catalog, layer)
    lines = writer.dump(kept.options).splitlines() if kept.options else []
    words = {
        "layer": layer,
        "name": name,
        "script": SCRIPT,
        "roles": ", ".join(kept.roles),
        "requires": ", ".join(kept.requires),
        "provides": ", ".join(kept.provides),
        "options": "".join(f"  {line}\n" for line in lines),
    }
    head = HEAD.replace("# what", "# SPDX-License-Identifier: Apache-2.0\n# What", 1)
    return {
        BLOCK_FILE: _BLOCK.format(**words),
        SCRIPT: head + _STEP.format(**words),
        EXAMPLE: _EXAMPLE.format(**words),
    }


def _required(block: Block) -> set[str]:
    return {name.partition("@")[0] for step in block.steps for name in step.requires}


def _provided(block: Block) -> set[str]:
    return {name for step in block.steps for name in step.provides}


def _common(sets: list[set[str]]) -> tuple[str, ...]:
    return tuple(sorted(set.intersection(*sets)))
