# SPDX-License-Identifier: Apache-2.0
"""Block linter: checks the consistency of a block, alone and in a cluster.

:mod:`heatgen.blocks.catalog` checks ``block.yaml`` against its schema. The linter compares it with
the scripts, and plans a cluster of defaults with every block.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import jsonschema

from heatgen.authoring import script_scan
from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, WORKS, Block, Catalog, Step
from heatgen.blocks.references import Unresolved
from heatgen.blocks.unsupported import SUCCESSOR
from heatgen.layers import GROUP_LAYERS, OS, TRUST
from heatgen.plan import config_files
from heatgen.plan.build import build_plan
from heatgen.spec import override_schema
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.model import NO_BALANCER, OCTAVIA, VIP
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document, schema
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound, did_you_mean

_TRIAL = "name: trial\ncloud: {external_network: n, image: i, flavor: f}\n"
_CONTROL_PLANES = {
    NO_BALANCER: "count: 1", VIP: "count: 3", OCTAVIA: "count: 3, load_balancer: octavia"
}  # fmt: skip
"""Control planes that together cover all branches of the plan, by their load balancer."""
_COMPUTED = {("orchestration", "services"), (OS, "user")}
"""Options that are used by heatgen itself."""
EXAMPLE = "example.yaml"
"""Name of the example in a block's folder, a ``cluster.yaml`` that uses the block."""
_OTHER_FILES = ("README.rst", EXAMPLE, BLOCK_FILE)
"""Files of a block that are not referenced in ``block.yaml``."""


def check(
    catalog: Catalog,
    executables: frozenset[str],
    cluster_schema: schema.Schema,
    chosen: Iterable[Block] | None = None,
) -> tuple[list[Problem], dict[str, str]]:
    """Return all problems of the blocks of a catalog, and the texts to quote from.

    Args:
        catalog: the blocks.
        executables: executable files of blocks, named as in problems.
        cluster_schema: schema of ``cluster.yaml``.
        chosen: blocks to check; by default all, and the list of unsupported systems.
    """
    problems: list[Problem] = []
    sources: dict[str, str] = {}
    blocks = catalog.all_blocks() if chosen is None else list(chosen)
    for block in blocks:
        problems += check_block(block, executables)
        sources |= {block.paths[name]: text for name, text in block.files.items()}
    problems += _unused_options(catalog, blocks)
    problems += _unknown_patches(catalog, blocks)
    if chosen is None:
        problems += check_systems(catalog)
        if catalog.unsupported.document is not None:
            sources[catalog.unsupported.document.name] = catalog.unsupported.document.text
    if not problems:
        for block in blocks:
            if block.layer != TRUST:
                for balancer, control_plane in _CONTROL_PLANES.items():
                    if balancer in (block.load_balancers or _CONTROL_PLANES):
                        problems += _trial(block, control_plane, catalog, cluster_schema)
                problems += _check_example(block, catalog, cluster_schema)
    return problems, sources


def check_systems(catalog: Catalog) -> Iterator[Problem]:
    """Yield problems of the list of unsupported systems: duplicates and unknown blocks."""
    text = catalog.unsupported.document
    if text is None:
        return
    code = Code.INCONSISTENT_UNSUPPORTED_LIST
    seen: set[tuple[str, str]] = set()
    for system in catalog.unsupported.known:
        layer, path = system.layer, (system.layer, system.name)
        own = [
            name for name in catalog.names(layer) if catalog.blocks[layer, name].origin == BUILTIN
        ]
        for name in (system.name, *system.also):
            if name in own:
                message = f"block {layer}/{name} exists"
                yield text.problem(path, message, "remove the entry", code=code)
            if (layer, name) in seen:
                message = f"{name!r} is listed more than once in layer {layer}"
                yield text.problem(path, message, code=code)
            seen.add((layer, name))
        if system.use not in own:
            message = f"block {layer}/{system.use} does not exist"
            hint = did_you_mean(system.use, own)
            yield text.problem((*path, "use"), message, hint, code=code)
        if (system.state == SUCCESSOR) != bool(system.successor):
            message = "'state: successor' and 'successor' require each other"
            yield text.problem((*path, "state"), message, code=code)
        known = {*own, *(item.name for item in catalog.unsupported.known if item.layer == layer)}
        if system.successor and system.successor not in known - {system.name}:
            message = f"successor {system.successor!r} is neither a block nor an entry of this list"
            yield text.problem((*path, "successor"), message, code=code)


