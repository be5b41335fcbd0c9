# SPDX-License-Identifier: Apache-2.0
"""Changes that a running cluster does not survive, although Heat would update the stack.

The step ``orchestration/check`` refuses the same changes on the nodes, before any other step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.yamlio.codes import Code


@dataclass(frozen=True)
class Refusal:
    """A change that must not be applied."""

    code: Code
    message: str
    hint: str


def refused_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Refusal]:
    """Return the changes of an update that must not be applied.

    Args:
        before: the template of the stack.
        after: the new template.
    """
    old, new = _facts(before), _facts(after)
    return [*_networks(old, new), *_version(old, new), *_etcd(old, new)]


def _facts(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts in the output ``conformance``; empty if it is not of heatgen."""
    value = (template.get("outputs") or {}).get("conformance", {}).get("value")
    return value if isinstance(value, dict) else {}


def _networks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Refusal]:
    layers = {"pods": "network", "services": "orchestration"}
    before, after = old.get("networks", {}), new.get("networks", {})
    for name, layer in layers.items():
        if name in before and before[name] != after.get(name):
            yield Refusal(
                Code.NETWORK_CHANGED,
                f"{layer}.{name} changes from {before[name]} to {after.get(name, 'none')}: "
                "nodes, pods and certificates of a running cluster have addresses of this network",
                f"set {layer}.{name}: {before[name]}, or create another cluster",
            )


def _version(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Refusal]:
    before = str(old.get("versions", {}).get("kubernetes", ""))
    after = str(new.get("versions", {}).get("kubernetes", ""))
    if not before or not after:
        return
    major, minor = (int(part) for part in before.split(".")[:2])
    new_major, new_minor = (int(part) for part in after.split(".")[:2])
    if (new_major, new_minor) < (major, minor):
        reason = "Kubernetes does not support a return to an older minor version"
        hint = f"set orchestration.version to {before} or later"
    elif new_major != major or new_minor > minor + 1:
        reason = "Kubernetes does not support an update that skips a minor version"
        hint = f"update to a version {major}.{minor + 1}.x first"
    else:
        return
    message = f"orchestration.version changes from {before} to {after}: {reason}"
    yield Refusal(Code.VERSION_SKEW, message, hint)


def _etcd(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Refusal]:
    """Yield a refusal of a downgrade; the step also accepts one that etcdctl has prepared."""
    before = str(old.get("versions", {}).get("etcd", ""))
    after = str(new.get("versions", {}).get("etcd", ""))
    if not before or not after:
        return
    minor, new_minor = (tuple(map(int, text.split(".")[:2])) for text in (before, after))
    if new_minor >= minor:
        return
    message = (
        f"kvstore.version changes from {before} to {after}: an older minor version of etcd cannot "
        "read the data"
    )
    hint = f"set kvstore.version to {'.'.join(map(str, minor))}.x"
    yield Refusal(Code.VERSION_SKEW, message, hint)
