# SPDX-License-Identifier: Apache-2.0
"""Data model and parser of building blocks. A block is a folder; there is no registration.

:mod:`heatgen.project.block_loader` reads the files. :mod:`heatgen.authoring.lint` checks the parts
of a block against each other, for example its scripts against ``block.yaml``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from heatgen.blocks import boot, support, unsupported
from heatgen.blocks.boot import Boot
from heatgen.blocks.support import Support
from heatgen.blocks.unsupported import System, Systems
from heatgen.layers import CONTROL, LAYERS, ROLES, TRUST
from heatgen.yamlio import document, schema
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document
from heatgen.yamlio.merge_patch import merged
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

Tree = Mapping[str, bytes]
"""Contents of files by their path below ``hot/``, such as ``blocks/os/debian/block.yaml``."""

Condition = Mapping[str, tuple[str | int | bool, ...]]
"""Sources of inputs to allowed values; all must match. Empty: always true."""

BLOCK_FILE = "block.yaml"
BASE_FILE = "base.yaml"
"""Parts of ``block.yaml`` that the blocks with the same ``base`` have in common."""
UNSUPPORTED_FILE = "unsupported.yaml"
BUILTIN = "heatgen"
"""The origin of blocks that are installed with heatgen."""
STEP_LIBRARY = "lib/step.sh"
LIBRARY_INSTALL = "lib/install.sh"
MAX_NAME = 30
"""Maximum length of a block's name, which is part of resource names."""
AGENT = "agent/heatgen-agent"
SHELL_AGENT = "agent/heatgen-agent.sh"
AGENT_UNIT = "agent/heatgen-agent.service"
WORKS, PLANNED = "works", "planned"
"""Status of a block: ``planned`` blocks cannot be selected yet."""


_PART = re.compile(r'# shellcheck source=hot/(lib/\w+\.sh)\nsource "\$HEATGEN_LIB/\w+\.sh"\n')
"""Lines of the step library that source one of its parts."""
_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_NAME - 1}}}\Z")


@dataclass(frozen=True)
class Artifact:
    """A file that nodes download: its URL, and that of upstream's checksum file ('' if none)."""

    url: str
    checksums: str


@dataclass(frozen=True)
class Setting:
    """A planned value of a configuration: a source or a list of sources."""

    source: str | list[str]
    when: Condition
    """The value is only set if this is true."""

    @property
    def sources(self) -> set[str]:
        """Return all sources that it refers to."""
        own = self.source if isinstance(self.source, list) else [self.source]
        return {*own, *self.when}


@dataclass(frozen=True)
class Config:
    """A component's configuration: base file, planned values by JSON pointer, override name."""

    file: str
    settings: Mapping[str, Setting]
    override: str
    format: str
    fixed: Mapping[str, str]
    """JSON pointers that overrides must not change, each with the reason."""
    hardened: Mapping[str, str]
    """JSON pointers that harden the component, each with what they prevent."""
    schema: str = ""
    """File with the JSON Schema of the configuration, '' if it is not known."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that nodes of some roles request if its condition is true."""

    name: str
    authority: str
    roles: tuple[str, ...]
    subject: str
    usages: tuple[str, ...]
    names: tuple[str, ...]
    owner: str
    when: Condition


@dataclass(frozen=True)
class Need:
    """The versions that a block requires of an option of its own or another layer."""

    layer: str
    option: str
    at_least: str
    below: str
    """The first version that is not supported; '' if none is known."""
    why: str


@dataclass(frozen=True)
class VolumeOptions:
    """A volume of each control-plane server: the options that set its size and type."""

    size: str
    type: str


