# SPDX-License-Identifier: Apache-2.0
"""The whole of ``cluster.yaml`` as one JSON Schema, as editors use it; and its reference as a page.

Made from the schema of what does not depend on blocks and from the options that blocks declare. The
generator itself checks with the same parts, chosen by what a file uses: see
:func:`heatgen.spec.reader.full_schema`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from heatgen.blocks.catalog import Block, Catalog
from heatgen.layers import LAYERS, RUNTIME
from heatgen.spec.workers import NAME

OWN_KEYWORDS = {"per_node", "elsewhere"}
"""Of ours alone: of no use to an editor."""

PAGE_HEAD = """\
============
cluster.yaml
============

Every key that ``cluster.yaml`` may have. Only ``name``, ``cloud.image``, ``cloud.flavor`` and,
unless the nodes' subnet or router is there already, ``cloud.external_network`` must be written.

The same as JSON Schema, for editors: :download:`cluster.schema.json`, or what ``heatgen schema``
prints. With yaml-language-server, begin the file with::

  # yaml-language-server: $schema=cluster.schema.json

.. This page is made by heatgen.authoring.cluster_reference; a test holds it.
"""


def whole_schema(catalog: Catalog, cluster_schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of every ``cluster.yaml`` that these blocks allow.

    Args:
        catalog: the blocks.
        cluster_schema: the schema of all that does not depend on blocks.
    """
    properties = dict(cluster_schema["properties"])
    cloud = properties["cloud"]
    ways = [{"required": [key]} for key in ("external_network", "subnet", "router")]
    properties["cloud"] = {**cloud, "anyOf": ways}
    for layer in LAYERS:
        usual = properties[layer]["properties"]["use"]["default"]
        blocks = [catalog.blocks[layer, name] for name in catalog.names(layer)]
        properties[layer] = {"type": "object", "anyOf": [_layer(item, usual) for item in blocks]}
    properties["workers"] = _workers(properties["workers"], catalog)
    overrides = sorted({name for block in catalog.all_blocks() for name in block.overrides})
    properties["overrides"] = {
        **properties["overrides"],
        "properties": {name: {"type": "object"} for name in overrides},
        "additionalProperties": False,
    }
    plain: dict[str, Any] = _for_editors({**cluster_schema, "properties": properties})
    return plain


def page(catalog: Catalog, cluster_schema: Mapping[str, Any]) -> str:
    """The reference of ``cluster.yaml`` as reStructuredText: a table for each section."""
    lines = [PAGE_HEAD]
    sections = cluster_schema["properties"]
    definitions = cluster_schema["$defs"]
    lines += _section("name", {"name": sections["name"]}, definitions, "")
    for key, part in sections.items():
        if key in LAYERS:
            lines += _layer_section(key, part, catalog)
        elif key == "overrides":
            lines += _overrides_section(part, catalog)
        elif key != "name":
            description = part.get("description", "")
            lines += _section(key, part["properties"], definitions, description)
    return "\n".join(lines).rstrip() + "\n"


def _layer(block: Block, usual: str) -> dict[str, Any]:
    """A layer that uses a block."""
    use = {"const": block.name, "description": block.summary}
    return {
        "title": f"{block.layer}: {block.name}",
        "type": "object",
        "properties": {"use": use, **block.options},
        "required": [] if block.name == usual else ["use"],
        "additionalProperties": False,
    }


