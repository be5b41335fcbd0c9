# SPDX-License-Identifier: Apache-2.0
"""The blocks that a cluster uses, by group and layer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from heatgen.blocks.catalog import Block, Catalog
from heatgen.blocks.pins import Pins
from heatgen.blocks.references import artifact_urls, image_references
from heatgen.layers import CONTROL, LAYERS, WORKER
from heatgen.spec.model import Spec


def group_blocks(spec: Spec, catalog: Catalog) -> dict[str, dict[str, Block]]:
    """Return each group's blocks by layer, the control plane first, the trust block last."""
    main = {layer: catalog.blocks[layer, spec.layers[layer].use] for layer in LAYERS}
    main[catalog.trust.layer] = catalog.trust
    workers = {
        group.name: main
        | {layer: catalog.blocks[layer, own.use] for layer, own in group.layers.items()}
        for group in spec.workers
    }
    return {CONTROL: main, **workers}


def used_blocks(by_group: Mapping[str, Mapping[str, Block]]) -> list[Block]:
    """Return every block that a group uses, once, in the order of the layers."""
    layers = next(iter(by_group.values()))
    found = (blocks[layer] for layer in layers for blocks in by_group.values())
    return list({(block.layer, block.name): block for block in found}.values())


def node_artifacts(block: Block) -> list[str]:
    """Return the names of the artifacts of the steps on workers."""
    found = {
        block.inputs[name].source.removeprefix("artifact.")
        for step in block.steps
        for name, roles in step.inputs.items()
        if WORKER in step.roles and WORKER in roles and name in block.inputs
    }
    return [name for name in block.artifacts if name in found]


def artifact_versions(spec: Spec, block: Block) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yield the options with which a block's artifacts are used, and the names of the artifacts.

    Nodes with another version than the control plane use only those of the steps on workers.
    """
    yield spec.options_of(block), list(block.artifacts)
    for group in (CONTROL, *(item.name for item in spec.workers)):
        options = spec.group_options(block, group, kubelet=True)
        if options != spec.options_of(block):
            yield options, node_artifacts(block)


def placeholder_pins(blocks: Iterable[Block], spec: Spec) -> Pins:
    """Return pins for all artifacts and images of blocks, with checksums of the right length."""
    artifacts: dict[str, str] = {}
    images: dict[str, str] = {}
    for block in blocks:
        options = spec.options_of(block)
        for of_version, names in artifact_versions(spec, block):
            urls = artifact_urls(block, of_version)
            artifacts |= dict.fromkeys((urls[name] for name in names), "0" * 64)
        references = image_references(block, options).values()
        images |= dict.fromkeys(references, "sha256:" + "0" * 64)
    return Pins(artifacts, images)