def check_block(block: Block, executables: frozenset[str]) -> list[Problem]:
    """Return all problems of one block alone."""
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
    """Check that each option is a valid schema, and that its default matches it."""
    for name, option in block.options.items():
        path = ("options", name)
        if name == "use":
            message = "option name 'use' is reserved for the name of the block"
            yield block.document.problem(
                path, message, "rename the option", code=Code.INVALID_OPTION_DECLARATION
            )
        try:
            jsonschema.Draft202012Validator.check_schema(option)
        except jsonschema.SchemaError as error:
            message = f"not valid JSON Schema: {error.message}"
            yield block.document.problem(path, message, code=Code.INVALID_OPTION_DECLARATION)
            continue
        reason = schema.check_value(option["default"], option)
        if reason:
            message = f"the default is not valid: {reason}"
            yield block.document.problem((*path, "default"), message, code=Code.INVALID_DEFAULT)


def _check_steps(block: Block) -> Iterator[Problem]:
    """Check that step names are unique, roles are the block's, and inputs are declared."""
    seen: set[str] = set()
    for number, step in enumerate(block.steps):
        path = ("steps", number)
        if step.name in seen:
            message = f"duplicate step {step.name!r}"
            yield block.document.problem((*path, "name"), message, code=Code.DUPLICATE_STEP)
        seen.add(step.name)
        for role in set(step.roles) - set(block.roles):
            message = f"role {role!r} is not one of the block's roles"
            yield block.document.problem(path, message, code=Code.ROLE_NOT_IN_BLOCK)
        for name in step.inputs:
            if name not in block.inputs:
                message = f"input {name} is not declared under 'inputs'"
                yield block.document.problem((*path, "inputs"), message, code=Code.UNDECLARED_NAME)


def _check_inputs(block: Block) -> Iterator[Problem]:
    """Check that steps use all inputs, and that inputs use all artifacts, images and so on."""
    used = {name for step in block.steps for name in step.inputs}
    for name in block.inputs:
        if name not in used:
            message = f"no step uses input {name}"
            yield block.document.problem(("inputs", name), message, code=Code.UNUSED_DECLARATION)
    sources = sources_used(block)
    for family, section in (
        ("artifact", block.artifacts), ("image", block.images), ("config", block.configs),
        ("volume", block.volumes),
    ):  # fmt: skip
        for name in section:
            if f"{family}.{name}" not in sources:
                path = (f"{family}s", name)
                message = f"{family} {name!r} is not used"
                yield block.document.problem(path, message, code=Code.UNUSED_DECLARATION)


def _check_outputs(block: Block) -> Iterator[Problem]:
    """Check that declared outputs are written, and written ones declared."""
    for number, step in enumerate(block.steps):
        text = block.files.get(step.script, "")
        for name in step.outputs:
            if not script_scan.writes_output(text, name):
                path = ("steps", number, "outputs", name)
                message = f"{step.script} does not write output {name!r}"
                yield block.document.problem(path, message, code=Code.OUTPUT_NOT_WRITTEN)
        for occurrence in script_scan.written_outputs(text):
            if occurrence.text not in {*step.outputs, "problem"}:
                message = f"output {occurrence.text!r} is not declared by step {step.name!r}"
                yield _in_script(block, step, occurrence, message, Code.UNDECLARED_NAME)


def _check_files(block: Block) -> Iterator[Problem]:
    """Check that referenced files exist, and that existing files are referenced."""
    named = {step.script: ("steps",) for step in block.steps}
    for config in block.configs.values():
        named |= {name: ("configs",) for name in (config.file, config.schema) if name}
    named |= {source.removeprefix("file:"): ("inputs",) for source in sources_used(block)
              if source.startswith("file:")}  # fmt: skip
    boot = block.document.data.get("boot") or {}
    named |= dict.fromkeys((boot.get("files") or {}).values(), ("boot", "files"))
    for name, path in named.items():
        if name not in block.files:
            message = f"file {name} does not exist"
            yield block.document.problem(path, message, code=Code.MISSING_BLOCK_FILE)
    for name in block.files:
        if name not in named and name not in _OTHER_FILES:
            message, hint = "the file is not used", f"remove it, or reference it in {BLOCK_FILE}"
            yield Problem(block.paths[name], None, message, hint, code=Code.UNUSED_FILE)


