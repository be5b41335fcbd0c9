# SPDX-License-Identifier: Apache-2.0
"""The plan of a cluster: which servers, which steps on them in which order, with which inputs.

Everything is decided here; :mod:`heatgen.render` only writes it down as HOT.
"""

import contextlib
import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from heatgen import addresses, firewall, inputs, names
from heatgen.catalog import Block, Catalog, Step
from heatgen.inputs import House, Place, Value
from heatgen.names import CONTROL, ORCHESTRATION, WORKER, role_of
from heatgen.pins import Pins
from heatgen.problems import Problem, ProblemsFound
from heatgen.spec import Spec, group_blocks, worker_room

LIBRARY_LINE = '# shellcheck source=hot/lib/step.sh\nsource "$HEATGEN_LIB/step.sh"\n'
"""The lines by which a step's script reads the library; before them the first steps install it."""

LIBRARY_FOLDER = "/opt/heatgen/lib"
"""Where on a node the library lies."""


@dataclass(frozen=True)
class ControlServer:
    """A control-plane node and the address it will have."""

    index: int
    address: IPv4Address


@dataclass(frozen=True)
class Volume:
    """A volume of its own for a control-plane node."""

    layer: str
    name: str
    index: int
    size: int
    """GiB."""
    type: str
    """'' for the cloud's default."""
    zone: str
    """'' for Cinder's choice."""


@dataclass(frozen=True)
class StepConfig:
    """A step's script, with the inputs and outputs that it declares to Heat."""

    name: str
    script: tuple[str, ...]
    """Its text; of a step that installs the library two pieces, the library belongs between."""
    inputs: Mapping[str, str]
    """Name to Heat's type: String or Json."""
    outputs: Mapping[str, str]
    """Name to description."""


@dataclass(frozen=True)
class Deployment:
    """A step on one control-plane node (``index``) or on a group of workers (None)."""

    name: str
    layer: str
    step: str
    group: str
    index: int | None
    config: str
    requires: tuple[str, ...]
    """Names of deployments that must be complete before."""
    inputs: Mapping[str, Value]


@dataclass(frozen=True)
class Plan:
    """A cluster, decided."""

    spec: Spec
    control: tuple[ControlServer, ...]
    worker_room: int
    """How many workers find addresses for themselves and for their pods."""
    pool: tuple[IPv4Address, IPv4Address]
    """First and last address that Neutron hands out to workers."""
    volumes: tuple[Volume, ...]
    rules: tuple[firewall.Rule, ...]
    configs: tuple[StepConfig, ...]
    deployments: tuple[Deployment, ...]
    """In an order in which each comes after those it requires."""
    library: str
    """What all steps share; the first steps of a node install it."""
    agent: str
    agent_unit: str
    admin_request: str
    """The administrator's certificate request (PEM)."""
    dns: str
    """Address of the cluster's DNS."""
    artefacts: Mapping[str, str]
    """What nodes fetch: URL, the mirror's if there is one, to SHA-256."""
    images: tuple[str, ...]
    """References with digests."""
    facts: Mapping[str, Mapping[str, Any]]
    """By block: what the suite must know."""


@dataclass(frozen=True)
class _Slot:
    """A step on its place, before its inputs are resolved."""

    block: Block
    step: Step
    group: str
    index: int | None
    config: str

    @property
    def name(self) -> str:
        return names.step_deployment(self.block.layer, self.step.name, self.group, self.index)

    @property
    def role(self) -> str:
        return role_of(self.group)


def build(spec: Spec, catalog: Catalog, pins: Pins, admin_request: str) -> Plan:
    """Decide everything.

    Args:
        spec: what the cluster shall be.
        catalog: the blocks.
        pins: checksums and digests of all that the blocks fetch.
        admin_request: the administrator's certificate request, PEM.

    Raises:
        ProblemsFound: with every input that cannot be resolved and every requirement that no step
            meets.
    """
    house = House(spec, group_blocks(spec, catalog), pins)
    slots, off = _slots(house)
    needs = _requirements(slots, off)
    planned = addresses.control_addresses(spec.cloud.first_address, spec.control_plane.count)
    values = _resolved_inputs(house, slots)
    return Plan(
        spec=spec,
        control=tuple(ControlServer(index, address) for index, address in enumerate(planned)),
        worker_room=worker_room(spec, catalog),
        pool=addresses.pool(spec.cloud.nodes),
        volumes=tuple(_volumes(house)),
        rules=firewall.rules(house),
        configs=tuple(_configs(slots, values, _first(slots, needs), catalog.library_install)),
        deployments=tuple(
            _deployment(slot, needs[slot.name], values[slot.name])
            for slot in _ordered(slots, needs)
        ),
        library=catalog.step_library.strip(),
        agent=catalog.agent,
        agent_unit=catalog.agent_unit,
        admin_request=admin_request,
        dns=_dns(house),
        artefacts=dict(line.split(" ") for line in _artefacts(house)),
        images=tuple(sorted(_images(house))),
        facts={block.name: _facts(house, block) for block in house.blocks if block.facts},
    )


