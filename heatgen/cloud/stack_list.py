# SPDX-License-Identifier: Apache-2.0
"""Edge: lists the clusters of a project."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import NotFound
from heatgen.hot import resolve
from heatgen.stack import identity


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster, as its stack describes it."""

    stack: str
    name: str
    status: str
    created: datetime | None
    updated: datetime | None
    """None before the first update."""
    kubernetes: str
    """Version in the template; '' if it has none."""
    control: int
    workers: int


def clusters(cloud: Cloud) -> Iterator[Cluster]:
    """Yield the clusters of the project whose stacks have templates of heatgen, by stack name."""
    found = call(lambda: list(cloud.heat().stacks.list()))
    for item in sorted(found, key=lambda item: str(item.stack_name)):
        name = identity.cluster_of(item.description)
        if not name:
            continue
        try:
            of = stack.get(item.id, cloud, with_outputs=False)
            state = stack.state(of, cloud)
        except NotFound:
            continue  # deleted meanwhile
        size = identity.size(resolve.resources(state.template, state.values))
        yield Cluster(
            stack=of.name,
            name=name,
            status=f"{of.action}_{of.status}",
            created=_time(item.creation_time),
            updated=_time(getattr(item, "updated_time", None)),
            kubernetes=identity.kubernetes(state.template),
            control=size.control,
            workers=size.workers,
        )


def _time(text: str | None) -> datetime | None:
    """Return a time of Heat, which is in UTC."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