@dataclass(frozen=True)
class Input:
    """An input of scripts: the source of its value, and its description."""

    name: str
    source: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One software deployment of a block; ``first_only``: on the first control-plane node only."""

    name: str
    script: str
    roles: tuple[str, ...]
    first_only: bool
    requires: tuple[str, ...]
    provides: tuple[str, ...]
    inputs: Mapping[str, tuple[str, ...]]
    """Names of inputs to the roles whose nodes have them."""
    outputs: Mapping[str, str]
    timeout: int
    """Seconds."""
    when: Condition


@dataclass(frozen=True, kw_only=True)
class Port:
    """Traffic that a block requires: to roles, from roles or named sources (api, ssh, pods)."""

    port: str
    """'' for protocols without ports."""
    protocol: str
    to: tuple[str, ...]
    origins: tuple[str, ...]
    why: str
    when: Condition


@dataclass(frozen=True)
class AddressPairs:
    """A network whose addresses servers send with, under a condition on the block's options."""

    network: str
    """The block's option with the network."""
    when: Condition
    """Options to values."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """A building block of one layer."""

    layer: str
    name: str
    summary: str
    description: str
    roles: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    artifacts: Mapping[str, Artifact]
    images: Mapping[str, str]
    configs: Mapping[str, Config]
    patches: Mapping[str, Mapping[str, Any]]
    """Values to merge into other configurations, by the name of their override."""
    certificates: tuple[Certificate, ...]
    volumes: Mapping[str, VolumeOptions]
    needs: tuple[Need, ...]
    inputs: Mapping[str, Input]
    steps: tuple[Step, ...]
    ports: tuple[Port, ...]
    address_pairs: tuple[AddressPairs, ...]
    facts: Mapping[str, Any]
    conformance: tuple[str, ...]
    files: Mapping[str, str]
    """Texts of the folder's files by name."""
    paths: Mapping[str, str]
    """Paths of these files, as in problems: those of the base are in another folder."""
    boot: Boot
    also: tuple[str, ...]
    """Other names of the system."""
    status: str
    """:data:`WORKS` or :data:`PLANNED`."""
    tested: str
    """What was tested, and what was not; '' for blocks that run in every test of the lab."""
    load_balancers: tuple[str, ...]
    """Values of ``control_plane.load_balancer`` that its servers support; empty: all."""
    origin: str
    """:data:`BUILTIN`, or the folder of blocks that contains it."""
    document: Document
    """``block.yaml`` with positions, for problems."""
    deprecations: tuple[Problem, ...] = ()
    """Deprecated names in ``block.yaml`` that still work."""

    @property
    def overrides(self) -> set[str]:
        """Return the names by which users override configurations of this block."""
        return {config.override for config in self.configs.values() if config.override}


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All blocks by (layer, name), the trust block, and the texts common to all clusters."""

    blocks: Mapping[tuple[str, str], Block]
    trust: Block
    step_library: str
    library_install: str
    agents: Mapping[str, str]
    """Programs by the interpreter that runs them."""
    agent_unit: str
    unsupported: Systems
    """Known systems without a block; a block of the same name takes precedence."""
    support: Support
    """What was proven of the systems of the built-in blocks."""

    def names(self, layer: str) -> list[str]:
        """Return the names of a layer's blocks, sorted."""
        return sorted(name for block_layer, name in self.blocks if block_layer == layer)

    def available(self, layer: str) -> list[str]:
        """Return the names of a layer's blocks that can be selected, sorted."""
        return [name for name in self.names(layer) if self.blocks[layer, name].status == WORKS]

    def all_blocks(self) -> list[Block]:
        """Return every block, the trust block last."""
        return [*(self.blocks[key] for key in sorted(self.blocks)), self.trust]

    def unsupported_systems(self) -> list[System]:
        """Return the known systems without a block, in the order of the layers."""
        return [
            item for item in self.unsupported.known if (item.layer, item.name) not in self.blocks
        ]

    def deprecations(self) -> list[Problem]:
        """Return the deprecated names in blocks."""
        return [problem for block in self.all_blocks() for problem in block.deprecations]

    def missing(self, layer: str, name: str) -> tuple[str, str]:
        """Return why a layer has no block of a name, and a hint."""
        system = self.unsupported.find(layer, name)
        if system is not None:
            hint = f"see 'heatgen block list --layer {layer}'"
            return system.explanation(self.available(layer)), hint
        for block in self.blocks.values():
            if block.layer == layer and name in block.also:
                return f"unknown block {name!r}", f"use {block.name}"
        for other in LAYERS:
            if (other, name) in self.blocks or self.unsupported.find(other, name):
                return f"unknown block {name!r}", f"it belongs to the layer {other}"
        return f"unknown block {name!r}", did_you_mean(name, self.names(layer))


