# SPDX-License-Identifier: Apache-2.0
"""What a group's servers are made of: as the group in ``cluster.yaml`` says, else as the cloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_GROUP = "none"


@dataclass(frozen=True)
class BootVolume:
    """A volume that a server boots from; ``type`` is '' for the cloud's default."""

    size: int
    """GiB."""
    type: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the servers of a group are made of and where they stand."""

    flavor: str
    image: str
    """'' for the cloud's."""
    zones: tuple[str, ...]
    """Availability zones, taken in turn; none: Nova chooses."""
    volume_zones: tuple[str, ...]
    """The same for volumes of their own; none: Cinder chooses."""
    boot_volume: BootVolume | None
    """None: they boot from the flavor's disk."""
    server_group: str
    """Policy of the Nova server group, or :data:`NO_GROUP`."""


def read(
    group: Mapping[str, Any],
    cloud: Mapping[str, Any],
    zones: tuple[str, ...],
    volume_zones: tuple[str, ...],
) -> Machine:
    """What the servers of a group are made of.

    Args:
        group: ``control_plane`` or a group of ``workers``, with defaults.
        cloud: ``cloud``, with defaults: what groups do not say.
        zones: of the group, if it names any.
        volume_zones: the same for volumes.
    """
    return Machine(
        flavor=group.get("flavor") or cloud["flavor"],
        image=group.get("image") or "",
        zones=zones or one(cloud.get("availability_zone")),
        volume_zones=volume_zones or one(cloud.get("volume_availability_zone")),
        boot_volume=_boot_volume(group.get("boot_volume") or cloud.get("boot_volume")),
        server_group=group["server_group"],
    )


def one(name: str | None) -> tuple[str, ...]:
    """A zone, if one is named, as all there are."""
    return (name,) if name else ()


def _boot_volume(data: Mapping[str, Any] | None) -> BootVolume | None:
    return BootVolume(data["size"], data.get("type") or "") if data else None
