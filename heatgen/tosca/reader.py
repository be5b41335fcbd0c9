# SPDX-License-Identifier: Apache-2.0
"""Edge: reads a TOSCA topology. tosca-parser reads and checks it, heat-translator chooses flavors.

Both come with ``heatgen[tosca]``. tosca-parser opens the files (and URLs) that a topology imports.
"""

import contextlib
import logging
import math
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from heatgen.tosca.topology import INPUTS, NODES, PLACEMENT, POLICIES, Node, Policy, Topology
from heatgen.yamlio import document, schema
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import Position, Problem, ProblemsFound, did_you_mean

Flavors = Mapping[str, Mapping[str, int]]
"""By name: ``num_cpus``, ``mem_size`` (MB), ``disk_size`` (GB), as heat-translator knows them."""

MAX_VALUES = 20_000
"""Values of a topology, those that aliases repeat each time: the largest sample has 500."""
IMPORT_TIMEOUT = 30
"""Seconds that the server of an imported URL may be silent."""
_FLAVOR_TABLE: schema.Schema = {
    "type": "array", "minItems": 1,
    "items": {
        "type": "object", "required": ["Name", "RAM", "Disk", "VCPUs"],
        "properties": {
            "Name": {"type": "string", "description": "made by 'openstack flavor list -f json'"},
            "RAM": {"type": "integer", "description": "MiB"},
            "Disk": {"type": "integer", "description": "GiB"},
            "VCPUs": {"type": "integer", "description": "number of virtual CPUs"},
        },
    },
}  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SIZE_UNITS = {"mem_size": "MB", "disk_size": "GB"}


def flavors(name: str, raw: bytes) -> Flavors:
    """A table of flavors.

    Args:
        name: of the file.
        raw: what ``openstack flavor list -f json`` says.

    Raises:
        ProblemsFound: it is no such table.
    """
    table = document.parse(name, raw)
    problems = schema.check(table, _FLAVOR_TABLE)
    if problems:
        raise ProblemsFound(problems, {name: table.text})
    return {
        item["Name"]: {
            "num_cpus": item["VCPUs"],
            "mem_size": item["RAM"],
            "disk_size": item["Disk"],
        }
        for item in table.data
    }


def read_topology(
    path: Path, raw: bytes, parameters: Mapping[str, str], table: Flavors | None = None
) -> Topology:
    """The topology of a file.

    Args:
        path: where it lies; what it imports is found from there.
        raw: its bytes.
        parameters: values of inputs, as text.
        table: the flavors to choose from; None for those that heat-translator knows.

    Raises:
        ProblemsFound: it is no topology, or one with faults.
    """
    _need_libraries()
    if path.suffix.lower() not in {".yaml", ".yml"}:
        hint = "unpack an archive (CSAR) and name the topology in it"
        raise ProblemsFound([Problem(str(path), None, "is not named .yaml or .yml", hint)])
    whole = _parse(str(path), raw)
    values = _parameters(whole, parameters)
    from toscaparser.common.exception import ExceptionCollector

    with _alone():
        try:
            return _topology(path, whole, values, table)
        except ProblemsFound:
            raise
        except Exception as error:  # noqa: BLE001  it raises what its code stumbles over, too
            # Whatever it stumbled over comes from what it had complained of before, if it had.
            told = [" ".join(str(item).split()) for item in ExceptionCollector.getExceptions()]
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            problems = [_problem(whole, text) for text in told or [f"cannot be read: {reason}"]]
            raise ProblemsFound(problems, {whole.name: whole.text}) from None
        finally:
            ExceptionCollector.stop()


def _need_libraries() -> None:
    try:
        import toscaparser  # noqa: F401  whether it is there
        import translator  # noqa: F401
    except ImportError:
        message = "reading TOSCA needs heat-translator"
        hint = "pip install 'heatgen[tosca]'"
        raise ProblemsFound([Problem("heatgen import", None, message, hint)]) from None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """The libraries neither talk (what matters is in our notes) nor wait for ever."""
    before = socket.getdefaulttimeout()
    disabled = logging.root.manager.disable
    socket.setdefaulttimeout(IMPORT_TIMEOUT)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        socket.setdefaulttimeout(before)


# The file as it is written


