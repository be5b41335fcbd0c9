# SPDX-License-Identifier: Apache-2.0
"""Edge: collects logs of a cluster's nodes in a folder, from Heat, from Nova, and over SSH.

``FOLDER/<node>/<layer>-<step>.txt`` has the output of a step as stored in Heat, ``console.txt`` the
console log of Nova, and ``<layer>.journal`` the journal of the layer's services.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Server, Stack, StepResult
from heatgen.stack.progress import Progress

SERVICES = {
    "os": (
        "heatgen-agent", "heatgen-prefetch", "heatgen-switch", "cloud-init", "cloud-final",
        "systemd-resolved",
    ),
    "runtime": ("containerd", "docker", "cri-docker"),
    "kvstore": ("etcd",),
    "network": ("flanneld", "flannel-resync"),
    "orchestration": (
        "kubelet", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
        "apiserver-liveness", "kubelet-approver", "keepalived",
    ),
}  # fmt: skip
"""Units of each layer, for all blocks; units that a node does not have add no entries."""
LINES = 20_000
"""Number of lines from the end of each journal."""
TIMEOUT = 60
"""Timeout of reading one journal, in seconds."""
PARALLEL = 8
_NO_ENTRIES = "-- No entries --"


@dataclass(frozen=True)
class Entry:
    """A written file, or the reason why a log could not be collected."""

    node: str
    layer: str
    file: str
    """'' if there is a problem."""
    problem: str


def from_heat(of: Stack, progress: Progress, cloud: Cloud, folder: Path) -> Iterator[Entry]:
    """Write the output of steps that is stored in Heat."""
    for step in stack.step_results(of, progress, cloud):
        item = step.item
        file = _write(folder, item.node, f"{item.layer}-{item.title}.txt", _text(step))
        yield Entry(item.node, item.layer, file, "")


def from_nova(servers: Iterable[Server], cloud: Cloud, folder: Path) -> Iterator[Entry]:
    """Write the servers' console logs."""
    compute = cloud.connection.compute
    for server in servers:
        try:
            console = call(compute.get_server_console_output, server.identity)
        except CloudFailed as error:
            yield Entry(server.name, "os", "", f"console: {error}")
            continue
        text = str(console["output"] or "")
        if text.strip():
            yield Entry(server.name, "os", _write(folder, server.name, "console.txt", text), "")


def from_nodes(servers: Mapping[Server, str], ssh: Sequence[str], folder: Path) -> list[Entry]:
    """Write the journals of services.

    Args:
        servers: servers to connect to, and the user of each.
        ssh: command with its options; ``%h`` and ``%u`` are replaced with address and user.
        folder: target folder.
    """
    commands = {
        server: [part.replace("%h", server.address).replace("%u", user) for part in ssh]
        for server, user in servers.items()
    }
    journals = [(server, layer) for server in servers for layer in SERVICES]
    with ThreadPoolExecutor(PARALLEL) as pool:
        entries = pool.map(
            lambda journal: _journal(journal[0], journal[1], commands[journal[0]], folder), journals
        )
        return [entry for entry in entries if entry]


def _journal(server: Server, layer: str, ssh: Sequence[str], folder: Path) -> Entry | None:
    node = server.name
    units = [argument for unit in SERVICES[layer] for argument in ("-u", unit)]
    journalctl = ["sudo", "-n", "journalctl", "--no-pager", "-o", "short-iso", "-n", str(LINES)]
    command = [*ssh, *journalctl, *units]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Entry(node, layer, "", f"journal: {error}")
    if done.returncode:
        errors = done.stderr.decode(errors="replace").strip().splitlines()
        return Entry(node, layer, "", f"journal: {[*errors, f'exit {done.returncode}'][0]}")
    text = done.stdout.decode(errors="replace")
    if text.strip() in ("", _NO_ENTRIES):
        return None
    return Entry(node, layer, _write(folder, node, f"{layer}.journal", text), "")


def _text(step: StepResult) -> str:
    result = f"exit status {step.code}" if step.code else "not finished"
    return (
        f"{step.item}: {step.status}, {result}\n{step.reason}\n"
        f"\n--- stdout\n{step.stdout}\n--- stderr\n{step.stderr}\n"
    )


def _write(folder: Path, node: str, name: str, text: str) -> str:
    file = folder / node / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return str(file)
