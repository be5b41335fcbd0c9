# SPDX-License-Identifier: Apache-2.0
"""Scaffold of a new block: the minimum that meets the contract of its layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.authoring.lint import EXAMPLE, sources_used
from heatgen.authoring.script_scan import HEAD
from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, Block, Catalog
from heatgen.layers import LAYERS, TRUST
from heatgen.spec.model import PODS, SERVICES
from heatgen.yamlio import writer

SCRIPT = "10-start.sh"

_BLOCK = """\
# SPDX-License-Identifier: Apache-2.0
summary: {name}, a one-line summary
description: >-
  What users have to know about this block.
layer: {layer}
roles: [{roles}]
options:
  # Keys under {layer} in cluster.yaml, each with its JSON Schema.
  note:
    type: string
    default: hello
    description: An example of an option; the step writes it to a file.
{options}inputs:
  # Environment variables of the scripts, and their sources.
  NOTE:
    from: options.note
    description: Text that the step writes to a file.
steps:
  - name: start
    script: {script}
    # Capabilities that must exist before, and those that other layers require of this one.
    requires: [{requires}]
    provides: [{provides}]
    inputs: [NOTE]
    timeout: 60
ports: []
conformance: []
"""
_STEP = """
# The step can run again at any time, so it has to be idempotent.
install_text "$NOTE" /etc/{name}.note

echo "The note of {name} is installed."
"""
_EXAMPLE = """\
# SPDX-License-Identifier: Apache-2.0
# A cluster that uses this block; the linter plans it.
name: example
cloud: {{external_network: public, image: debian-12, flavor: m1.medium}}
{layer}:
  use: {name}
  note: hello from the example
"""


@dataclass(frozen=True)
class LayerContract:
    """What other layers expect of every block of a layer."""

    roles: tuple[str, ...]
    requires: tuple[str, ...]
    """Capabilities of other layers that exist before."""
    provides: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    """Options that other blocks use."""


def contract(catalog: Catalog, layer: str) -> LayerContract:
    """Return what heatgen's own blocks of a layer have in common and other blocks use."""
    own = [block for block in catalog.all_blocks() if block.origin == BUILTIN]
    peers = [block for block in own if block.layer == layer]
    others = [block for block in own if block.layer != layer]
    first = peers[0]
    used = {source for block in others for source in sources_used(block)}
    used |= {".".join(option) for option in (PODS, SERVICES)}
    # A step can delay others by providing a capability of a lower layer, too: orchestration/check.
    below = [TRUST, *LAYERS[: LAYERS.index(layer)]]
    lower = set().union(*(_provided(block) for block in others if block.layer in below))
    provided = [_provided(block) - lower for block in peers]
    required = map(_required, peers)
    return LayerContract(
        roles=first.roles,
        requires=_common([one - other for one, other in zip(required, provided, strict=True)]),
        provides=_common([*provided, set().union(*map(_required, others))]),
        options={name: part for name, part in first.options.items() if f"{layer}.{name}" in used},
    )


def files(catalog: Catalog, layer: str, name: str) -> dict[str, str]:
    """Return the files of a new block by name."""
    expected = contract(catalog, layer)
    lines = writer.dump(expected.options).splitlines() if expected.options else []
    fields = {
        "layer": layer,
        "name": name,
        "script": SCRIPT,
        "roles": ", ".join(expected.roles),
        "requires": ", ".join(expected.requires),
        "provides": ", ".join(expected.provides),
        "options": "".join(f"  {line}\n" for line in lines),
    }
    head = HEAD.replace("# what", "# SPDX-License-Identifier: Apache-2.0\n# What", 1)
    return {
        BLOCK_FILE: _BLOCK.format(**fields),
        SCRIPT: head + _STEP.format(**fields),
        EXAMPLE: _EXAMPLE.format(**fields),
    }


def _required(block: Block) -> set[str]:
    return {name.partition("@")[0] for step in block.steps for name in step.requires}


def _provided(block: Block) -> set[str]:
    return {name for step in block.steps for name in step.provides}


def _common(sets: list[set[str]]) -> tuple[str, ...]:
    return tuple(sorted(set.intersection(*sets)))
