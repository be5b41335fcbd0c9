# SPDX-License-Identifier: Apache-2.0
"""Preview of an update, which ``heatgen diff`` and ``heatgen update`` show.

Exit codes:

====  ============================================================================================
0     no changes
4     resources would be updated in place or added, or steps would run again
5     data or addresses would be lost: a server, disk, network or address is replaced, rebuilt or
      removed
6     the cluster would not survive the update: the network of pods or services changes, or a minor
      version of Kubernetes is skipped or goes back
====  ============================================================================================

Failures have the exit codes of all commands (1, 2, 3, 130). So 1 and 2 do not have the meaning that
``diff(1)`` and ``terraform plan -detailed-exitcode`` give them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heatgen.cli.base import DONE, print_error, print_message
from heatgen.cloud import stack, stack_update
from heatgen.cloud.connection import Cloud
from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENTS, tasks
from heatgen.stack import update_preview
from heatgen.stack.refused_changes import Refusal, refused_changes
from heatgen.stack.turns import Pace, Turns, turns
from heatgen.stack.update_preview import Change, StackState

if TYPE_CHECKING:
    from heatgen.project.project import Project

CHANGES, LOSSES, REFUSED = 4, 5, 6
COLUMNS = ("Change", "What", "Where", "Why")
Row = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an update of a stack would change."""

    stack: stack.Stack
    before: StackState
    after: StackState
    explicit: Mapping[str, Any]
    """Parameters that the stack sets explicitly, and that the update would set."""
    changes: tuple[Change, ...]
    """The most destructive first."""
    refusals: tuple[Refusal, ...]
    turns: Turns
    """Nodes that would change one after the other."""

    @property
    def losses(self) -> list[Change]:
        """Changes that lose data or addresses."""
        return [change for change in self.changes if change.loses]

    @property
    def code(self) -> int:
        """The exit code."""
        if self.refusals:
            return REFUSED
        return LOSSES if self.losses else CHANGES if self.changes else DONE


def preview(
    cluster: "Project",
    running: stack.Stack,
    cloud: Cloud,
    parameters: Mapping[str, str] | None = None,
    *,
    locked: bool = False,
    existing: bool = True,
) -> Preview:
    """Render the template of a cluster, and compare it with its stack.

    Args:
        cluster: the files of the cluster.
        running: its stack.
        cloud: the cloud.
        parameters: parameters that the update would set.
        locked: create no file and use no network to render the template.
        existing: keep the parameters that the stack sets explicitly.
    """
    # Imported here to keep the start of commands fast.
    from heatgen.plan.inputs import ADMIN_REQUEST, BACKUP_CERTIFICATE
    from heatgen.project import block_loader, project

    before = stack.state(running, cloud)
    kept = stack.explicit_parameters(running, cloud) if existing else {}
    explicit = {**kept, **(parameters or {})}
    # Without a local certificate request the stack's is kept; a new one is not created.
    request = "" if cluster.request_file.exists() or cluster.key_file.exists() else str(
        running.parameters.get(ADMIN_REQUEST.name, "-")
    )  # fmt: skip
    # The same for the certificate of the backup key.
    local = cluster.backup_certificate_file.exists() or cluster.backup_key_file.exists()
    certificate = "" if local else str(running.parameters.get(BACKUP_CERTIFICATE.name) or "")
    rendered = project.make_template(
        cluster, print_message, request=request, backup_certificate=certificate, locked=locked
    )
    pseudo = {key: value for key, value in running.parameters.items() if key[:4] == "OS::"}
    values = resolve.parameters(rendered.template, {**explicit, **pseudo})
    after = StackState(rendered.template, values)
    changes = update_preview.compare(before, after, block_loader.schema("heat"))
    failed = stack_update.failed_resources(running, cloud)
    changes = update_preview.with_repairs(changes, failed, before, running.name)
    return Preview(
        stack=running,
        before=before,
        after=after,
        explicit=explicit,
        changes=tuple(changes),
        refusals=tuple(refused_changes(before.template, rendered.template)),
        turns=turns(changes, after, _paces(cluster), cluster.spec.site.timeout_factor),
    )


def _paces(cluster: "Project") -> dict[str, Pace]:
    """Return how each group of nodes changes."""
    from heatgen.spec.workers import DRAIN_NEVER

    return {
        name: Pace(roll.batch, 0 if roll.drain == DRAIN_NEVER else roll.drain_seconds)
        for name, roll in cluster.spec.rolls.items()
    }


def show(found: Preview) -> None:
    """Print parameters that stay, the summary, nodes that change in turn, losses and refusals."""
    _print_parameters(found)
    if found.turns.count:
        groups = ", ".join(f"{len(nodes)} of {name}" for name, nodes in found.turns.nodes.items())
        print_message(
            f"note: {found.turns.count} nodes change in turn ({groups}), which takes at most "
            f"{found.turns.minutes} min (--timeout of the update); after a failure no other "
            "node changes"
        )
    if not found.changes:
        print_message(f"stack {found.stack.name}: no changes")
    for change in found.losses:
        target = ", ".join(change.nodes) or change.resource
        print_message(f"{change.action} {target} ({change.kind}): {', '.join(change.why)}")
    if found.losses:
        print_message("warning: the update would destroy the resources above and their data")
    for refusal in found.refusals:
        print_error(refusal.code, refusal.message, refusal.hint)


def rows(found: Preview) -> list[Row]:
    """Return the changes; those of one step on several nodes are merged."""
    known = tasks(resolve.resources(found.after.template, found.after.values))
    merged: dict[tuple[str, str, str], list[str]] = {}
    for change in found.changes:
        task = known.get(change.resource) if change.kind in DEPLOYMENTS else None
        what = f"step {task.title}" if task else f"{change.resource} ({change.kind})"
        key = (change.action, what, ", ".join(change.why))
        merged.setdefault(key, []).extend(change.nodes)
    return [(action, what, ", ".join(nodes), why) for (action, what, why), nodes in merged.items()]


def _print_parameters(found: Preview) -> None:
    """Print explicitly set parameters that override new defaults or are not declared any more."""
    declared, values = found.after.template["parameters"], found.after.values
    for name in found.explicit:
        if name in declared and declared[name].get("default") != values[name]:
            verb = "stays" if found.before.values.get(name) == values[name] else "becomes"
            print_message(
                f"note: {name} {verb} {values[name]} because the stack sets it explicitly; "
                f"the file has {declared[name].get('default')}"
            )
        elif name not in declared and name in found.before.values:
            print_message(f"note: the stack sets {name}, which the new template does not declare")
