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
    """Yield a refusal unless the control plane can change to the version and its behavior.

    Neither may skip a minor version. Only the behavior may not become older: a control plane that
    behaves as an older version stores nothing that this version cannot read.
    """
    before, after = _Versions.of(old), _Versions.of(new)
    if not before or not after:
        return
    if after.behavior < before.behavior:
        reason = "Kubernetes does not support a return to an older minor version"
        hint = f"set orchestration.version to {before.effective} or later"
    elif after.binary > _next(before.binary) or after.behavior > _next(before.behavior):
        reason = "Kubernetes does not support an update that skips a minor version"
        next_minor = ".".join(map(str, _next(before.behavior)))
        hint = f"update to a version {next_minor}.x first"
        if before.binary != before.behavior:
            hint = f"remove orchestration.emulate first, so that {before.version} is in effect"
    else:
        return
    message = f"orchestration.version changes from {before} to {after}: {reason}"
    yield Refusal(Code.VERSION_SKEW, message, hint)


@dataclass(frozen=True)
class _Versions:
    """The version of the control plane, and the one as which it behaves."""

    version: str
    effective: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "_Versions | None":
        versions = facts.get("versions", {})
        version = str(versions.get("kubernetes", ""))
        effective = str(versions.get("kubernetes-emulated", version))
        return cls(version, effective) if version else None

    def __str__(self) -> str:
        if self.effective == self.version:
            return self.version
        return f"{self.version} (which behaves as {self.effective})"

    @property
    def binary(self) -> tuple[int, ...]:
        return _minor(self.version)

    @property
    def behavior(self) -> tuple[int, ...]:
        return _minor(self.effective)


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _next(minor: tuple[int, ...]) -> tuple[int, ...]:
    return (minor[0], minor[1] + 1)


def _etcd(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Refusal]:
    """Yield a refusal of a downgrade; the step also accepts one that etcdctl has prepared."""
    before = str(old.get("versions", {}).get("etcd", ""))
    after = str(new.get("versions", {}).get("etcd", ""))
    if not before or not after:
        return
    minor, new_minor = _minor(before), _minor(after)
    if new_minor >= minor:
        return
    message = (
        f"kvstore.version changes from {before} to {after}: an older minor version of etcd cannot "
        "read the data"
    )
    hint = f"set kvstore.version to {'.'.join(map(str, minor))}.x"
    yield Refusal(Code.VERSION_SKEW, message, hint)
