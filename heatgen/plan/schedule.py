# SPDX-License-Identifier: Apache-2.0
"""The steps of a plan: on which servers they run, and in which order."""

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from heatgen.blocks.catalog import Block, Step
from heatgen.blocks.references import Unresolved
from heatgen.hot import names
from heatgen.layers import CONTROL, WORKER, role_of
from heatgen.plan import inputs
from heatgen.plan.inputs import BlockContext, PlanContext
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound


@dataclass(frozen=True, kw_only=True)
class StepInstance:
    """A step on a control-plane node or a group of workers, before its inputs are resolved."""

    block: Block
    step: Step
    group: str
    index: int | None
    config: str

    @property
    def name(self) -> str:
        """Return the name of its deployment."""
        return names.step_deployment(self.block.layer, self.step.name, self.group, self.index)

    @property
    def role(self) -> str:
        """Return the role of its servers."""
        return role_of(self.group)


def instances(context: PlanContext) -> tuple[list[StepInstance], list[StepInstance]]:
    """Return every step on all its servers, and separately those whose condition is false."""
    on: list[StepInstance] = []
    off: list[StepInstance] = []
    for block in context.blocks:
        for step in block.steps:
            for instance in _instances(context, block, step):
                try:
                    enabled = inputs.holds(step.when, BlockContext(context, block, instance.group))
                except Unresolved as error:
                    path = ("steps", block.steps.index(step), "when")
                    code = Code.UNRESOLVED_REFERENCE
                    problem = block.document.problem(path, str(error), code=code)
                    raise ProblemsFound([problem], sources([instance])) from None
                (on if enabled else off).append(instance)
    return on, off


def _instances(context: PlanContext, block: Block, step: Step) -> Iterator[StepInstance]:
    """Yield a step on the servers of its roles."""
    main = context.groups[CONTROL][block.layer].name == block.name
    config = names.step_config(block.layer, step.name, "" if main else block.name)
    users = context.users(block)
    if CONTROL in step.roles and CONTROL in users:
        count = 1 if step.first_only else context.spec.control_plane.count
        for index in range(count):
            yield StepInstance(block=block, step=step, group=CONTROL, index=index, config=config)
    if WORKER in step.roles:
        for group in users:
            if group != CONTROL:
                yield StepInstance(block=block, step=step, group=group, index=None, config=config)


def requirements(steps: list[StepInstance], off: list[StepInstance]) -> dict[str, tuple[str, ...]]:
    """Return the names of the deployments that each step depends on.

    A capability whose providers are all disabled is satisfied.
    """
    problems: list[Problem] = []
    needs: dict[str, tuple[str, ...]] = {}
    for instance in steps:
        found: set[str] = set()
        for capability in instance.step.requires:
            providers = _providers(instance, capability, steps)
            if not providers and not _providers(instance, capability, off):
                message = (
                    f"step {instance.step.name!r} requires {capability!r}, which no step provides"
                )
                code = Code.MISSING_CAPABILITY
                problems.append(instance.block.document.problem(("steps",), message, code=code))
            found.update(provider.name for provider in providers)
        needs[instance.name] = tuple(sorted(found - {instance.name}))
    if problems:
        raise ProblemsFound(problems, sources(steps))
    return needs


def _providers(
    instance: StepInstance, capability: str, steps: list[StepInstance]
) -> list[StepInstance]:
    """Return the steps that provide a capability to a step.

    ``name`` is provided by the step on the same server (or group of workers), else by those on
    servers of the same role, else by all. ``name@role`` is provided by all steps on servers of a
    role, ``name@all`` by all steps.
    """
    name, _, role = capability.partition("@")
    every = [other for other in steps if name in other.step.provides]
    if role:
        return [other for other in every if role in ("all", other.role)]
    same_role = [other for other in every if other.role == instance.role]
    server = (instance.group, instance.index)
    same_server = [other for other in same_role if (other.group, other.index) == server]
    return same_server or same_role or every


def in_order(steps: list[StepInstance], needs: Mapping[str, tuple[str, ...]]) -> list[StepInstance]:
    """Return the steps, each after those it depends on, otherwise in the order of the layers."""
    by_name = {instance.name: instance for instance in steps}
    rank = {name: number for number, name in enumerate(by_name)}
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        message = f"steps depend on each other: {' <- '.join(error.args[1])}"
        document = by_name[error.args[1][0]].block.document
        problem = document.problem(("steps",), message, code=Code.STEP_CYCLE)
        raise ProblemsFound([problem], sources(steps)) from None
    ordered = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        ordered += [by_name[name] for name in ready]
        sorter.done(*ready)
    return ordered


def first_configs(steps: list[StepInstance], needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the configurations of steps that can run on a node before any other is complete."""
    by_name = {instance.name: instance for instance in steps}
    before: dict[str, set[str]] = {}
    for instance in in_order(steps, needs):
        before[instance.name] = set().union(
            *({need} | before[need] for need in needs[instance.name])
        )
    return {
        instance.config
        for instance in steps
        if not any(
            (by_name[name].group, by_name[name].index) == (instance.group, instance.index)
            for name in before[instance.name]
        )
    }


def sources(steps: list[StepInstance]) -> dict[str, str]:
    """Return the texts of the steps' blocks by file name, for reports of problems."""
    return {instance.block.document.name: instance.block.document.text for instance in steps}
