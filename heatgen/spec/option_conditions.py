# SPDX-License-Identifier: Apache-2.0
"""Options that require other options of their block, and networks that servers send with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heatgen.blocks.catalog import AddressPairs, Block, Catalog, Condition
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import Spec
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem


def check(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Yield options without effect, and address pairs that Neutron would refuse."""
    for block in used_blocks(group_blocks(spec, catalog)):
        yield from _check_options(document, spec, block)
        if spec.cloud.assigned:
            yield from _check_address_pairs(document, spec, block)


def holds(condition: Condition, options: Mapping[str, Any]) -> bool:
    """Return whether each option of a condition has one of its values."""
    return all(options.get(name) in values for name, values in condition.items())


def address_pairs(spec: Spec, block: Block) -> list[AddressPairs]:
    """Return the networks of a block whose addresses servers send with."""
    options = spec.options_of(block)
    return [item for item in block.address_pairs if holds(item.when, options)]


def pair_networks(spec: Spec, blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return the networks for the address pairs of all ports of servers."""
    found = (
        str(spec.options_of(block)[item.network])
        for block in blocks
        for item in address_pairs(spec, block)
    )
    return tuple(dict.fromkeys(found))


def _check_options(document: Document, spec: Spec, block: Block) -> Iterator[Problem]:
    """Yield options that the file sets although other options make them ineffective."""
    options = spec.options_of(block)
    for name, part in block.options.items():
        path = (block.layer, name)
        condition: Condition = part.get("only_with", {})
        default = options.get(name) == part["default"]
        if path not in document.values or default or holds(condition, options):
            continue
        wanted = " and ".join(
            f"{block.layer}.{other}: {' or '.join(map(_text, values))}"
            for other, values in condition.items()
        )
        yield document.problem(
            path,
            f"{dotted(path)} has an effect only with {wanted}",
            f"remove the key, or set {wanted}",
            key=True,
            code=Code.CONFLICTING_KEYS,
        )


def _check_address_pairs(document: Document, spec: Spec, block: Block) -> Iterator[Problem]:
    """Yield options that need address pairs in a network of another project."""
    for item in address_pairs(spec, block):
        # The last option of the condition that the file sets decides.
        name = next(
            (name for name in reversed(list(item.when)) if (block.layer, name) in document.values),
            next(iter(item.when)),
        )
        path: Path = (block.layer, name)
        value = _text(spec.options_of(block)[name])
        yield document.problem(
            path if path in document.values else ("cloud", "addresses"),
            f"{dotted(path)}: {value} conflicts with cloud.addresses: assigned: {item.why}, which "
            "only the network's project can allow (allowed_address_pairs)",
            f"remove {dotted(path)}, or use a network of your project with planned addresses",
            key=True,
            code=Code.CONFLICTING_KEYS,
        )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
