# SPDX-License-Identifier: Apache-2.0
"""Steps of a plan in HOT: software configurations and deployments."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from heatgen.hot import names
from heatgen.hot.template import (
    Expression,
    Resource,
    get_attr,
    get_param,
    get_resource,
    list_join,
)
from heatgen.layers import CONTROL
from heatgen.plan.inputs import (
    ApiExternal,
    NodeNames,
    ServerAddresses,
    ServerNames,
    ServerTurns,
    StackParameter,
    StepOutput,
    Value,
    VolumeId,
    as_text,
)
from heatgen.plan.model import Deployment, Plan, StepConfig
from heatgen.render.outputs import control_names

STEP_LIBRARY = "step_library"
"""The resource with the step library, which the first steps of a node install."""
TEXTS = "texts"
"""The resource with texts that several deployments share: units, manifests, configurations."""
TURN = "turn"
"""The output of steps that wait for a node's turn (``by_turn`` in ``hot/lib/turns.sh``)."""
SHARED_FROM = 400
"""Minimum length of a shared text."""


def library(plan: Plan) -> Resource:
    """Return the resource with the step library."""
    return Resource("OS::Heat::Value", {"type": "string", "value": plan.library})


def resources(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Yield the software configurations, the texts they share, and the deployments."""
    for config in plan.configs:
        yield config.name, _config(config)
    texts = _shared_texts(plan)
    yield TEXTS, Resource("OS::Heat::Value", {"type": "json", "value": _by_key(texts)})
    for item in plan.deployments:
        yield item.name, _deployment(plan, item, texts)


def _config(config: StepConfig) -> Resource:
    outputs: list[dict[str, Any]] = [
        {"name": name, "description": description} for name, description in config.outputs.items()
    ]
    # A value of an error_output fails the deployment and becomes its status reason.
    outputs.append({"name": "problem", "description": "why it failed", "error_output": True})
    properties = {
        "group": "script",
        "inputs": [{"name": name, "type": kind} for name, kind in config.inputs.items()],
        "outputs": outputs,
        "config": config.script[0]
        if len(config.script) == 1
        else list_join("", [config.script[0], get_attr(STEP_LIBRARY, "value"), config.script[1]]),
    }
    return Resource("OS::Heat::SoftwareConfig", properties)


def _shared_texts(plan: Plan) -> dict[tuple[str, str], str]:
    """Return the keys of texts that several deployments share, by input and text.

    A key is LAYER_INPUT, or LAYER_INPUT_GROUP if the texts of groups differ.
    """
    users: dict[tuple[str, str], list[Deployment]] = {}
    for item in plan.deployments:
        for name, value in item.inputs.items():
            if isinstance(value, str) and len(value) >= SHARED_FROM:
                users.setdefault((name, value), []).append(item)
    keys: dict[tuple[str, str], str] = {}
    for (name, text), items in users.items():
        if len(items) > 1:
            key = f"{items[0].layer}_{name.lower()}"
            taken = key in keys.values()
            keys[name, text] = f"{key}_{items[0].group}" if taken else key
    return keys


def _by_key(texts: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {key: text for (_, text), key in sorted(texts.items(), key=lambda item: item[1])}


def _deployment(plan: Plan, item: Deployment, texts: Mapping[tuple[str, str], str]) -> Resource:
    values = {
        name: get_attr(TEXTS, "value", texts[name, value])
        if isinstance(value, str) and (name, value) in texts
        else _expression(plan, value, item.index)
        for name, value in item.inputs.items()
    }
    attachments = [
        names.volume_attachment(value.layer, value.name, item.index)
        for value in item.inputs.values()
        if isinstance(value, VolumeId) and item.index is not None
    ]
    requires = (*item.requires, *attachments)
    properties: dict[str, Any] = {
        "name": item.name,
        "config": get_resource(item.config),
        "signal_transport": f"{plan.spec.cloud.signal_transport.upper()}_SIGNAL",
        "input_values": values,
    }
    if item.index is None:
        properties["servers"] = get_attr(names.workers(item.group), "refs_map")
        return Resource("OS::Heat::SoftwareDeploymentGroup", properties, depends_on=requires)
    properties["server"] = get_resource(names.control(item.index))
    return Resource("OS::Heat::SoftwareDeployment", properties, depends_on=requires)


def _expression(plan: Plan, value: Value, index: int | None) -> Expression:
    """Return an input's value in HOT, for control-plane node ``index`` or (None) for workers."""
    if isinstance(value, StackParameter):
        return get_param(value.name)
    if isinstance(value, ApiExternal):
        return get_attr("api_floating_ip", "floating_ip_address")
    if isinstance(value, VolumeId) and index is not None:
        return get_resource(names.volume(value.layer, value.name, index))
    if isinstance(value, NodeNames):
        groups = [get_attr(names.workers(group.name), "name") for group in plan.spec.workers]
        return list_join(",", control_names(plan), *groups)
    if isinstance(value, ServerNames):
        return _server_map(plan, "name", control_names(plan))
    if isinstance(value, ServerAddresses):
        return _server_map(plan, "first_address", list(plan.control_addresses))
    if isinstance(value, ServerTurns):
        return _turns(plan)
    if isinstance(value, StepOutput):
        return _step_output(plan, value)
    return as_text(value)


def _server_map(plan: Plan, attribute: str, of_control: list[Any]) -> Expression:
    """Return a map of groups to maps of indices to an attribute of the servers."""
    workers = {
        group.name: get_attr(names.workers(group.name), "attributes", attribute)
        for group in plan.spec.workers
    }
    control = {str(server.index): of_control[server.index] for server in plan.control}
    return {CONTROL: control, **workers}


def _turns(plan: Plan) -> Expression:
    """Return the outputs ``turn`` of all steps that have it."""
    waiting = {config.name for config in plan.configs if TURN in config.outputs}
    found = {
        f"{layer}-{step}": _by_group((item for item in items if item.config in waiting), TURN)
        for (layer, step), items in plan.by_step.items()
    }
    return {step: groups for step, groups in found.items() if groups}


def _step_output(plan: Plan, value: StepOutput) -> Expression:
    """Return the outputs of a step's deployments; empty if the step is disabled."""
    found = _by_group(plan.by_step.get((value.layer, value.step), ()), value.output)
    if not value.scope:
        return found.get(CONTROL, {}).get("0", "")
    return found.get(CONTROL, {}) if value.scope == CONTROL else found


def _by_group(deployments: Iterable[Deployment], output: str) -> dict[str, Expression]:
    """Return an output of deployments by group: on workers that of all, else also by index."""
    control: dict[str, Expression] = {}
    workers: dict[str, Expression] = {}
    for item in deployments:
        if item.index is None:
            workers[item.group] = get_attr(item.name, output)
        else:
            control[str(item.index)] = get_attr(item.name, output)
    return {**({CONTROL: control} if control else {}), **workers}
