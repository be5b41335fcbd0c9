# SPDX-License-Identifier: Apache-2.0
"""The reference of the blocks as a page in reStructuredText: what each is, takes, does and opens.

Pure. ``doc/reference/blocks.rst`` holds it; a test holds that it is what this module makes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heatgen.blocks.catalog import Block, Catalog
from heatgen.layers import LAYERS

_HEAD = """\
======
Blocks
======

.. This page is made by heatgen.authoring.block_reference; a test holds it.
"""
_KINDS = {"string": "text", "integer": "number", "boolean": "true or false", "object": "mapping",
          "array": "list"}  # fmt: skip


def page(catalog: Catalog) -> str:
    """All blocks, from the ground up, the trust block last."""
    lines = [_HEAD]
    for block in sorted(catalog.all_blocks(), key=_height):
        lines += _section(block)
    return "\n".join(lines).rstrip() + "\n"


def _height(block: Block) -> tuple[int, str]:
    return (LAYERS.index(block.layer) if block.layer in LAYERS else len(LAYERS), block.name)


def _section(block: Block) -> Iterator[str]:
    name = block.name if block.name == block.layer else f"{block.layer}/{block.name}"
    yield from (name, "=" * len(name), "")
    yield from (f"{_text(block.summary)}.", "", _text(block.description), "")
    options = [
        (f"``{block.layer}.{key}``", _kind(part), _default(part), _text(part["description"]))
        for key, part in block.options.items()
    ]
    steps = [
        (f"``{step.name}``", _places(step.roles, step.first_only), ", ".join(step.requires),
         ", ".join(step.provides), f"{step.timeout} s")
        for step in block.steps
    ]  # fmt: skip
    ports = [
        (f"{port.port} {port.protocol}".strip(), ", ".join(port.to), ", ".join(port.origins),
         _text(port.why))
        for port in block.ports
    ]  # fmt: skip
    artifacts = [(f"``{key}``", f"``{item.url}``") for key, item in block.artifacts.items()]
    artifacts += [(f"``{key}``", f"``{image}``") for key, image in block.images.items()]
    yield from _table(("Option", "Kind", "Default", "What it is"), options)
    yield from _table(("Step", "On", "Requires", "Provides", "Limit"), steps)
    yield from _table(("Port", "To", "From", "Why"), ports)
    yield from _table(("Artifact", "From"), artifacts)


def _places(roles: tuple[str, ...], first_only: bool) -> str:
    return "the first control-plane server" if first_only else ", ".join(roles)


def _kind(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f"``{choice}``" for choice in part["enum"])
    return {"cidr": "network", "ipv4": "address"}.get(part.get("format", ""), _KINDS[part["type"]])


def _default(part: Mapping[str, Any]) -> str:
    default = part["default"]
    if default in ("", [], {}):
        return ""
    return f"``{str(default).lower() if isinstance(default, bool) else default}``"


def _text(text: str) -> str:
    """Plain text so that no character of it is markup, on one line."""
    plain = " ".join(text.split())
    for character in "\\*`|_":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A list table; nothing without rows."""
    if not rows:
        return
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in (head, *rows):
        for number, cell in enumerate(row):
            yield f"   {' ' if number else '*'} - {cell}".rstrip()
    yield ""
