# SPDX-License-Identifier: Apache-2.0
"""The ``cluster.yaml`` of a system, and the choice of what the user did not select. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudring.options import Options, Target, UsageError
from heatgen.yamlio.merge_patch import merged

MIN_PROCESSORS, MIN_MEMORY = 2, 3800
"""MB of memory: flavors with 4 GB have 4096, or 4000."""


@dataclass(frozen=True)
class Defaults:
    """Values for what neither an option nor a part of ``cluster.yaml`` sets."""

    flavor: str = ""
    external_network: str = ""
    ssh_key: str = ""


def content(
    target: Target,
    name: str,
    options: Options,
    defaults: Defaults,
    fragments: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of a system's ``cluster.yaml``.

    Args:
        target: the system.
        name: of the cluster and its stack.
        options: options of the run.
        defaults: for what is not set.
        fragments: parts of ``cluster.yaml``; later ones take precedence.

    Raises:
        UsageError: no network may reach the API.
    """
    found: dict[str, Any] = {
        "cloud": _set(external_network=defaults.external_network, flavor=defaults.flavor),
        "access": _set(ssh_key=defaults.ssh_key),
    }
    for fragment in fragments:
        found = merged(found, fragment)
    cloud = _set(
        image=target.image, flavor=options.flavor, external_network=options.external_network
    )
    access = _set(ssh_key=options.ssh_key, api=list(options.access))
    own = {"name": name, "os": {"use": target.block}, "cloud": cloud, "access": access,
           "control_plane": {"count": 1}}  # fmt: skip
    found = merged(found, own)
    if not found["access"].get("api"):
        raise UsageError("no network may reach the API: set --access CIDR")
    groups = found.get("workers")
    if isinstance(groups, list):
        kept = [{k: v for k, v in item.items() if k not in ("os", "image")} for item in groups]
        found["workers"] = [{**group, "count": 1} for group in kept]
    else:
        found["workers"] = {**(groups or {}), "count": 1}
    return found


def _set(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def choose_network(networks: Sequence[Mapping[str, Any]]) -> str:
    """Return the only external network, or the only default one.

    Raises:
        UsageError: the cloud has no external network, or the choice is not clear.
    """
    default = [item for item in networks if item.get("is_default")]
    chosen = networks if len(networks) == 1 else default
    if len(chosen) == 1:
        return str(chosen[0]["name"])
    if not networks:
        raise UsageError("the cloud has no external network: set access.floating_ip with --cluster")
    names = ", ".join(sorted(str(item["name"]) for item in networks))
    raise UsageError(f"several external networks: set --external-network to one of {names}")


def choose_flavor(flavors: Iterable[Mapping[str, Any]], images: Iterable[Mapping[str, Any]]) -> str:
    """Return the smallest flavor that fits all images.

    Raises:
        UsageError: no flavor is large enough.
    """
    every = list(images)
    disk = max((item.get("min_disk") or 0 for item in every), default=0)
    memory = max([MIN_MEMORY, *(item.get("min_ram") or 0 for item in every)])
    fitting = [
        (item["ram"], item["vcpus"], item["disk"], str(item["name"]))
        for item in flavors
        if item["vcpus"] >= MIN_PROCESSORS
        and item["ram"] >= memory
        # 0: as large as the image.
        and (item["disk"] >= max(disk, 10) or (item["disk"] == 0 and not disk))
    ]
    if not fitting:
        needed = f"{MIN_PROCESSORS} processors, {memory} MB and {max(disk, 10)} GB"
        raise UsageError(f"no flavor has {needed}: set --flavor, or a boot volume with --cluster")
    return min(fitting)[-1]


def choose_key(names: Sequence[str]) -> str:
    """Return the only key pair, else ''; without one, the nodes have no key."""
    return names[0] if len(names) == 1 else ""
