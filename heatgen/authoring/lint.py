# SPDX-License-Identifier: Apache-2.0
"""The block linter: the consistency of a block, alone and in a cluster.

:mod:`heatgen.blocks.catalog` checks ``block.yaml`` against its schema. The linter compares it with
the scripts, and plans a cluster of defaults with every block.
"""

from collections.abc import Iterable, Iterator

import jsonschema

from heatgen.authoring import script_scan
from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, Block, Catalog, Step
from heatgen.blocks.pins import Pins
from heatgen.blocks.references import Unresolved, artifact_urls, image_references
from heatgen.blocks.unsupported import SUCCESSOR
from heatgen.layers import RUNTIME, TRUST
from heatgen.plan import config_files
from heatgen.plan.build import build_plan
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document, schema
from heatgen.yamlio.problems import Position, Problem, ProblemsFound, did_you_mean

_TRIAL = "name: trial\ncloud: {external_network: n, image: i, flavor: f}\n"
_CONTROL_PLANES = ("count: 1", "count: 3", "count: 3, load_balancer: octavia")
"""Enough for all ways of the plan."""
EXAMPLE = "example.yaml"
"""A ``cluster.yaml`` that shows a block."""
_FREE_FILES = ("README.rst", EXAMPLE, BLOCK_FILE)


def check(
    catalog: Catalog,
    executables: frozenset[str],
    cluster_schema: schema.Schema,
    chosen: Iterable[Block] | None = None,
) -> tuple[list[Problem], dict[str, str]]:
    """Everything that is wrong with the blocks of a catalog, and the texts to quote from.

    Args:
        catalog: the blocks.
        executables: files of blocks that may be executed, as problems name them.
        cluster_schema: the schema of ``cluster.yaml``.
        chosen: the blocks to check; without them all, and the systems that are no blocks.
    """
    problems: list[Problem] = []
    sources: dict[str, str] = {}
    blocks = catalog.all_blocks() if chosen is None else list(chosen)
    for block in blocks:
        problems += check_block(block, executables)
        folder = block.document.name.removesuffix(BLOCK_FILE)
        sources |= {f"{folder}{name}": text for name, text in block.files.items()}
    problems += _unused_options(catalog, blocks)
    problems += _unknown_patches(catalog, blocks)
    if chosen is None:
        problems += check_systems(catalog)
        if catalog.unsupported.document is not None:
            sources[catalog.unsupported.document.name] = catalog.unsupported.document.text
    if not problems:
        for block in blocks:
            if block.layer != TRUST:
                for control_plane in _CONTROL_PLANES:
                    problems += _trial(block, control_plane, catalog, cluster_schema)
                problems += _check_example(block, catalog, cluster_schema)
    return problems, sources


def check_systems(catalog: Catalog) -> Iterator[Problem]:
    """What is called no block is none, and what is offered instead is there."""
    text = catalog.unsupported.document
    if text is None:
        return
    words: set[tuple[str, str]] = set()
    for system in catalog.unsupported.known:
        layer, path = system.layer, (system.layer, system.name)
        own = [
            name for name in catalog.names(layer) if catalog.blocks[layer, name].origin == BUILTIN
        ]
        for word in (system.name, *system.also):
            if word in own:
                yield text.problem(path, f"there is a block {layer}/{word}", "remove it here")
            if (layer, word) in words:
                yield text.problem(path, f"{word!r} is there twice in the layer {layer}")
            words.add((layer, word))
        if system.use not in own:
            message = f"there is no block {layer}/{system.use} to use"
            yield text.problem((*path, "use"), message, did_you_mean(system.use, own))
        if (system.state == SUCCESSOR) != bool(system.successor):
            message = "'state: successor' and 'successor' belong together"
            yield text.problem((*path, "state"), message)
        known = {*own, *(item.name for item in catalog.unsupported.known if item.layer == layer)}
        if system.successor and system.successor not in known - {system.name}:
            message = f"the successor {system.successor!r} is neither a block nor told of here"
            yield text.problem((*path, "successor"), message)


def check_block(block: Block, executables: frozenset[str]) -> list[Problem]:
    """Everything that is wrong inside one block."""
    return [
        *_check_options(block),
        *_check_steps(block),
        *_check_inputs(block),
        *_check_outputs(block),
        *_check_files(block),
        *_check_configs(block),
        *_check_certificates(block),
        *_check_scripts(block, executables),
    ]


def _check_options(block: Block) -> Iterator[Problem]:
    """Each option is a schema, and its default keeps it."""
    for name, option in block.options.items():
        path = ("options", name)
        if name == "use":
            yield block.document.problem(path, "'use' names the block: call the option otherwise")
        try:
            jsonschema.Draft202012Validator.check_schema(option)
        except jsonschema.SchemaError as error:
            yield block.document.problem(path, f"is not JSON Schema: {error.message}")
            continue
        broken = schema.check_value(option["default"], option)
        if broken:
            yield block.document.problem((*path, "default"), f"the default is not valid: {broken}")


