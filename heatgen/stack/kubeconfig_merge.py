# SPDX-License-Identifier: Apache-2.0
"""Adds a cluster to an existing kubeconfig, as kind and kubectl do.

The existing file is not converted to values but kept as YAML nodes, so that every other entry, also
one that only other programs understand, is written as it was read. Comments are lost, as with
``kubectl config``.
"""

from collections.abc import Iterator

import yaml

from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import position_of, syntax_problem
from heatgen.yamlio.problems import Problem, ProblemsFound

SECTIONS = ("clusters", "users", "contexts")
_KEYS = {"apiVersion", "kind", "preferences", "current-context", "extensions", *SECTIONS}
_NULL = "tag:yaml.org,2002:null"
_OBSOLETE = {"cluster": ("insecure-skip-tls-verify", "certificate-authority")}
"""Keys of the previous entry that contradict those of the new one."""
_Mapping = yaml.MappingNode


def merge(file: str, text: str, added: str) -> str:
    """Return a kubeconfig with the only cluster, user and context of another one.

    Entries that heatgen wrote for the same stack are updated; a namespace or proxy that was added
    to them is kept. All other entries stay. The new context becomes the current one.

    Args:
        file: name of the existing file, for messages. It is never quoted, because it has secrets.
        text: its content; '' if it does not exist.
        added: the other kubeconfig, from :func:`heatgen.stack.kubeconfig.build`.

    Raises:
        ProblemsFound: the existing file is not a kubeconfig, or has an entry of the same name that
            belongs to something else.
    """
    try:
        base = yaml.compose(text, Loader=yaml.SafeLoader)
        if base is None or base.tag == _NULL:
            return added
        new = yaml.compose(added, Loader=yaml.SafeLoader)
        found = _checked(file, base)
        _check_owner(file, found, new)
        for section in SECTIONS:
            _merge(found, section, _entries(new, section)[0])
        _set(found, "current-context", _get(new, "current-context"))
        # Long lines are not folded.
        return str(yaml.serialize(found, Dumper=yaml.SafeDumper, width=2**20, allow_unicode=True))
    except yaml.MarkedYAMLError as error:
        raise ProblemsFound([_not_a_kubeconfig(syntax_problem(file, "", error))]) from None
    except (yaml.YAMLError, RecursionError):
        problem = Problem(file, None, "invalid YAML", code=Code.YAML_SYNTAX)
        raise ProblemsFound([_not_a_kubeconfig(problem)]) from None


def _not_a_kubeconfig(problem: Problem) -> Problem:
    hint = "write to another file, or move this one away"
    message = f"the existing file is not a kubeconfig: {problem.message}"
    return Problem(problem.file, problem.position, message, hint, code=Code.NOT_A_KUBECONFIG)


def _checked(file: str, node: yaml.Node) -> _Mapping:
    """Return the top-level mapping of a kubeconfig."""
    if not isinstance(node, _Mapping):
        raise _refusal(file, node, "it is not a mapping")
    typed = (_text(node, "apiVersion"), _text(node, "kind")) == ("v1", "Config")
    for key, value in node.value:
        # As in kubectl, 'apiVersion' and 'kind' may be missing.
        if key.value not in _KEYS and not typed:
            raise _refusal(file, key, "it has other keys")
        if key.value in ("apiVersion", "kind") and value.value not in ("v1", "Config"):
            raise _refusal(file, value, f"its {key.value} is another one")
    for section in SECTIONS:
        value = _get(node, section)
        if value is not None and value.tag != _NULL and not isinstance(value, yaml.SequenceNode):
            raise _refusal(file, value, f"{section} is not a list")
        for item in _entries(node, section):
            part = _get(item, section[:-1]) if isinstance(item, _Mapping) else None
            if _name(item) is None or not isinstance(part, _Mapping):
                raise _refusal(file, item, f"{section} has an entry without name or content")
    return node


def _refusal(file: str, node: yaml.Node, why: str) -> ProblemsFound:
    position = position_of(node.start_mark)
    return ProblemsFound([_not_a_kubeconfig(Problem(file, position, why, code=Code.YAML_SYNTAX))])


def _check_owner(file: str, base: _Mapping, new: yaml.Node | None) -> None:
    """Raise if an entry of a new name exists that heatgen did not write."""
    (cluster,), (user,), (context,) = (_entries(new, section) for section in SECTIONS)
    names = {section: [_name(item) for item in _entries(base, section)] for section in SECTIONS}
    for item in _entries(base, "contexts"):
        content = _get(item, "context")
        used = (_text(content, "cluster"), _text(content, "user"))
        if _name(item) == _name(context) and used != (_name(cluster), _name(user)):
            raise _conflict(file, item, "context", _name(context))
    for item in _entries(base, "clusters"):
        if _name(item) == _name(cluster) and _name(user) not in names["users"]:
            raise _conflict(file, item, "cluster", _name(cluster))
    for item in _entries(base, "users"):
        if _name(item) == _name(user) and _name(cluster) not in names["clusters"]:
            raise _conflict(file, item, "user", _name(user))


def _conflict(file: str, node: yaml.Node, kind: str, name: str | None) -> ProblemsFound:
    position = position_of(node.start_mark)
    message = f"the {kind} {name!r} exists, and was not written by heatgen"
    hint = f"rename or delete it, or write to another file ('kubectl config delete-{kind} {name}')"
    problem = Problem(file, position, message, hint, code=Code.KUBECONFIG_CONFLICT)
    return ProblemsFound([problem])


def _merge(base: _Mapping, section: str, new: yaml.Node) -> None:
    """Replace the entry of the same name, or append the new one."""
    items: list[yaml.Node] = []
    for item in _entries(base, section):
        if _name(item) != _name(new):
            items.append(item)
        elif new not in items:
            _keep_others(item, new, section[:-1])
            items.append(new)
    if new not in items:
        items.append(new)
    _set(base, section, yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=False))


def _keep_others(old: yaml.Node, new: yaml.Node, content: str) -> None:
    """Copy the keys of an entry that the new one does not have; credentials are not mixed."""
    source, target = _get(old, content), _get(new, content)
    if content == "user" or not (isinstance(source, _Mapping) and isinstance(target, _Mapping)):
        return
    own = {key.value for key, _ in target.value} | set(_OBSOLETE.get(content, ()))
    target.value += [(key, value) for key, value in source.value if key.value not in own]


def _entries(node: yaml.Node | None, section: str) -> list[yaml.Node]:
    value = _get(node, section)
    return list(value.value) if isinstance(value, yaml.SequenceNode) else []


def _name(node: yaml.Node) -> str | None:
    return _text(node, "name")


def _text(node: yaml.Node | None, key: str) -> str | None:
    value = _get(node, key)
    return str(value.value) if isinstance(value, yaml.ScalarNode) else None


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value of a key of a mapping."""
    return next((value for name, value in _pairs(node) if name.value == key), None)


def _set(node: _Mapping, key: str, value: yaml.Node | None) -> None:
    """Set a key at its place, or add it."""
    pairs = [(name, value if name.value == key else old) for name, old in node.value]
    if all(name.value != key for name, _ in pairs):
        pairs.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), value))
    node.value = pairs
    # JSON stays readable when it grows.
    node.flow_style = False


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    yield from node.value if isinstance(node, _Mapping) else ()
