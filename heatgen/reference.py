# SPDX-License-Identifier: Apache-2.0
"""Pages of reference in reStructuredText, made of the schema and the blocks. Pure.

``doc/reference/`` holds them; a test holds that they are what this module makes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heatgen import schema
from heatgen.catalog import Block, Catalog
from heatgen.names import LAYERS

_KINDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
    "object": "mapping", "array": "list",
}  # fmt: skip
_FORMATS = {"cidr": "IPv4 network", "ipv4": "IPv4 address"}
_MADE = ".. Made by heatgen/reference.py: change the schema or the block, and regenerate."


def cluster_page(cluster_schema: schema.Schema, catalog: Catalog) -> str:
    """All keys of ``cluster.yaml``; those of the layers with the options of their blocks."""
    properties = cluster_schema["properties"]
    rows = [row for name in properties if name not in LAYERS
            for row in _rows(cluster_schema, properties[name], name,
                             name in cluster_schema["required"])]  # fmt: skip
    lines = [
        _MADE, "", *_title("cluster.yaml"),
        "What is written in **bold** must be there. ``workers`` is a mapping for one group, or a",
        "list of mappings with a ``name`` each. :doc:`blocks` has the options of each block.",
        "", *_table(("Key", "Value", "Default", "What"), rows),
        *_title("Layers", "="),
        "The block of a layer brings its own keys.", "",
    ]  # fmt: skip
    layers = [
        (f"``{layer}.use``", ", ".join(catalog.names(layer)),
         _default(properties[layer]["properties"]["use"]), "the layer's block")
        for layer in LAYERS
    ]  # fmt: skip
    lines += _table(("Key", "Value", "Default", "What"), layers)
    return _joined(lines)


def blocks_page(catalog: Catalog) -> str:
    """What each block is, takes and opens."""
    lines = [_MADE, "", *_title("Blocks")]
    for block in sorted(catalog.all_blocks(), key=_from_the_ground):
        lines += _block(block)
    return _joined(lines)


def _from_the_ground(block: Block) -> tuple[int, str]:
    return (LAYERS.index(block.layer) if block.layer in LAYERS else len(LAYERS), block.name)


def _block(block: Block) -> Iterator[str]:
    name = block.name if block.name == block.layer else f"{block.layer}/{block.name}"
    yield from _title(name, "=")
    yield from (f"{_text(block.summary)}.", "", _text(block.description), "")
    options = [row for key, part in block.options.items()
               for row in _rows(part, part, f"{block.layer}.{key}", False)]  # fmt: skip
    steps = [
        (f"``{step.name}``", "the first control-plane server" if step.first_only
         else _both(step.roles), ", ".join(step.requires), ", ".join(step.provides),
         f"{step.timeout} s")
        for step in block.steps
    ]  # fmt: skip
    ports = [
        (f"{port.port} {port.protocol}".strip(), _both(port.to), ", ".join(port.origins),
         _text(port.why))
        for port in block.ports
    ]  # fmt: skip
    artefacts = [(f"``{key}``", f"``{item.url}``") for key, item in block.artefacts.items()]
    artefacts += [(f"``{key}``", f"``{image}``") for key, image in block.images.items()]
    yield from _table(("Option", "Value", "Default", "What"), options)
    yield from _table(("Step", "On", "Requires", "Provides", "Limit"), steps)
    yield from _table(("Port", "To", "From", "Why"), ports)
    yield from _table(("Artefact", "From"), artefacts)


def _both(roles: tuple[str, ...]) -> str:
    return ", ".join(roles)


def _rows(
    root: schema.Schema, part: schema.Schema, path: str, required: bool
) -> Iterator[tuple[str, str, str, str]]:
    """A row for a key and for each below it: key, value, default, description."""
    part = _resolved(root, part)
    name = f"**{path}**" if required else f"``{path}``"
    yield name, _value(root, part), _default(part), _text(part.get("description", ""))
    for key, child in part.get("properties", {}).items():
        yield from _rows(root, child, f"{path}.{key}", key in part.get("required", ()))


def _resolved(root: schema.Schema, part: schema.Schema) -> schema.Schema:
    """A part of a schema with what it refers to; what it says itself goes before."""
    if "$ref" not in part:
        return part
    found: Any = root
    for key in part["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return {**_resolved(root, found), **part}


def _value(root: schema.Schema, part: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "enum" in part:
        return ", ".join(f"``{choice}``" for choice in part["enum"])
    if "const" in part:
        return f"``{part['const']}``"
    if part.get("format") in _FORMATS:
        return _FORMATS[part["format"]]
    types = part.get("type", "string")
    types = [types] if isinstance(types, str) else types
    words = " or ".join(_KINDS[kind] for kind in types if kind != "null")
    if "minimum" in part and "maximum" in part:
        words += f", {part['minimum']} to {part['maximum']}"
    if types == ["array"]:
        words = f"list of: {_value(root, _resolved(root, part.get('items', {})))}"
    return words


def _default(part: Mapping[str, Any]) -> str:
    default = part.get("default")
    if default is None or default == "":
        return ""
    if default in ([], {}):
        return "none"
    return f"``{str(default).lower() if isinstance(default, bool) else default}``"


def _text(text: str) -> str:
    """Plain text as reStructuredText takes it for plain, on one line."""
    plain = " ".join(text.split())
    for character in "\\*`|_":
        plain = plain.replace(character, f"\\{character}")
    return plain


def _title(text: str, line: str = "") -> list[str]:
    rule = (line or "=") * len(text)
    return [text, rule, ""] if line else [rule, text, rule, ""]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A list-table; nothing without rows."""
    if not rows:
        return []
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        for mark, cell in zip(("* -", *["  -"] * (len(row) - 1)), row, strict=True):
            lines.append(f"   {mark} {cell}".rstrip())
    return [*lines, ""]


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
