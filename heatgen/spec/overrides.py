# SPDX-License-Identifier: Apache-2.0
"""Checks of ``overrides`` against what blocks declare about their configurations.

A block lists the keys that heatgen itself depends on (``fixed``) and those that harden a component
(``hardened``), next to the configuration in ``block.yaml``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from heatgen.blocks.catalog import Block, Catalog, Config
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import Spec
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

_Touched = tuple[Path, str, str]
"""The place of an override, the pointer that it changes, and why that matters."""


def check(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Yield overrides of keys that heatgen sets, and values that a format cannot contain."""
    blocks = used_blocks(group_blocks(spec, catalog))
    patches = [block for block in blocks if block.patches]
    for name, _, config in _overridden(spec, catalog):
        override = spec.overrides[name]
        fixed = dict.fromkeys(config.settings, "heatgen sets it") | dict(config.fixed)
        for block in patches:
            for pointer in _pointers(block.patches.get(name, {})):
                fixed.setdefault(pointer, f"{block.layer}/{block.name} sets it")
        seen: set[Path] = set()
        for place, pointer, why in _touched(override, fixed):
            path = ("overrides", name, *place)
            if path not in seen:
                message = f"{dotted(path)} changes {pointer[1:].replace('/', '.')}: {why}"
                yield document.problem(
                    path, message, "remove the key", key=True, code=Code.OVERRIDE_NOT_ALLOWED
                )
            seen.add(path)
        if config.format == "toml":
            for place in _nulls_in_lists(override):
                path = ("overrides", name, *place)
                message = f"{dotted(path)}: TOML has no null, so a list cannot contain it"
                yield document.problem(path, message, "remove the item", code=Code.EMPTY_VALUE)


def notices(spec: Spec, catalog: Catalog) -> list[str]:
    """Return a message for each override that weakens a component."""
    return [
        f"{dotted(('overrides', name, *place))} changes {pointer[1:].replace('/', '.')}, which "
        f"hardens the component: {why}"
        for name, _, config in _overridden(spec, catalog)
        for place, pointer, why in _touched(spec.overrides[name], config.hardened)
    ]


def _overridden(spec: Spec, catalog: Catalog) -> Iterator[tuple[str, Block, Config]]:
    """Yield the configurations that the file overrides."""
    for block in used_blocks(group_blocks(spec, catalog)):
        for config in block.configs.values():
            if config.override in spec.overrides:
                yield config.override, block, config


def _touched(override: Any, pointers: Mapping[str, str]) -> Iterator[_Touched]:
    """Yield the pointers that a JSON Merge Patch changes, with the place in the patch."""
    for pointer, why in pointers.items():
        place: Path = ()
        value = override
        for token in pointer[1:].split("/"):
            key = token.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, Mapping):
                # A parent is removed or replaced, and the key with it.
                break
            if key not in value:
                place = ()
                break
            place, value = (*place, key), value[key]
        if place:
            yield place, pointer, why


def _pointers(patch: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the JSON pointers of a patch's values."""
    for key, value in patch.items():
        pointer = f"{prefix}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            yield from _pointers(value, pointer)
        else:
            yield pointer


def _nulls_in_lists(value: Any, path: Path = (), *, inside: bool = False) -> Iterator[Path]:
    """Yield the paths of nulls in lists; others remove a key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nulls_in_lists(item, (*path, key), inside=inside)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _nulls_in_lists(item, (*path, number), inside=True)
    elif value is None and inside:
        yield path