def _check_steps(block: Block) -> Iterator[Problem]:
    """Step names are unique, roles are the block's."""
    seen: set[str] = set()
    for number, step in enumerate(block.steps):
        path = ("steps", number)
        if step.name in seen:
            yield block.document.problem((*path, "name"), f"there are two steps {step.name!r}")
        seen.add(step.name)
        for role in set(step.roles) - set(block.roles):
            yield block.document.problem(path, f"role {role!r} is not one of the block's roles")
        for name in step.inputs:
            if name not in block.inputs:
                message = f"input {name} is not declared under 'inputs'"
                yield block.document.problem((*path, "inputs"), message)


def _check_inputs(block: Block) -> Iterator[Problem]:
    """Inputs are used by steps; artifacts, images and configurations by inputs."""
    taken = {name for step in block.steps for name in step.inputs}
    for name in block.inputs:
        if name not in taken:
            yield block.document.problem(("inputs", name), f"no step takes the input {name}")
    sources = sources_used(block)
    for family, section in (
        ("artifact", block.artifacts), ("image", block.images), ("config", block.configs),
        ("volume", block.volumes),
    ):  # fmt: skip
        for name in section:
            if f"{family}.{name}" not in sources:
                path = (f"{family}s", name)
                yield block.document.problem(path, f"nothing uses the {family} {name!r}")


def _check_outputs(block: Block) -> Iterator[Problem]:
    """Declared outputs are written, written ones declared."""
    for number, step in enumerate(block.steps):
        text = block.files.get(step.script, "")
        for name in step.outputs:
            if not script_scan.writes_output(text, name):
                path = ("steps", number, "outputs", name)
                yield block.document.problem(path, f"{step.script} does not write output {name!r}")
        for occurrence in script_scan.written_outputs(text):
            if occurrence.text not in {*step.outputs, "problem"}:
                message = f"output {occurrence.text!r} is not declared by step {step.name!r}"
                yield _in_script(block, step, occurrence, message)


def _check_files(block: Block) -> Iterator[Problem]:
    """Files that are named are there, files that are there are named."""
    named = {step.script: ("steps",) for step in block.steps}
    named |= {config.file: ("configs",) for config in block.configs.values()}
    named |= {source.removeprefix("file:"): ("inputs",) for source in sources_used(block)
              if source.startswith("file:")}  # fmt: skip
    for name, path in named.items():
        if name not in block.files:
            yield block.document.problem(path, f"the file {name} is missing")
    folder = block.document.name.removesuffix(BLOCK_FILE)
    for name in block.files:
        if name not in named and name not in _FREE_FILES:
            yield Problem(f"{folder}{name}", None, "nothing uses this file")


def _check_configs(block: Block) -> Iterator[Problem]:
    """Base files can be read."""
    for name, config in block.configs.items():
        try:
            config_files.base(config.file, block.files.get(config.file, "{}"))
        except ProblemsFound as found:
            yield from found.problems
        except ValueError as error:
            yield block.document.problem(("configs", name), str(error))


def _check_certificates(block: Block) -> Iterator[Problem]:
    """Roles are the block's; subjects hold no placeholder but the node's name."""
    for certificate in block.certificates:
        path = ("certificates", certificate.name)
        for role in set(certificate.roles) - set(block.roles):
            yield block.document.problem(path, f"role {role!r} is not one of the block's roles")
        if "{" in certificate.subject.replace("{node}", ""):
            yield block.document.problem((*path, "subject"), "only {node} may stand in a subject")
        if "server" in certificate.usages and not certificate.names and block.layer != TRUST:
            # Peers that are told apart by their common name still need a name to be reached by.
            yield block.document.problem(path, "a server's certificate needs 'names'")


def _check_scripts(block: Block, executables: frozenset[str]) -> Iterator[Problem]:
    folder = block.document.name.removesuffix(BLOCK_FILE)
    for step in block.steps:
        text = block.files.get(step.script)
        if text is None:
            continue
        path = f"{folder}{step.script}"
        if path not in executables:
            yield Problem(path, None, "is not executable", f"chmod +x {path}")
        if not script_scan.has_head(text):
            hint = "begin with:\n" + "".join(
                f"    {line}\n" for line in script_scan.HEAD.splitlines()
            )
            yield Problem(path, Position(1, 1), "does not begin as every step does", hint.rstrip())
        if not script_scan.has_sentence(text):
            message = "does not end with a sentence for people"
            yield Problem(path, None, message, 'end with: echo "WHAT IS SO NOW."')
        yield from _check_script(block, step, text)


def _check_script(block: Block, step: Step, text: str) -> Iterator[Problem]:
    """Inputs that a script uses are its step's, and the other way round; nothing is templated."""
    for occurrence in script_scan.undeclared(text, frozenset(step.inputs)):
        message = f"uses {occurrence.text}, which is not an input of step {step.name!r}"
        yield _in_script(
            block, step, occurrence, message, "inputs are upper case, all else lower case"
        )
    for name in step.inputs:
        if not script_scan.uses_input(text, name):
            path = ("steps", block.steps.index(step), "inputs")
            yield block.document.problem(path, f"{step.script} does not use the input {name}")
    for occurrence in script_scan.tokens(text):
        message = f"{occurrence.text!r} looks like a template: scripts get inputs, not templates"
        yield _in_script(block, step, occurrence, message)