def build(
    tree: Tree, block_schema: schema.Schema, others: Mapping[str, Tree] | None = None
) -> Catalog:
    """Return the catalog of the built-in blocks and of the blocks in other folders.

    Args:
        tree: files below ``hot/``.
        block_schema: schema of ``block.yaml``.
        others: for each folder laid out like ``hot/blocks``, its files by their path in it.

    Raises:
        ProblemsFound: a file is missing, a ``block.yaml`` is invalid, or two blocks have the same
            name.
    """
    problems: list[Problem] = []
    sources: dict[str, str] = {}
    blocks: dict[tuple[str, str], Block] = {}
    for origin, root, files in _collections(tree, others or {}):
        for folder in _block_folders(files):
            try:
                block = _read_block(files, folder, root, origin, block_schema, tree)
            except ProblemsFound as found:
                problems += found.problems
                sources |= found.sources
                continue
            first = blocks.setdefault((block.layer, block.name), block)
            if first is not block:
                problems.append(_duplicate(first, block))
    parts = _PART.findall(tree.get(STEP_LIBRARY, b"").decode())
    own = (
        STEP_LIBRARY,
        *parts,
        LIBRARY_INSTALL,
        AGENT,
        SHELL_AGENT,
        AGENT_UNIT,
        f"{TRUST}/{BLOCK_FILE}",
    )
    problems += [
        Problem(
            f"hot/{path}",
            None,
            "file is missing",
            "reinstall heatgen",
            code=Code.INCOMPLETE_INSTALLATION,
        )
        for path in own
        if path not in tree
    ]
    known, proven = unsupported.NONE, support.NONE
    try:
        proven = support.read(tree)
        if UNSUPPORTED_FILE in tree:
            known = unsupported.read(f"hot/{UNSUPPORTED_FILE}", tree[UNSUPPORTED_FILE])
    except ProblemsFound as found:
        problems += found.problems
        sources |= found.sources
    if problems:
        raise ProblemsFound(problems, sources)
    return Catalog(
        trust=blocks.pop((TRUST, TRUST)),
        blocks={key: _with_proof(block, proven) for key, block in blocks.items()},
        step_library=_step_library(tree),
        library_install=tree[LIBRARY_INSTALL].decode(),
        agents={boot.PYTHON: tree[AGENT].decode(), boot.SHELL: tree[SHELL_AGENT].decode()},
        agent_unit=tree[AGENT_UNIT].decode(),
        unsupported=known,
        support=proven,
    )


def _with_proof(block: Block, proven: Support) -> Block:
    """Return a built-in block with what was proven of its systems, if it has no text of its own."""
    if block.tested or block.origin != BUILTIN:
        return block
    return replace(block, tested=proven.sentence(block.layer, block.name))


def _step_library(tree: Tree) -> str:
    """Return the step library with its parts inserted, without their header comments."""
    return _PART.sub(
        lambda line: tree[line[1]].decode().partition("\n\n")[2], tree[STEP_LIBRARY].decode()
    )


def valid_name(name: str) -> bool:
    """Return whether a name is a valid name of a block."""
    return _NAME.match(name) is not None


def _collections(tree: Tree, others: Mapping[str, Tree]) -> Iterator[tuple[str, str, Tree]]:
    """Yield the origin, the root of paths in messages, and the files of each set of blocks."""
    yield BUILTIN, "hot", tree
    for folder, files in others.items():
        yield folder, folder, files


def _read_block(
    tree: Tree, folder: str, root: str, origin: str, block_schema: schema.Schema, builtin: Tree
) -> Block:
    """Return the block of a folder such as ``blocks/os/debian``.

    Args:
        tree: files of the folders with the same root.
        folder: the folder of the block.
        root: begin of paths in problems.
        origin: origin of the block.
        block_schema: schema of ``block.yaml``.
        builtin: files below ``hot/``, which contain the bases of blocks.

    Raises:
        ProblemsFound: ``block.yaml``, the folder's name or another file is invalid.
    """
    path = f"{root}/{folder}"
    description, deprecations = _with_current_spelling(
        document.parse(f"{path}/{BLOCK_FILE}", tree[f"{folder}/{BLOCK_FILE}"])
    )
    base = _base_of(description, builtin)
    description = _with_base(description, base, builtin)
    problems = schema.check(description, block_schema)
    own_trust = origin == BUILTIN and folder == TRUST
    layer, name = (TRUST, TRUST) if own_trust else folder.split("/")[-2:]
    if not own_trust and layer not in LAYERS:
        message, hint = f"{layer!r} is not a layer", did_you_mean(layer, LAYERS)
        problems.append(Problem(path, None, message, hint, code=Code.UNKNOWN_LAYER))
    elif not problems and description.data["layer"] != layer:
        message = f"layer is {description.data['layer']!r}, but the folder is {layer!r}"
        hint = f"set 'layer: {layer}', or move the folder"
        problems.append(description.problem(("layer",), message, hint, code=Code.LAYER_MISMATCH))
    if not valid_name(name):
        message = f"invalid block name {name!r}"
        hint = f"use at most {MAX_NAME} lower-case letters, digits and hyphens"
        problems.append(Problem(path, None, message, hint, code=Code.INVALID_BLOCK_NAME))
    files, not_text = _texts(tree, folder, root)
    problems += not_text
    paths = {file: f"{path}/{file}" for file in files}
    if base:
        common, _ = _texts(builtin, base, "hot")
        del common[BASE_FILE]
        files = common | files
        paths = {file: f"hot/{base}/{file}" for file in common} | paths
    if not problems:
        problems += boot.problems(layer, description, files)
    if problems:
        raise ProblemsFound(problems, {description.name: description.text})
    data = schema.filled(description.data, block_schema)
    block = _block(layer, name, data, files, origin, description)
    return replace(block, paths=paths, deprecations=deprecations)


