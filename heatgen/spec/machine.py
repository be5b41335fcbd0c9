# SPDX-License-Identifier: Apache-2.0
"""Properties of a group's servers; defaults are in ``cloud``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_GROUP = "none"


@dataclass(frozen=True)
class BootVolume:
    """A boot volume; ``type`` is '' for the cloud's default."""

    size: int
    """GiB."""
    type: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Properties and placement of a group's servers."""

    flavor: str
    image: str
    """'' for ``cloud.image``."""
    zones: tuple[str, ...]
    """Availability zones, used round-robin; if empty, Nova chooses."""
    volume_zones: tuple[str, ...]
    """Availability zones of data volumes, used round-robin; if empty, Cinder chooses."""
    boot_volume: BootVolume | None
    """None: the servers boot from the flavor's disk."""
    server_group: str
    """Policy of the Nova server group, or :data:`NO_GROUP`."""


def read(
    group: Mapping[str, Any],
    cloud: Mapping[str, Any],
    zones: tuple[str, ...],
    volume_zones: tuple[str, ...],
) -> Machine:
    """Return the properties of a group's servers.

    Args:
        group: ``control_plane`` or a group of ``workers``, with defaults.
        cloud: ``cloud``, with defaults: for what the group does not set.
        zones: the group's own availability zones, if any.
        volume_zones: the group's own availability zones of volumes, if any.
    """
    return Machine(
        flavor=group.get("flavor") or cloud["flavor"],
        image=group.get("image") or "",
        zones=zones or zones_of(cloud.get("availability_zone")),
        volume_zones=volume_zones or zones_of(cloud.get("volume_availability_zone")),
        boot_volume=_boot_volume(group.get("boot_volume") or cloud.get("boot_volume")),
        server_group=group["server_group"],
    )


def zones_of(name: str | None) -> tuple[str, ...]:
    """Return the zones for an optional name of one zone."""
    return (name,) if name else ()


def _boot_volume(data: Mapping[str, Any] | None) -> BootVolume | None:
    return BootVolume(data["size"], data.get("type") or "") if data else None
