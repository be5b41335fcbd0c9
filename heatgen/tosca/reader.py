# SPDX-License-Identifier: Apache-2.0
"""Edge: reader of TOSCA topologies.

tosca-parser parses and validates a topology, heat-translator chooses flavors. Both are installed by
``heatgen[tosca]``. tosca-parser opens the files and URLs that a topology imports.
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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import Position, Problem, ProblemsFound, did_you_mean

Flavors = Mapping[str, Mapping[str, int]]
"""``num_cpus``, ``mem_size`` (MB) and ``disk_size`` (GB) by name, as in heat-translator."""

MAX_VALUES = 20_000
"""Limit of values with aliases expanded; the largest sample has 500."""
IMPORT_TIMEOUT = 30
"""Socket timeout for imported URLs, in seconds."""
_FLAVOR_TABLE: schema.Schema = {
    "type": "array", "minItems": 1,
    "items": {
        "type": "object", "required": ["Name", "RAM", "Disk", "VCPUs"],
        "properties": {
            "Name": {"type": "string", "description": "output of 'openstack flavor list -f json'"},
            "RAM": {"type": "integer", "description": "MiB"},
            "Disk": {"type": "integer", "description": "GiB"},
            "VCPUs": {"type": "integer", "description": "number of virtual CPUs"},
        },
    },
}  # fmt: skip
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SIZE_UNITS = {"mem_size": "MB", "disk_size": "GB"}


def flavors(name: str, raw: bytes) -> Flavors:
    """Parse a table of flavors.

    Args:
        name: name of the file.
        raw: output of ``openstack flavor list -f json``.

    Raises:
        ProblemsFound: the file is not such a table.
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
    """Read the topology of a file.

    Args:
        path: the file; imports are relative to it.
        raw: content of the file.
        parameters: values of inputs, as text.
        table: flavors to choose from; None for the predefined ones of heat-translator.

    Raises:
        ProblemsFound: the file is not a valid topology.
    """
    _require_libraries()
    if path.suffix.lower() not in {".yaml", ".yml"}:
        message = "the file name does not end with .yaml or .yml"
        hint = "unpack an archive (CSAR) and pass the topology in it"
        raise ProblemsFound([Problem(str(path), None, message, hint, code=Code.TOSCA_INVALID)])
    source = _parse(str(path), raw)
    values = _parameters(source, parameters)
    from toscaparser.common.exception import ExceptionCollector

    with _quiet_libraries():
        try:
            return _topology(path, source, values, table)
        except ProblemsFound:
            raise
        except Exception as error:  # noqa: BLE001  invalid input makes it raise internal errors
            # An internal error is a consequence of the errors that it collected before, if any.
            collected = [" ".join(str(item).split()) for item in ExceptionCollector.getExceptions()]
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            reasons = collected or [f"tosca-parser failed: {reason}"]
            problems = [_problem(source, text) for text in reasons]
            raise ProblemsFound(problems, {source.name: source.text}) from None
        finally:
            ExceptionCollector.stop()