def _volumes(house: House) -> Iterator[Volume]:
    """The volumes that blocks of the control plane want, node by node."""
    spec, zones = house.spec, house.spec.control_plane.machine.volume_zones
    for block in house.groups[CONTROL].values():
        for name, volume in block.volumes.items():
            size = inputs.volume_size(spec, block, name)
            kind = str(inputs.options_of(spec, block)[volume.type])
            for index in range(spec.control_plane.count if size else 0):
                zone = zones[index % len(zones)] if zones else ""
                yield Volume(block.layer, name, index, size, kind, zone)


def around_library(script: str, install: str) -> tuple[str, str]:
    """What stands before and after the library in the script of a step that installs it first.

    Args:
        script: the step's own.
        install: ``hot/lib/install.sh``, in which the library takes the place of the word LIBRARY.
    """
    head, body = script.split(LIBRARY_LINE)
    before, after = install.split("\nLIBRARY\n")
    # Its first lines are for people and shellcheck.
    before = "\n".join(line for line in before.split("\n") if not line.startswith("#"))
    return f"{head}{before}\n", f"\n{after}{LIBRARY_LINE}{body}"


def _slots(house: House) -> tuple[list[_Slot], list[_Slot]]:
    """Every step on every place it runs at; apart from them, those that are switched off."""
    on: list[_Slot] = []
    off: list[_Slot] = []
    for block in house.blocks:
        for step in block.steps:
            for slot in _places(house, block, step):
                try:
                    chosen = inputs.holds(step.when, Place(house, block, slot.group))
                except inputs.Unresolved as error:
                    path = ("steps", block.steps.index(step), "when")
                    problem = block.document.problem(path, str(error))
                    raise ProblemsFound([problem], _sources([slot])) from None
                (on if chosen else off).append(slot)
    return on, off


def _places(house: House, block: Block, step: Step) -> Iterator[_Slot]:
    """A step on every place of its roles."""
    main = house.groups[CONTROL][block.layer].name == block.name
    config = names.step_config(block.layer, step.name, "" if main else block.name)
    users = house.users(block)
    if CONTROL in step.roles and CONTROL in users:
        count = 1 if step.first_only else house.spec.control_plane.count
        for index in range(count):
            yield _Slot(block, step, CONTROL, index, config)
    if WORKER in step.roles:
        for group in users:
            if group != CONTROL:
                yield _Slot(block, step, group, None, config)


def _requirements(slots: list[_Slot], off: list[_Slot]) -> dict[str, tuple[str, ...]]:
    """For each slot the names of the slots it waits for.

    A capability whose providers are all switched off counts as met.
    """
    problems: list[Problem] = []
    needs: dict[str, tuple[str, ...]] = {}
    for slot in slots:
        found: set[str] = set()
        for capability in slot.step.requires:
            providers = _providers(slot, capability, slots)
            if not providers and not _providers(slot, capability, off):
                message = f"step {slot.step.name!r} requires {capability!r}, which no step provides"
                problems.append(slot.block.document.problem(("steps",), message))
            found.update(provider.name for provider in providers)
        needs[slot.name] = tuple(sorted(found - {slot.name}))
    if problems:
        raise ProblemsFound(problems, _sources(slots))
    return needs


def _providers(slot: _Slot, capability: str, slots: list[_Slot]) -> list[_Slot]:
    """Who provides a capability to a slot.

    ``name`` means the provider on the same server (or group of workers); if there is none, those
    of the same role; else all. ``name@role`` means all of a role, ``name@all`` all there are.
    """
    name, _, role = capability.partition("@")
    every = [other for other in slots if name in other.step.provides]
    if role:
        return [other for other in every if role in ("all", other.role)]
    same_role = [other for other in every if other.role == slot.role]
    here = (slot.group, slot.index)
    same_server = [other for other in same_role if (other.group, other.index) == here]
    return same_server or same_role or every


def _ordered(slots: list[_Slot], needs: Mapping[str, tuple[str, ...]]) -> list[_Slot]:
    """The slots, each after those it requires; among equals in the order of the layers."""
    by_name = {slot.name: slot for slot in slots}
    rank = {name: number for number, name in enumerate(by_name)}
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        message = f"steps wait for each other: {' <- '.join(error.args[1])}"
        document = by_name[error.args[1][0]].block.document
        raise ProblemsFound([document.problem(("steps",), message)], _sources(slots)) from None
    ordered = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        ordered += [by_name[name] for name in ready]
        sorter.done(*ready)
    return ordered


