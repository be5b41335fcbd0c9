# SPDX-License-Identifier: Apache-2.0
"""``heatgen list``."""

import argparse
from datetime import UTC, datetime
from typing import Any

from cliff.columns import FormattableColumn

from heatgen.cli.base import CloudLister, print_message
from heatgen.cloud import stack_list

_COLUMNS = (
    "Stack", "Status", "Kubernetes", "Control Plane", "Workers", "Created", "Updated",
)  # fmt: skip
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


class _Time(FormattableColumn[Any]):
    """A time: its age in tables, the time in formats for programs."""

    def human_readable(self) -> str:
        """Return the age."""
        if self._value is None:
            return ""
        return f"{age((datetime.now(UTC) - self._value).total_seconds())} ago"

    def machine_readable(self) -> str | None:
        """Return the time in UTC."""
        return f"{self._value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if self._value else None


class List(CloudLister):
    """List the clusters in the project: stacks that were created from templates of heatgen."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Read the stacks and return the table."""
        found = list(stack_list.clusters(self.cloud(parsed_args)))
        if not found:
            print_message("no clusters in this project")
        return _COLUMNS, [
            (
                cluster.stack,
                cluster.status,
                cluster.kubernetes,
                cluster.control,
                cluster.workers,
                _Time(cluster.created),
                _Time(cluster.updated),
            )
            for cluster in found
        ]


def age(seconds: float) -> str:
    """Return a duration as kubectl shows ages: ``45s``, ``12m``, ``7h``, ``3d``."""
    for unit, length in _UNITS:
        if seconds >= 2 * length or (unit == "m" and seconds >= length):
            return f"{seconds // length:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"
