# SPDX-License-Identifier: Apache-2.0
"""Values of the stack's parameters that restore etcd from a backup, phase by phase.

A phase begins when every control-plane node has executed the one before it; so the data of two
clusters is never in use at the same time. ``hot/blocks/kvstore/etcd/restore.sh`` executes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heatgen.plan.inputs import RESTORE, RESTORED

STEP = ("kvstore", "backup")
OUTPUTS = {
    "backups": "State of the backups of each control-plane node, by index (JSON)",
    "restore": "Phase of a restore that each control-plane node has executed, by index",
}
"""Outputs of the stack, and of the step on each control-plane node."""
LIST, CHECK, STOP, START, DONE = PHASES = ("list", "check", "stop", "start", "done")
ID_LENGTH = 16
"""Hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A backup on a control-plane node."""

    node: str
    file: str
    sha256: str
    """Of the sealed file."""


def parameters(identity: str, phase: str, source: Source | None = None) -> dict[str, str]:
    """Return the parameters of the update that executes a phase.

    Args:
        identity: id of the restore, :data:`ID_LENGTH` hexadecimal digits.
        phase: one of :data:`PHASES`.
        source: the backup; None for the first phase and the last one.
    """
    words = [identity, phase]
    if source is not None:
        words += [source.node, source.file, source.sha256]
    changes = {RESTORE.name: " ".join(words)}
    if phase == DONE:
        changes[RESTORED.name] = identity
    return changes


def pending(identity: str, phase: str, outputs: Mapping[str, str]) -> list[str]:
    """Return the indices of the nodes that have not executed a phase.

    Args:
        identity: id of the restore.
        phase: the phase.
        outputs: the stack's output ``restore``.
    """
    return [index for index, value in sorted(outputs.items()) if value != f"{identity} {phase}"]


def interrupted(request: str) -> tuple[str, str, Source] | None:
    """Return id, phase and backup of a restore that has begun and not ended; otherwise None.

    A restore that was interrupted before ``stop`` has changed nothing, and is not continued.

    Args:
        request: value of the stack's parameter ``restore``.
    """
    words: Sequence[str] = request.split()
    if len(words) != 5 or words[1] not in (STOP, START):
        return None
    return words[0], words[1], Source(node=words[2], file=words[3], sha256=words[4])