def _require_libraries() -> None:
    try:
        import toscaparser  # noqa: F401  only to check that it is installed
        import translator  # noqa: F401
    except ImportError:
        message = "heat-translator is required to read TOSCA topologies"
        hint = "install it: pip install 'heatgen[tosca]'"
        problem = Problem("heatgen import", None, message, hint, code=Code.TOSCA_LIBRARIES_MISSING)
        raise ProblemsFound([problem]) from None


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Disable logging, because the notes cover it, and limit the wait for imported URLs."""
    before = socket.getdefaulttimeout()
    disabled = logging.root.manager.disable
    socket.setdefaulttimeout(IMPORT_TIMEOUT)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        socket.setdefaulttimeout(before)


# The source file


def _parse(name: str, raw: bytes) -> Document:
    """Parse a YAML document; unlike in heatgen's own files, aliases are allowed."""
    text = document.decode(name, raw)
    try:
        _check_depth(name, text)
        loader = _LOADER(text)
        root = loader.get_single_node()
        problems = list(_node_problems(name, root))
        if problems:
            raise ProblemsFound(problems, {name: text})
        data = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ProblemsFound([document.syntax_problem(name, text, error)], {name: text}) from None
    except (yaml.YAMLError, ValueError) as error:  # a forbidden character or an invalid date
        message = f"not valid YAML: {' '.join(str(error).split())}"
        problem = Problem(name, None, message, code=Code.YAML_SYNTAX)
        raise ProblemsFound([problem]) from None
    keys: dict[document.Path, Position] = {}
    values: dict[document.Path, Position] = {}
    _collect_positions(root, (), keys, values)
    source = Document(name=name, text=text, data=data, keys=keys, values=values)
    if not isinstance(data, dict):
        hint = "begin with 'tosca_definitions_version: tosca_simple_yaml_1_3'"
        problem = source.problem((), "not a TOSCA template", hint, code=Code.TOSCA_INVALID)
        raise ProblemsFound([problem], {name: text})
    return source


def _check_depth(name: str, text: str) -> None:
    """Raise for deep nesting before PyYAML constructs the values, which it does by recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > document.MAX_DEPTH:
            message = f"nesting is deeper than {document.MAX_DEPTH} levels"
            problem = Problem(name, _position(event), message, code=Code.NESTING_TOO_DEEP)
            raise ProblemsFound([problem], {name: text})


def _node_problems(name: str, root: yaml.Node | None) -> Iterator[Problem]:
    """Yield duplicate keys, which PyYAML ignores, recursive aliases and too many values."""
    sizes: dict[int, int] = {}

    def check(node: yaml.Node, above: frozenset[int]) -> Iterator[Problem]:
        if id(node) in above:
            message = "an alias refers to a value that contains it"
            yield Problem(name, _position(node), message, code=Code.TOSCA_ALIASES)
            return
        if id(node) in sizes:
            return
        sizes[id(node)] = 1
        for child in _children(node):
            yield from check(child, above | {id(node)})
            sizes[id(node)] += sizes.get(id(child), 1)
        if isinstance(node, yaml.MappingNode):
            yield from _duplicates(name, node)

    if root is not None:
        yield from check(root, frozenset())
        if sizes[id(root)] > MAX_VALUES:
            message = f"more than {MAX_VALUES} values with aliases expanded"
            yield Problem(name, None, message, code=Code.TOSCA_ALIASES)


def _duplicates(name: str, node: yaml.MappingNode) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if key.value in lines:
            message = f"duplicate key {key.value!r} (first defined on line {lines[key.value]})"
            hint = "remove one of them"
            yield Problem(name, _position(key), message, hint, code=Code.DUPLICATE_KEY)
        lines.setdefault(key.value, _position(key).line)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _collect_positions(
    node: yaml.Node | None,
    path: document.Path,
    keys: dict[document.Path, Position],
    values: dict[document.Path, Position],
) -> None:
    """Add the positions of all keys and values; those of aliases are the anchors'."""
    if node is None:
        return
    values[path] = _position(node)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            below = (*path, str(key.value))
            keys[below] = _position(key)
            _collect_positions(child, below, keys, values)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _collect_positions(child, (*path, index), keys, values)


def _position(node: yaml.Node | yaml.Event) -> Position:
    start, end = node.start_mark, node.end_mark
    if start is None or end is None:
        return Position(1, 1)
    width = end.column - start.column if end.line == start.line else 1
    return Position(start.line + 1, start.column + 1, max(1, width))


# The topology as parsed by tosca-parser