def _parse(name: str, raw: bytes) -> Document:
    """A YAML document in which, other than in ours, aliases may stand."""
    text = document.decode(name, raw)
    try:
        _refuse_depth(name, text)
        loader = _LOADER(text)
        root = loader.get_single_node()
        problems = list(_refusals(name, root))
        if problems:
            raise ProblemsFound(problems, {name: text})
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ProblemsFound([document.syntax_problem(name, text, error)], {name: text}) from None
    except (yaml.YAMLError, ValueError) as error:  # a character, or a date that is none
        reason = " ".join(str(error).split())
        raise ProblemsFound([Problem(name, None, f"is not YAML: {reason}")]) from None
    keys: dict[document.Path, Position] = {}
    values: dict[document.Path, Position] = {}
    _places(root, (), keys, values)
    whole = Document(name=name, text=text, data=data, keys=keys, values=values)
    if not isinstance(data, dict):
        hint = "begin with 'tosca_definitions_version: tosca_simple_yaml_1_3'"
        problem = whole.problem((), "is not a TOSCA template", hint)
        raise ProblemsFound([problem], {name: text})
    return whole


def _refuse_depth(name: str, text: str) -> None:
    """Before anything is built: it would be built by recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > document.MAX_DEPTH:
            message = f"is nested more than {document.MAX_DEPTH} levels deep"
            raise ProblemsFound([Problem(name, _position(event), message)], {name: text})


def _refusals(name: str, root: yaml.Node | None) -> Iterator[Problem]:
    """Keys that are there twice, of which YAML would forget one; aliases that grow too large."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> Iterator[Problem]:
        if id(node) in above:
            yield Problem(name, _position(node), "an alias stands within what it repeats")
            return
        if id(node) in sizes:
            return
        sizes[id(node)] = 1
        for child in _children(node):
            yield from size(child, above | {id(node)})
            sizes[id(node)] += sizes.get(id(child), 1)
        if isinstance(node, yaml.MappingNode):
            yield from _twice(name, node)

    if root is not None:
        yield from size(root, frozenset())
        if sizes[id(root)] > MAX_VALUES:
            yield Problem(
                name, None, f"has more than {MAX_VALUES} values, with what aliases repeat"
            )


def _twice(name: str, node: yaml.MappingNode) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if key.value in seen:
            message = f"the key {key.value!r} is there twice, first in line {seen[key.value]}"
            yield Problem(name, _position(key), message, "keep one of them")
        seen.setdefault(key.value, _position(key).line)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _places(
    node: yaml.Node | None,
    path: document.Path,
    keys: dict[document.Path, Position],
    values: dict[document.Path, Position],
) -> None:
    """Where everything stands; what an alias repeats, where it was written first."""
    if node is None:
        return
    values[path] = _position(node)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            below = (*path, str(key.value))
            keys[below] = _position(key)
            _places(child, below, keys, values)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _places(child, (*path, index), keys, values)


def _position(node: yaml.Node | yaml.Event) -> Position:
    start, end = node.start_mark, node.end_mark
    if start is None or end is None:
        return Position(1, 1)
    width = end.column - start.column if end.line == start.line else 1
    return Position(start.line + 1, start.column + 1, max(1, width))


# What tosca-parser makes of it


def _parameters(whole: Document, texts: Mapping[str, str]) -> dict[str, Any]:
    """Values of inputs, as their types want them."""
    inputs = whole.data
    for part in INPUTS:
        inputs = inputs.get(part) if isinstance(inputs, dict) else None
    inputs = inputs if isinstance(inputs, dict) else {}
    problems = [
        Problem(whole.name, None, f"has no input {name!r}", did_you_mean(name, map(str, inputs)))
        for name in texts if name not in inputs
    ]  # fmt: skip
    if problems:
        raise ProblemsFound(problems)
    return {
        name: text
        if isinstance(inputs[name], dict) and inputs[name].get("type") == "string"
        else document.plain_value(text)
        for name, text in texts.items()
    }


def _problem(whole: Document, message: str) -> Problem:
    """A complaint, at the last thing that it names, if that stands in the file."""
    for word in reversed(re.findall(r'"([^"]+)"', message)):
        for path in whole.values:
            if word == _scalar(whole.data, path):
                return whole.problem(path, message)
            if path and path[-1] == word:
                return whole.problem(path, message, key=True)
    return Problem(whole.name, None, message)


def _scalar(data: Any, path: document.Path) -> str:
    """The text that stands at a path; '' if something else does."""
    try:
        for part in path:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return ""  # a key that is not text
    return data if isinstance(data, str) else ""