def _check_configs(block: Block) -> Iterator[Problem]:
    """Check that base files and schemas can be parsed, and that base files match their schema."""
    for name, config in block.configs.items():
        try:
            base = config_files.base(config.file, block.files.get(config.file, "{}"))
            if config.schema in block.files:
                reason = schema.check_value(base, override_schema.of(block, config, ""))
                if reason:
                    raise ValueError(f"{config.file} does not match {config.schema}: {reason}")
        except ProblemsFound as found:
            yield from found.problems
        except ValueError as error:
            yield block.document.problem(("configs", name), str(error), code=Code.INVALID_BASE_FILE)


def _check_certificates(block: Block) -> Iterator[Problem]:
    """Check roles, placeholders in subjects, and names of certificates."""
    for certificate in block.certificates:
        path = ("certificates", certificate.name)
        for role in set(certificate.roles) - set(block.roles):
            message = f"role {role!r} is not one of the block's roles"
            yield block.document.problem(path, message, code=Code.ROLE_NOT_IN_BLOCK)
        code = Code.INVALID_CERTIFICATE
        if "{" in certificate.subject.replace("{node}", ""):
            message = "a subject can only contain the placeholder {node}"
            yield block.document.problem((*path, "subject"), message, code=code)
        if "server" in certificate.usages and not certificate.names and block.layer != TRUST:
            # Clients verify the name even where peers are authorized by common name.
            message = "'names' is required for a server's certificate"
            yield block.document.problem(path, message, code=code)


def _check_scripts(block: Block, executables: frozenset[str]) -> Iterator[Problem]:
    for step in block.steps:
        text = block.files.get(step.script)
        if text is None:
            continue
        path = block.paths[step.script]
        if path not in executables:
            message, hint = "the script is not executable", f"run: chmod +x {path}"
            yield Problem(path, None, message, hint, code=Code.SCRIPT_NOT_EXECUTABLE)
        code = Code.SCRIPT_CONVENTION
        if not script_scan.has_head(text):
            message = "the script does not begin with the required lines"
            hint = "begin with:\n" + "".join(
                f"    {line}\n" for line in script_scan.HEAD.splitlines()
            )
            yield Problem(path, Position(1, 1), message, hint.rstrip(), code=code)
        if not script_scan.has_final_message(text):
            message = "the script does not end with a message"
            yield Problem(path, None, message, 'end with: echo "RESULT OF THE STEP."', code=code)
        yield from _check_script(block, step, text)


def _check_script(block: Block, step: Step, text: str) -> Iterator[Problem]:
    """Check that a script uses exactly the inputs of its step, and contains no templates."""
    for occurrence in script_scan.undeclared(text, frozenset(step.inputs)):
        message = f"{occurrence.text} is not an input of step {step.name!r}"
        hint = "add it to the inputs of the step, or use a lower-case name"
        yield _in_script(block, step, occurrence, message, Code.UNDECLARED_NAME, hint)
    for name in step.inputs:
        if not script_scan.uses_input(text, name):
            path = ("steps", block.steps.index(step), "inputs")
            message = f"{step.script} does not use input {name}"
            yield block.document.problem(path, message, code=Code.UNUSED_DECLARATION)
    for occurrence in script_scan.template_expressions(text):
        message = f"scripts are not templates, but this one contains {occurrence.text!r}"
        hint = "pass the value as an input"
        yield _in_script(block, step, occurrence, message, Code.TEMPLATE_IN_SCRIPT, hint)


def _in_script(
    block: Block,
    step: Step,
    occurrence: script_scan.Occurrence,
    message: str,
    code: Code,
    hint: str = "",
) -> Problem:
    position = Position(occurrence.line, occurrence.column, len(occurrence.text))
    return Problem(block.paths[step.script], position, message, hint, code=code)