def _resolved_inputs(house: House, slots: list[_Slot]) -> dict[str, dict[str, Value]]:
    """For each slot its inputs by name."""
    problems: list[Problem] = []
    values: dict[str, dict[str, Value]] = {}
    for slot in slots:
        place = Place(house, slot.block, slot.group)
        values[slot.name] = {
            "HEATGEN_LIB": LIBRARY_FOLDER,
            "HEATGEN_STEP": f"{slot.block.layer}/{slot.step.name}",
            "HEATGEN_ROLE": slot.role,
            "HEATGEN_GROUP": slot.group,
            "HEATGEN_TIMEOUT": str(slot.step.timeout),
        }
        for name, roles in slot.step.inputs.items():
            if slot.role not in roles:
                continue
            if name not in slot.block.inputs:
                message = f"step {slot.step.name!r} names an input that is not declared: {name}"
                problems.append(slot.block.document.problem(("steps",), message))
                continue
            try:
                values[slot.name][name] = inputs.resolve(slot.block.inputs[name].source, place)
            except inputs.Unpinned as error:
                problems.append(Problem(house.pins.name, None, str(error), "run 'heatgen lock'"))
            except inputs.Unresolved as error:
                path = ("inputs", name, "from")
                problems.append(slot.block.document.problem(path, str(error)))
    if problems:
        raise ProblemsFound(problems, _sources(slots))
    return values


def _first(slots: list[_Slot], needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Configurations of the steps that run on a node before any other has ended there."""
    by_name = {slot.name: slot for slot in slots}
    before: dict[str, set[str]] = {}
    for slot in _ordered(slots, needs):
        before[slot.name] = set().union(*({need} | before[need] for need in needs[slot.name]))
    return {
        slot.config
        for slot in slots
        if not any(
            (by_name[name].group, by_name[name].index) == (slot.group, slot.index)
            for name in before[slot.name]
        )
    }


def _configs(
    slots: list[_Slot], values: Mapping[str, Mapping[str, Value]], first: set[str], install: str
) -> Iterator[StepConfig]:
    """One configuration for each step of a block, shared by all its deployments."""
    # Inputs may be given on one role only: the configuration declares them all.
    kinds: dict[str, dict[str, str]] = {}
    for slot in slots:
        kinds.setdefault(slot.config, {}).update(
            (key, "Json" if inputs.is_map(value) else "String")
            for key, value in values[slot.name].items()
        )
    for slot in {slot.config: slot for slot in slots}.values():
        text = slot.block.files.get(slot.step.script)
        if text is None or text.count(LIBRARY_LINE) != 1:
            file = slot.block.document.name.removesuffix("block.yaml") + slot.step.script
            lines = " and ".join(LIBRARY_LINE.splitlines())
            message = "is missing" if text is None else f"must hold the lines {lines} once"
            raise ProblemsFound([Problem(file, None, message)])
        script = around_library(text, install) if slot.config in first else (text,)
        yield StepConfig(slot.config, script, kinds[slot.config], slot.step.outputs)


def _deployment(slot: _Slot, needs: tuple[str, ...], values: Mapping[str, Value]) -> Deployment:
    return Deployment(
        name=slot.name,
        layer=slot.block.layer,
        step=slot.step.name,
        group=slot.group,
        index=slot.index,
        config=slot.config,
        requires=needs,
        inputs=values,
    )


def _dns(house: House) -> str:
    place = Place(house, house.groups[CONTROL][ORCHESTRATION], CONTROL)
    return str(inputs.resolve("orchestration.dns", place))


def _artefacts(house: House) -> list[str]:
    """Lines "URL SHA256" of what servers fetch, in the order of the layers."""
    lines = [line for group in house.groups for line in inputs.group_artefacts(house, group)]
    return list(dict.fromkeys(lines))


def _images(house: House) -> set[str]:
    """References of images, with digests; one that no step needs may be without."""
    found = set()
    for block in house.blocks:
        place = Place(house, block, house.users(block)[0])
        for name in block.images:
            with contextlib.suppress(inputs.Unpinned):
                found.add(str(inputs.resolve(f"image.{name}", place)))
    return found


def _facts(house: House, block: Block) -> dict[str, Any]:
    """A block's facts with their values.

    Raises:
        ProblemsFound: a fact names what is not there.
    """
    try:
        return _fact_values(house, block)
    except inputs.Unresolved as error:
        problem = block.document.problem(("facts",), str(error))
        raise ProblemsFound([problem], {block.document.name: block.document.text}) from None


def _fact_values(house: House, block: Block) -> dict[str, Any]:
    place = Place(house, block, house.users(block)[0])
    options = inputs.options_of(house.spec, block)
    facts: dict[str, Any] = {}
    for name, fact in block.facts.items():
        if isinstance(fact, str):
            facts[name] = inputs.option_text(fact, options)
        elif isinstance(fact, dict) and "from" in fact:
            facts[name] = inputs.resolve(fact["from"], place)
        elif isinstance(fact, dict):
            planned = inputs.control_addresses(house.spec)
            facts[name] = [
                inputs.option_text(fact["value"], {"address": address}) for address in planned
            ]
        else:
            facts[name] = fact
    return facts


def _sources(slots: list[_Slot]) -> dict[str, str]:
    return {slot.block.document.name: slot.block.document.text for slot in slots}