def _topology(
    path: Path, whole: Document, parameters: dict[str, Any], table: Flavors | None
) -> Topology:
    from toscaparser.tosca_template import ToscaTemplate

    template = ToscaTemplate(str(path), parameters, True)
    top = template.topology_template
    if not getattr(template, "nodetemplates", None):
        problem = whole.problem(NODES, "holds no node templates", key=True)
        raise ProblemsFound([problem], {whole.name: whole.text})
    resolve = _Resolver(top)
    with _flavor_table(table):
        nodes = {node.name: _node(node, resolve) for node in template.nodetemplates}
    groups = {group.name: tuple(group.members or ()) for group in top.groups}
    return Topology(
        document=whole,
        nodes=nodes,
        policies=tuple(_policies(whole, template.policies, groups, resolve)),
        inputs={item.name: parameters.get(item.name, item.default) for item in template.inputs},
        elsewhere=tuple(sorted(template.nested_tosca_tpls_with_topology)),
    )


class _Resolver:
    """Values without functions; None for what only a cloud knows, such as an address."""

    def __init__(self, topology: Any) -> None:
        self._topology = topology

    def __call__(self, value: Any, owner: Any) -> Any:
        from toscaparser import functions

        found = functions.get_function(self._topology, owner, value)
        if isinstance(found, functions.Function):
            result = found.result()
            unknown = isinstance(result, functions.Function) or functions.is_function(result)
            return None if unknown else self(result, owner)
        if isinstance(found, dict):
            return {key: self(item, owner) for key, item in found.items()}
        if isinstance(found, list):
            return [self(item, owner) for item in found]
        return found


@contextlib.contextmanager
def _flavor_table(table: Flavors | None) -> Iterator[None]:
    """Put a table where heat-translator keeps what a cloud told it."""
    from translator.common import flavors as known

    before = known.FLAVORS
    known.FLAVORS = dict(table or known.PREDEF_FLAVORS)
    try:
        yield
    finally:
        known.FLAVORS = before


def _node(template: Any, resolve: _Resolver) -> Node:
    from translator.hot.tosca.tosca_compute import ToscaCompute

    properties = {
        item.name: resolve(item.value, template) for item in template.get_properties_objects()
    }
    capabilities = {
        item.name: {
            key: resolve(part.value, template) for key, part in item.get_properties().items()
        }
        for item in template.get_capabilities_objects()
    }
    flavor, image = properties.get("flavor"), properties.get("image")
    if template.is_derived_from(ToscaCompute.toscatype):
        host = template.get_capability("host")
        asked = _sizes(capabilities.get("host", {}))
        if host is not None and asked and not flavor:
            sized = type(host)("host", asked, host.definition, host.custom_def)
            chosen = ToscaCompute(template).translate_compute_flavor_and_image(sized, None)
            flavor = chosen["flavor"]
    return Node(
        name=template.name,
        types=_types(template),
        properties=properties,
        capabilities=capabilities,
        requirements=tuple(_requirements(template)),
        flavor=str(flavor or ""),
        image=str(image or ""),
    )


def _sizes(host: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes as heat-translator compares them: it would take "1.5 GB" for 1 MB."""
    from toscaparser.elements.scalarunit import ScalarUnit_Size

    asked = {"num_cpus": host.get("num_cpus")}
    for name, unit in _SIZE_UNITS.items():
        if host.get(name) is not None:
            number = ScalarUnit_Size(host[name]).get_num_from_scalar_unit(unit)
            asked[name] = f"{math.ceil(number)} {unit}"
    return {name: value for name, value in asked.items() if value is not None}


def _types(template: Any) -> tuple[str, ...]:
    """A template's type and those that it derives from."""
    found = [str(template.type)]
    parent = template.parent_type
    while parent is not None:
        found.append(str(parent.type))
        parent = parent.parent_type
    return tuple(found)


def _requirements(template: Any) -> Iterator[tuple[str, str]]:
    for item in template.requirements or ():
        for name, needed in item.items():
            node = needed.get("node") if isinstance(needed, dict) else needed
            if isinstance(node, str):
                yield name, node


def _policies(
    whole: Document, templates: list[Any], groups: Mapping[str, tuple[str, ...]], resolve: _Resolver
) -> Iterator[Policy]:
    from translator.hot.tosca.tosca_policies import ToscaPolicies

    # A policy of an unknown type is not among the templates.
    places = {str(path[-1]): path for path in whole.values
              if path[: len(POLICIES)] == POLICIES and len(path) == len(POLICIES) + 2}  # fmt: skip
    for template in templates:
        properties = resolve(dict(template.properties or {}), template)
        targets = [*(template.targets or ()), *(properties.get("targets") or ())]
        affinity = ""
        if template.is_derived_from(PLACEMENT):
            made = ToscaPolicies(template)
            made.handle_properties([])
            affinity = made.properties["policies"][0]
        yield Policy(
            path=places[template.name],
            types=_types(template),
            properties=properties,
            targets=tuple(name for item in targets for name in groups.get(item, (item,))),
            affinity=affinity,
        )
