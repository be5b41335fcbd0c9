# SPDX-License-Identifier: Apache-2.0
"""Builder of a plan: servers, volumes, steps with their inputs and order.

:mod:`heatgen.render.template` writes the plan as HOT and decides nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from heatgen.blocks.catalog import BUILTIN, Block, Catalog
from heatgen.blocks.pins import Pins
from heatgen.blocks.references import Unresolved, option_text
from heatgen.layers import CONTROL, LAYERS, ORCHESTRATION
from heatgen.plan import inputs, schedule, security_groups
from heatgen.plan.inputs import BlockContext, PlanContext, Value
from heatgen.plan.model import ControlServer, Deployment, Plan, StepConfig, Volume
from heatgen.plan.schedule import StepInstance
from heatgen.plan.shell_comments import without_comments
from heatgen.spec import addresses, option_conditions
from heatgen.spec.block_selection import group_blocks
from heatgen.spec.model import Spec
from heatgen.spec.validation import max_workers
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

LIBRARY_LINE = '# shellcheck source=hot/lib/step.sh\nsource "$HEATGEN_LIB/step.sh"\n'
"""The lines of a script that source the library; the first steps install it before them."""
LIBRARY_FOLDER = "/opt/heatgen/lib"
"""Folder of the library on a node."""


def build_plan(
    spec: Spec, catalog: Catalog, pins: Pins, admin_request: str, backup_certificate: str = ""
) -> Plan:
    """Return the plan of a cluster.

    Args:
        spec: the specification of the cluster.
        catalog: the blocks.
        pins: digests of artifacts and images.
        admin_request: the administrator's certificate request, PEM.
        backup_certificate: certificate of the key that opens backups, PEM; '' for none.

    Raises:
        ProblemsFound: an input cannot be resolved, or no step provides a required capability.
    """
    context = PlanContext(spec, group_blocks(spec, catalog), pins)
    steps, off = schedule.instances(context)
    needs = schedule.requirements(steps, off)
    values = _resolved_inputs(context, steps)
    return Plan(
        spec=spec,
        control=tuple(
            ControlServer(index, address) for index, address in enumerate(context.control_addresses)
        ),
        api_host=context.api_host,
        api_external=context.api_external,
        max_workers=max_workers(spec, catalog),
        pool=None if spec.cloud.subnet else addresses.pool(spec.cloud.nodes),
        volumes=tuple(_volumes(context)),
        rules=security_groups.rules(context),
        pair_networks=option_conditions.pair_networks(spec, context.blocks),
        configs=tuple(
            _configs(steps, values, schedule.first_configs(steps, needs), catalog.library_install)
        ),
        deployments=tuple(
            _deployment(instance, needs[instance.name], values[instance.name])
            for instance in schedule.in_order(steps, needs)
        ),
        library=without_comments(catalog.step_library.strip()),
        boots={group: blocks[LAYERS[0]].boot for group, blocks in context.groups.items()},
        agents=catalog.agents,
        agent_unit=catalog.agent_unit,
        admin_request=admin_request,
        backup_certificate=backup_certificate,
        dns=_dns(context),
        artifacts=dict(line.split(" ") for line in _artifacts(context)),
        images=tuple(sorted(_images(context))),
        facts={block.name: _facts(context, block) for block in context.blocks if block.facts},
    )


def _volumes(context: PlanContext) -> Iterator[Volume]:
    """Yield the volumes of the control plane's blocks, node by node."""
    spec, zones = context.spec, context.spec.control_plane.machine.volume_zones
    for block in context.groups[CONTROL].values():
        for name, volume in block.volumes.items():
            size = inputs.volume_size(spec, block, name)
            kind = str(spec.options_of(block)[volume.type])
            for index in range(spec.control_plane.count if size else 0):
                zone = zones[index % len(zones)] if zones else ""
                yield Volume(
                    layer=block.layer, name=name, index=index, size=size, type=kind, zone=zone
                )


def around_library(script: str, install: str) -> tuple[str, str]:
    """Return the parts before and after the library of a script that installs it.

    Args:
        script: the script of the step.
        install: ``hot/lib/install.sh``, in which the library replaces the word LIBRARY.
    """
    head, body = script.split(LIBRARY_LINE)
    before, after = install.split("\nLIBRARY\n")
    return f"{head}{before}\n", f"\n{after}{LIBRARY_LINE}{body}"