def _in_script(
    block: Block, step: Step, occurrence: script_scan.Occurrence, message: str, hint: str = ""
) -> Problem:
    folder = block.document.name.removesuffix(BLOCK_FILE)
    position = Position(occurrence.line, occurrence.column, len(occurrence.text))
    return Problem(f"{folder}{step.script}", position, message, hint)


def sources_used(block: Block) -> set[str]:
    """Every reference that a block makes."""
    sources = {item.source for item in block.inputs.values()}
    for config in block.configs.values():
        for setting in config.settings.values():
            sources |= set(setting) if isinstance(setting, list) else {setting}
    sources |= {fact["from"] for fact in block.facts.values()
                if isinstance(fact, dict) and "from" in fact}  # fmt: skip
    sources.update(*(step.when for step in block.steps))
    sources.update(*(port.when for port in block.ports))
    sources.update(*(certificate.when for certificate in block.certificates))
    return sources


def _unknown_patches(catalog: Catalog, blocks: Iterable[Block]) -> Iterator[Problem]:
    """Patches of configurations that no block has."""
    known = {name for block in catalog.all_blocks() for name in block.overrides}
    for block in blocks:
        for name in set(block.patches) - known:
            message = f"no configuration has the override {name!r}"
            yield block.document.problem(("patches", name), message, did_you_mean(name, known))


def _unused_options(catalog: Catalog, blocks: Iterable[Block]) -> Iterator[Problem]:
    """Options that change nothing."""
    everywhere = {source for block in catalog.all_blocks() for source in sources_used(block)}
    for block in blocks:
        texts = _formatted_texts(block)
        for name in block.options:
            named = {f"options.{name}"} & sources_used(block)
            named |= {f"{block.layer}.{name}"} & everywhere
            named |= {name} & {
                option for volume in block.volumes.values() for option in (volume.size, volume.type)
            }
            computed = name == "services" and block.layer == "orchestration"
            if not named and not computed and not any(f"{{{name}}}" in text for text in texts):
                yield block.document.problem(("options", name), f"nothing uses the option {name!r}")


def _formatted_texts(block: Block) -> list[str]:
    """Texts in which ``{option}`` is replaced."""
    return [
        *(text for item in block.artifacts.values() for text in (item.url, item.checksums)),
        *block.images.values(),
        *(port.port for port in block.ports),
        *(fact for fact in block.facts.values() if isinstance(fact, str)),
    ]


def _trial(
    block: Block, control_plane: str, catalog: Catalog, cluster_schema: schema.Schema
) -> list[Problem]:
    """Plan a cluster of defaults with this block; a runtime only on a group of workers, too."""
    text = f"{_TRIAL}control_plane: {{{control_plane}}}\n"
    trials = [f"{text}{block.layer}: {{use: {block.name}}}\n"]
    if block.layer == RUNTIME:
        trials.append(f"{text}workers: [{{name: a}}, {{name: b, runtime: {block.name}}}]\n")
    return [
        problem
        for trial in trials
        for problem in _plan("trial.yaml", trial, block, catalog, cluster_schema)
    ]


def _check_example(block: Block, catalog: Catalog, cluster_schema: schema.Schema) -> list[Problem]:
    """The block's example is a ``cluster.yaml`` that uses it."""
    text = block.files.get(EXAMPLE)
    if text is None:
        return []
    name = block.document.name.removesuffix(BLOCK_FILE) + EXAMPLE
    return _plan(name, text, block, catalog, cluster_schema)


def _plan(
    name: str, text: str, block: Block, catalog: Catalog, cluster_schema: schema.Schema
) -> list[Problem]:
    """What hinders the plan of a ``cluster.yaml`` that is to use a block."""
    try:
        spec = read_spec(document.parse(name, text.encode()), catalog, cluster_schema)
        used = used_blocks(group_blocks(spec, catalog))
        if block not in used:
            hint = f"write {block.layer}: {{use: {block.name}}}"
            return [Problem(name, None, "does not use its block", hint)]
        build_plan(spec, catalog, _any_pins(used, spec), "")
    except ProblemsFound as found:
        return list(found.problems)
    except Unresolved as error:
        return [block.document.problem((), str(error))]
    return []


def _any_pins(blocks: Iterable[Block], spec: Spec) -> Pins:
    """Pins for all that blocks want, of no meaning."""
    artifacts: dict[str, str] = {}
    images: dict[str, str] = {}
    for block in blocks:
        options = spec.options_of(block)
        artifacts |= dict.fromkeys(artifact_urls(block, options).values(), "0" * 64)
        references = image_references(block, options).values()
        images |= dict.fromkeys(references, "sha256:" + "0" * 64)
    return Pins(artifacts, images)