def _base_of(description: Document, builtin: Tree) -> str:
    """Return the base of a block, '' for none.

    Raises:
        ProblemsFound: there is no such base.
    """
    base = description.data.get("base") if isinstance(description.data, dict) else None
    if not isinstance(base, str):
        return ""
    if f"{base}/{BASE_FILE}" not in builtin:
        known = [path.removesuffix(f"/{BASE_FILE}") for path in builtin if BASE_FILE in path]
        message, hint = f"there is no base {base!r}", did_you_mean(base, known)
        problem = description.problem(("base",), message, hint, code=Code.UNKNOWN_BASE)
        raise ProblemsFound([problem], {description.name: description.text})
    return base


def _with_base(description: Document, base: str, builtin: Tree) -> Document:
    """Return a ``block.yaml`` with the parts of its base; mappings are merged at any depth."""
    if not base:
        return description
    common = document.parse(f"hot/{base}/{BASE_FILE}", builtin[f"{base}/{BASE_FILE}"]).data
    return replace(description, data=merged(common, description.data))


def _texts(tree: Tree, folder: str, root: str) -> tuple[dict[str, str], list[Problem]]:
    """Return the texts of a folder's files by name, and a problem for each file that is binary."""
    texts: dict[str, str] = {}
    problems = []
    prefix = f"{folder}/"
    for path in sorted(path for path in tree if path.startswith(prefix)):
        try:
            texts[path.removeprefix(prefix)] = tree[path].decode()
        except UnicodeDecodeError:
            hint = "declare binary files as artifacts"
            code = Code.INVALID_ENCODING
            problems.append(
                Problem(f"{root}/{path}", None, "file is not UTF-8 text", hint, code=code)
            )
    return texts, problems


def _with_current_spelling(description: Document) -> tuple[Document, tuple[Problem, ...]]:
    """Return a ``block.yaml`` with "artifact" for "artefact", and a problem for each place.

    heatgen 0.1 spelled it "artefact"; only one more release accepts that spelling.
    """
    deprecations: list[Problem] = []
    current = document.with_renamed_key(description, "artefacts", "artifacts")
    if current is not description:
        message = "the key 'artefacts' is deprecated"
        problem = current.problem(
            ("artifacts",), message, "write 'artifacts'", key=True, code=Code.DEPRECATED_NAME
        )
        deprecations.append(problem)
    inputs = current.data.get("inputs") if isinstance(current.data, dict) else None
    for name, item in inputs.items() if isinstance(inputs, dict) else ():
        source = item.get("from") if isinstance(item, dict) else None
        if isinstance(source, str) and source.startswith(("artefact.", "artefacts")):
            item["from"] = source.replace("artefact", "artifact", 1)
            message = f"the source {source!r} is deprecated"
            path = ("inputs", name, "from")
            hint = f"write {item['from']!r}"
            problem = current.problem(path, message, hint, code=Code.DEPRECATED_NAME)
            deprecations.append(problem)
    return current, tuple(deprecations)


def _duplicate(first: Block, second: Block) -> Problem:
    where = first.document.name.removesuffix(f"/{BLOCK_FILE}")
    message = f"duplicate block {second.layer}/{second.name} (first defined in {where})"
    hint = "rename this folder"
    return Problem(second.document.name, None, message, hint, code=Code.DUPLICATE_BLOCK)