def _resolved_inputs(
    context: PlanContext, steps: list[StepInstance]
) -> dict[str, dict[str, Value]]:
    """Return the inputs of each step by name."""
    problems: list[Problem] = []
    values: dict[str, dict[str, Value]] = {}
    factor = context.spec.site.timeout_factor
    for instance in steps:
        block_context = BlockContext(context, instance.block, instance.group)
        values[instance.name] = {
            "HEATGEN_LIB": LIBRARY_FOLDER,
            "HEATGEN_STEP": f"{instance.block.layer}/{instance.step.name}",
            "HEATGEN_ROLE": instance.role,
            "HEATGEN_GROUP": instance.group,
            "HEATGEN_TIMEOUT": str(instance.step.timeout * factor),
        }
        if factor != 1:
            values[instance.name]["HEATGEN_TIMEOUT_FACTOR"] = str(factor)
        for name, roles in instance.step.inputs.items():
            if instance.role not in roles:
                continue
            if name not in instance.block.inputs:
                message = f"step {instance.step.name!r} uses an undeclared input {name}"
                code = Code.UNDECLARED_NAME
                problems.append(instance.block.document.problem(("steps",), message, code=code))
                continue
            try:
                values[instance.name][name] = inputs.resolve(
                    instance.block.inputs[name].source, block_context
                )
            except inputs.Unpinned as error:
                hint = "run 'heatgen lock'"
                code = Code.INCOMPLETE_LOCK
                problems.append(Problem(context.pins.name, None, str(error), hint, code=code))
            except Unresolved as error:
                path = ("inputs", name, "from")
                code = Code.UNRESOLVED_REFERENCE
                problems.append(instance.block.document.problem(path, str(error), code=code))
    if problems:
        raise ProblemsFound(problems, schedule.sources(steps))
    return values


def _configs(
    steps: list[StepInstance],
    values: Mapping[str, Mapping[str, Value]],
    first: set[str],
    install: str,
) -> Iterator[StepConfig]:
    """Yield one configuration for each step of a block, which all its deployments share."""
    # Declare inputs that only one role has, too.
    kinds: dict[str, dict[str, str]] = {}
    for instance in steps:
        kinds.setdefault(instance.config, {}).update(
            (key, "Json" if inputs.is_map(value) else "String")
            for key, value in values[instance.name].items()
        )
    for instance in {instance.config: instance for instance in steps}.values():
        text = instance.block.files.get(instance.step.script)
        if text is None or text.count(LIBRARY_LINE) != 1:
            file = instance.block.document.name.removesuffix("block.yaml") + instance.step.script
            lines = " and ".join(LIBRARY_LINE.splitlines())
            message, code = f"script must have the lines {lines} once", Code.SCRIPT_CONVENTION
            if text is None:
                message, code = "script is missing", Code.MISSING_BLOCK_FILE
            raise ProblemsFound([Problem(file, None, message, code=code)])
        script: tuple[str, ...] = (text,)
        if instance.config in first:
            script = around_library(text, install)
        if instance.block.origin == BUILTIN:
            script = tuple(without_comments(part) for part in script)
        yield StepConfig(instance.config, script, kinds[instance.config], instance.step.outputs)


def _deployment(
    instance: StepInstance, needs: tuple[str, ...], values: Mapping[str, Value]
) -> Deployment:
    return Deployment(
        name=instance.name,
        layer=instance.block.layer,
        step=instance.step.name,
        group=instance.group,
        index=instance.index,
        config=instance.config,
        requires=needs,
        inputs=values,
    )


def _dns(context: PlanContext) -> str:
    block_context = BlockContext(context, context.groups[CONTROL][ORCHESTRATION], CONTROL)
    return str(inputs.resolve("orchestration.dns", block_context))


def _artifacts(context: PlanContext) -> list[str]:
    """Return lines "URL SHA256" of the artifacts of all groups, in the order of the layers."""
    lines = [line for group in context.groups for line in inputs.group_artifacts(context, group)]
    return list(dict.fromkeys(lines))


def _images(context: PlanContext) -> set[str]:
    """Return references of images with digests; an unused image may have no pin."""
    found = set()
    for block in context.blocks:
        block_context = BlockContext(context, block, context.users(block)[0])
        for name in block.images:
            with contextlib.suppress(inputs.Unpinned):
                found.add(str(inputs.resolve(f"image.{name}", block_context)))
    return found


def _facts(context: PlanContext, block: Block) -> dict[str, Any]:
    """Return a block's facts with their values.

    Raises:
        ProblemsFound: a fact has an invalid reference.
    """
    try:
        return _fact_values(context, block)
    except Unresolved as error:
        problem = block.document.problem(("facts",), str(error), code=Code.UNRESOLVED_REFERENCE)
        raise ProblemsFound([problem], {block.document.name: block.document.text}) from None


def _fact_values(context: PlanContext, block: Block) -> dict[str, Any]:
    block_context = BlockContext(context, block, context.users(block)[0])
    options = context.spec.options_of(block)
    facts: dict[str, Any] = {}
    for name, fact in block.facts.items():
        if isinstance(fact, str):
            facts[name] = option_text(fact, options)
        elif isinstance(fact, dict) and "from" in fact:
            if inputs.holds(fact.get("when", {}), block_context):
                facts[name] = inputs.resolve(fact["from"], block_context)
        elif isinstance(fact, dict):
            facts[name] = [
                option_text(fact["value"], {"address": address})
                for address in context.control_addresses
            ]
        else:
            facts[name] = fact
    return facts