def _parameters(source: Document, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return values of inputs, converted to their types."""
    inputs = source.data
    for part in INPUTS:
        inputs = inputs.get(part) if isinstance(inputs, dict) else None
    inputs = inputs if isinstance(inputs, dict) else {}
    problems = [
        Problem(source.name, None, f"the topology has no input {name!r}",
                did_you_mean(name, map(str, inputs)), code=Code.TOSCA_UNKNOWN_NAME)
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


def _problem(source: Document, message: str) -> Problem:
    """Return an error of tosca-parser, at the last quoted name that the file contains."""
    code = Code.TOSCA_INVALID
    for name in reversed(re.findall(r'"([^"]+)"', message)):
        for path in source.values:
            if name == _scalar(source.data, path):
                return source.problem(path, message, code=code)
            if path and path[-1] == name:
                return source.problem(path, message, key=True, code=code)
    return Problem(source.name, None, message, code=code)


def _scalar(data: Any, path: document.Path) -> str:
    """Return the string at a path; '' for other values."""
    try:
        for part in path:
            data = data[part]
    except (KeyError, IndexError, TypeError):
        return ""  # a key that is not a string
    return data if isinstance(data, str) else ""


def _topology(
    path: Path, source: Document, parameters: dict[str, Any], table: Flavors | None
) -> Topology:
    from toscaparser.tosca_template import ToscaTemplate

    template = ToscaTemplate(str(path), parameters, True)
    top = template.topology_template
    if not getattr(template, "nodetemplates", None):
        problem = source.problem(NODES, "no node templates", key=True, code=Code.TOSCA_NO_SERVERS)
        raise ProblemsFound([problem], {source.name: source.text})
    resolve = _Resolver(top)
    with _flavor_table(table):
        nodes = {node.name: _node(node, resolve) for node in template.nodetemplates}
    groups = {group.name: tuple(group.members or ()) for group in top.groups}
    return Topology(
        document=source,
        nodes=nodes,
        policies=tuple(_policies(source, template.policies, groups, resolve)),
        inputs={item.name: parameters.get(item.name, item.default) for item in template.inputs},
        nested=tuple(sorted(template.nested_tosca_tpls_with_topology)),
    )


class _Resolver:
    """Resolves functions in values; None for values known only at run time, such as addresses."""

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
    """Replace the flavors that heat-translator would query from a cloud."""
    from translator.common import flavors as module

    before = module.FLAVORS
    module.FLAVORS = dict(table or module.PREDEF_FLAVORS)
    try:
        yield
    finally:
        module.FLAVORS = before


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
        sizes = _sizes(capabilities.get("host", {}))
        if host is not None and sizes and not flavor:
            sized = type(host)("host", sizes, host.definition, host.custom_def)
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
    """Return sizes in integers, because heat-translator reads "1.5 GB" as 1 MB."""
    from toscaparser.elements.scalarunit import ScalarUnit_Size

    sizes = {"num_cpus": host.get("num_cpus")}
    for name, unit in _SIZE_UNITS.items():
        if host.get(name) is not None:
            number = ScalarUnit_Size(host[name]).get_num_from_scalar_unit(unit)
            sizes[name] = f"{math.ceil(number)} {unit}"
    return {name: value for name, value in sizes.items() if value is not None}


def _types(template: Any) -> tuple[str, ...]:
    """Return a template's type and its parent types."""
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
    source: Document,
    templates: list[Any],
    groups: Mapping[str, tuple[str, ...]],
    resolve: _Resolver,
) -> Iterator[Policy]:
    from translator.hot.tosca.tosca_policies import ToscaPolicies

    # By name: a policy of an unknown type is not among the templates.
    paths = {str(path[-1]): path for path in source.values
             if path[: len(POLICIES)] == POLICIES and len(path) == len(POLICIES) + 2}  # fmt: skip
    for template in templates:
        properties = resolve(dict(template.properties or {}), template)
        targets = [*(template.targets or ()), *(properties.get("targets") or ())]
        affinity = ""
        if template.is_derived_from(PLACEMENT):
            translated = ToscaPolicies(template)
            translated.handle_properties([])
            affinity = translated.properties["policies"][0]
        yield Policy(
            path=paths[template.name],
            types=_types(template),
            properties=properties,
            targets=tuple(name for item in targets for name in groups.get(item, (item,))),
            affinity=affinity,
        )