def _block_folders(tree: Tree) -> list[str]:
    """Return the folders with a ``block.yaml``."""
    return sorted(path.removesuffix(f"/{BLOCK_FILE}") for path in tree
                  if path.endswith(f"/{BLOCK_FILE}"))  # fmt: skip


def _block(
    layer: str,
    name: str,
    data: dict[str, Any],
    files: dict[str, str],
    origin: str,
    description: Document,
) -> Block:
    roles = _roles(data["roles"])
    return Block(
        layer=layer,
        name=name,
        summary=data["summary"],
        description=data["description"].strip(),
        roles=roles,
        options=data["options"],
        artifacts={
            key: Artifact(item["url"], item.get("checksums", ""))
            for key, item in data["artifacts"].items()
        },
        images=data["images"],
        configs={
            key: Config(
                file=item["file"],
                settings={key: _setting(value) for key, value in item.get("set", {}).items()},
                override=item.get("override", ""),
                format=item["format"],
                fixed=item.get("fixed", {}),
                hardened=item.get("hardened", {}),
                schema=item.get("schema", ""),
            )
            for key, item in data["configs"].items()
        },
        patches=data["patches"],
        certificates=tuple(_certificate(*item) for item in data["certificates"].items()),
        volumes={
            key: VolumeOptions(item["size"], item["type"]) for key, item in data["volumes"].items()
        },
        needs=tuple(_need(item) for item in data["needs"]),
        inputs={
            key: Input(key, item["from"], item["description"])
            for key, item in data["inputs"].items()
        },
        steps=tuple(_step(item, roles) for item in data["steps"]),
        ports=tuple(_port(item) for item in data["ports"]),
        address_pairs=tuple(
            AddressPairs(item["network"], _condition(item), item["why"])
            for item in data["address_pairs"]
        ),
        facts=data["facts"],
        conformance=tuple(data["conformance"]),
        files=files,
        paths={},
        boot=boot.read(name, data["boot"], files),
        also=tuple(data["also"]),
        status=data["status"],
        tested=data["tested"].strip(),
        load_balancers=tuple(data["load_balancers"]),
        origin=origin,
        document=description,
    )


def _setting(data: str | list[str] | dict[str, Any]) -> Setting:
    if isinstance(data, dict):
        return Setting(data["from"], _condition(data))
    return Setting(data, {})


def _need(data: dict[str, Any]) -> Need:
    layer, _, option = data["option"].partition(".")
    return Need(layer, option, data["at_least"], data.get("below", ""), data["why"])


def _certificate(name: str, data: dict[str, Any]) -> Certificate:
    return Certificate(
        name=name,
        authority=data["authority"],
        roles=_roles(data["roles"]),
        subject=data["subject"],
        usages=tuple(data["usages"]),
        names=tuple(data.get("names", ())),
        owner=data["owner"],
        when=_condition(data),
    )


def _step(data: dict[str, Any], block_roles: tuple[str, ...]) -> Step:
    first_only = data.get("only") == "first"
    return Step(
        name=data["name"],
        script=data["script"],
        roles=(CONTROL,) if first_only else _roles(data.get("roles", block_roles)),
        first_only=first_only,
        requires=tuple(data["requires"]),
        provides=tuple(data["provides"]),
        inputs=_step_inputs(data.get("inputs", ())),
        outputs=data.get("outputs", {}),
        timeout=data["timeout"],
        when=_condition(data),
    )


def _step_inputs(items: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return names to roles from items ``NAME`` (all roles) and ``NAME@ROLE``."""
    inputs: dict[str, tuple[str, ...]] = {}
    for item in items:
        name, _, role = item.partition("@")
        inputs[name] = (*inputs.get(name, ()), role) if role else ROLES
    return inputs


def _port(data: dict[str, Any]) -> Port:
    return Port(
        port=str(data.get("port", "")),
        protocol=data["protocol"],
        to=_roles(data["to"]),
        origins=tuple(data["from"]),
        why=data["why"],
        when=_condition(data),
    )


def _condition(data: dict[str, Any]) -> Condition:
    return {source: tuple(values) for source, values in data.get("when", {}).items()}


def _roles(names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return roles in the order of :data:`ROLES`."""
    return tuple(role for role in ROLES if role in names)