def _workers(group: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """One group, or a list of named ones."""
    names = catalog.names(RUNTIME)
    blocks = [catalog.blocks[RUNTIME, name] for name in names]
    runtime = {
        **{key: part for key, part in group["properties"][RUNTIME].items() if key != "type"},
        "anyOf": [
            {"enum": names},
            *({**_layer(block, block.name), "title": f"runtime: {block.name}"} for block in blocks),
        ],
    }
    properties = {**group["properties"], RUNTIME: runtime}
    one = {**group, "type": "object", "properties": properties}
    named = {**one, "properties": {"name": NAME, **properties}, "required": ["name"]}
    return {
        "description": group["description"],
        "anyOf": [one, {"type": "array", "minItems": 1, "items": named}],
    }


def _for_editors(part: Any) -> Any:
    """A schema without our own keywords; rules as editors with yaml-language-server show them."""
    if isinstance(part, list):
        return [_for_editors(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    names = {"rule": "patternErrorMessage"}
    return {
        names.get(key, key): _for_editors(value)
        for key, value in part.items()
        if key not in OWN_KEYWORDS
    }


def _layer_section(layer: str, part: Mapping[str, Any], catalog: Catalog) -> Iterator[str]:
    """The blocks of a layer, each with its options."""
    usual = part["properties"]["use"]["default"]
    names = ", ".join(
        f"``{name}``" + (" (default)" if name == usual else "") for name in catalog.names(layer)
    )
    yield from _title(layer)
    yield f"``{layer}.use`` is one of {names}."
    yield ""
    for name in catalog.names(layer):
        block = catalog.blocks[layer, name]
        yield f"``use: {name}``: {block.summary}."
        yield ""
        if block.options:
            yield from _table(_rows("", block.options, {}))


def _overrides_section(part: Mapping[str, Any], catalog: Catalog) -> Iterator[str]:
    yield from _title("overrides")
    yield f"{_sentence(part['description'])} Mappings are merged, all else replaces; null removes."
    yield ""
    rows = [
        (f"``{name}``", "mapping", "", f"configuration of {block.layer}/{block.name}")
        for block in catalog.all_blocks()
        for name in sorted(block.overrides)
    ]
    yield from _table(rows)


def _section(
    key: str, properties: Mapping[str, Any], definitions: Mapping[str, Any], description: str
) -> Iterator[str]:
    yield from _title(key)
    if description:
        yield _sentence(description)
        yield ""
    if key == "workers":
        yield "A list of these makes several groups; each then has a ``name``, too."
        yield ""
    yield from _table(_rows("", properties, definitions))


Row = tuple[str, str, str, str]


def _rows(
    prefix: str, properties: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[Row]:
    """Key, kind, default and description, those of inner mappings below their own."""
    for name, written in properties.items():
        reference = written.get("$ref", "").removeprefix("#/$defs/")
        part = {**definitions.get(reference, {}), **written}
        default = part.get("default")
        shown = "" if default in (None, "", [], {}) else f"``{_shown(default)}``"
        yield f"``{prefix}{name}``", _kind(part), shown, _explained(part)
        yield from _rows(f"{prefix}{name}.", part.get("properties", {}), definitions)


def _kind(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f"``{value}``" for value in part["enum"])
    if part.get("format") == "cidr":
        return "network"
    if part.get("format") == "ipv4":
        return "address"
    kinds = {"string": "text", "integer": "number", "boolean": "true or false",
             "object": "mapping", "array": "list"}  # fmt: skip
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return " or ".join(kinds[name] for name in types if name != "null")


def _explained(part: Mapping[str, Any]) -> str:
    """Description, rule and range."""
    text = _sentence(part.get("description", ""))
    rule = part.get("rule") or part.get("items", {}).get("rule", "")
    limits = [f"at least {part['minimum']}"] if part.get("minimum") else []
    limits += [f"at most {part['maximum']}"] if "maximum" in part else []
    return " ".join([text, *([_sentence(rule)] if rule else []),
                     *([_sentence(", ".join(limits))] if limits else [])]).strip()  # fmt: skip


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "." if text else ""


def _title(text: str) -> list[str]:
    return [text, "=" * len(text), ""]


def _table(rows: Any) -> Iterator[str]:
    """A list table."""
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield "   :widths: 22 18 14 46"
    yield ""
    for row in [("Key", "Kind", "Default", "What it is"), *rows]:
        for number, cell in enumerate(row):
            yield f"   {'*' if number == 0 else ' '} - {cell}".rstrip()
    yield ""