def sources_used(block: Block) -> set[str]:
    """Return all sources that a block refers to."""
    sources = {item.source for item in block.inputs.values()}
    for config in block.configs.values():
        for setting in config.settings.values():
            sources |= setting.sources
    for fact in block.facts.values():
        if isinstance(fact, dict) and "from" in fact:
            sources |= {fact["from"], *fact.get("when", {})}
    sources.update(*(step.when for step in block.steps))
    sources.update(*(port.when for port in block.ports))
    sources.update(*(certificate.when for certificate in block.certificates))
    return sources


def _unknown_patches(catalog: Catalog, blocks: Iterable[Block]) -> Iterator[Problem]:
    """Yield patches of configurations that no block declares."""
    known = {name for block in catalog.all_blocks() for name in block.overrides}
    for block in blocks:
        for name in set(block.patches) - known:
            message = f"no block declares a configuration with the override {name!r}"
            hint = did_you_mean(name, known)
            yield block.document.problem(
                ("patches", name), message, hint, code=Code.UNKNOWN_OVERRIDE
            )


def _unused_options(catalog: Catalog, blocks: Iterable[Block]) -> Iterator[Problem]:
    """Yield options without effect."""
    everywhere = {source for block in catalog.all_blocks() for source in sources_used(block)}
    for block in blocks:
        texts = _formatted_texts(block)
        for name in block.options:
            named = {f"options.{name}"} & sources_used(block)
            named |= {f"{block.layer}.{name}"} & everywhere
            named |= {name} & {
                option for volume in block.volumes.values() for option in (volume.size, volume.type)
            }
            computed = (block.layer, name) in _COMPUTED
            if not named and not computed and not any(f"{{{name}}}" in text for text in texts):
                message = f"option {name!r} is not used"
                yield block.document.problem(
                    ("options", name), message, code=Code.UNUSED_DECLARATION
                )


def _formatted_texts(block: Block) -> list[str]:
    """Return the texts in which ``{option}`` is replaced."""
    return [
        *(text for item in block.artifacts.values() for text in (item.url, item.checksums)),
        *block.images.values(),
        *(port.port for port in block.ports),
        *(fact for fact in block.facts.values() if isinstance(fact, str)),
    ]


def _trial(
    block: Block, control_plane: str, catalog: Catalog, cluster_schema: schema.Schema
) -> list[Problem]:
    """Plan a cluster of defaults with a block; in some layers also one where a group uses it."""
    text = f"{_TRIAL}control_plane: {{{control_plane}}}\n"
    trials = [f"{text}{block.layer}: {{use: {block.name}}}\n"]
    if block.layer in GROUP_LAYERS:
        group = f"{{name: b, image: other, {block.layer}: {block.name}}}"
        trials.append(f"{text}workers: [{{name: a}}, {group}]\n")
    # A planned block must work when it becomes available.
    key = (block.layer, block.name)
    catalog = replace(catalog, blocks={**catalog.blocks, key: replace(block, status=WORKS)})
    return [
        problem
        for trial in trials
        for problem in _plan("trial.yaml", trial, block, catalog, cluster_schema)
    ]


def _check_example(block: Block, catalog: Catalog, cluster_schema: schema.Schema) -> list[Problem]:
    """Check that the block's example is a valid ``cluster.yaml`` that uses the block."""
    text = block.files.get(EXAMPLE)
    if text is None:
        return []
    name = block.document.name.removesuffix(BLOCK_FILE) + EXAMPLE
    return _plan(name, text, block, catalog, cluster_schema)


def _plan(
    name: str, text: str, block: Block, catalog: Catalog, cluster_schema: schema.Schema
) -> list[Problem]:
    """Plan a ``cluster.yaml`` that has to use a block; return the problems."""
    try:
        spec = read_spec(document.parse(name, text.encode()), catalog, cluster_schema)
        used = used_blocks(group_blocks(spec, catalog))
        if (block.layer, block.name) not in {(item.layer, item.name) for item in used}:
            message = f"the example does not use block {block.layer}/{block.name}"
            hint = f"set {block.layer}: {{use: {block.name}}}"
            return [Problem(name, None, message, hint, code=Code.EXAMPLE_WITHOUT_BLOCK)]
        build_plan(spec, catalog, placeholder_pins(used, spec), "")
    except ProblemsFound as found:
        return list(found.problems)
    except Unresolved as error:
        return [block.document.problem((), str(error), code=Code.UNRESOLVED_REFERENCE)]
    return []
