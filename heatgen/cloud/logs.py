# SPDX-License-Identifier: Apache-2.0
"""Edge: what a cluster's nodes said, in a folder: from Heat, from Nova, and over SSH.

``FOLDER/<node>/<layer>-<step>.txt`` is what Heat kept of a step, ``console.txt`` what Nova has of
the console, ``<layer>.journal`` the journal of the layer's services.
"""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, CloudFailed, asked
from heatgen.cloud.stack import Server, Stack, StepResult
from heatgen.stack.progress import Progress

SERVICES = {
    "os": ("heatgen-agent", "heatgen-prefetch", "cloud-init", "cloud-final", "systemd-resolved"),
    "runtime": ("containerd", "docker", "cri-docker"),
    "kvstore": ("etcd",),
    "network": ("flanneld", "flannel-resync"),
    "orchestration": (
        "kubelet", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
        "apiserver-liveness", "kubelet-approver", "keepalived",
    ),
}  # fmt: skip
"""Units of each layer, whichever block is in use; those that a node has not got say nothing."""
LINES = 20_000
"""Of each journal, the last."""
SECONDS = 60
"""For one journal."""
AT_ONCE = 8
_NOTHING = "-- No entries --"


@dataclass(frozen=True)
class Entry:
    """A file that was written, or what could not be had."""

    node: str
    layer: str
    file: str
    """'' if there is none."""
    problem: str


def from_heat(of: Stack, known: Progress, cloud: Cloud, folder: Path) -> Iterator[Entry]:
    """What Heat kept of the steps."""
    for step in stack.step_results(of, known, cloud):
        item = step.item
        file = _write(folder, item.node, f"{item.layer}-{item.title}.txt", _text(step))
        yield Entry(item.node, item.layer, file, "")


def from_nova(servers: Iterable[Server], cloud: Cloud, folder: Path) -> Iterator[Entry]:
    """The servers' consoles."""
    compute = cloud.connection.compute
    for server in servers:
        try:
            said = asked(compute.get_server_console_output, server.identity)
        except CloudFailed as error:
            yield Entry(server.name, "os", "", f"console: {error}")
            continue
        text = str(said["output"] or "")
        if text.strip():
            yield Entry(server.name, "os", _write(folder, server.name, "console.txt", text), "")


def from_nodes(servers: Iterable[Server], ssh: Sequence[str], folder: Path) -> list[Entry]:
    """The services' journals.

    Args:
        servers: to be asked.
        ssh: command with its options; ``%h`` in it stands for the address.
        folder: to write to.
    """
    places = [(server, layer) for server in servers for layer in SERVICES]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        entries = pool.map(lambda place: _journal(place[0], place[1], ssh, folder), places)
        return [entry for entry in entries if entry]


def _journal(server: Server, layer: str, ssh: Sequence[str], folder: Path) -> Entry | None:
    node = server.name
    units = [word for unit in SERVICES[layer] for word in ("-u", unit)]
    asked_for = ["sudo", "-n", "journalctl", "--no-pager", "-o", "short-iso", "-n", str(LINES)]
    command = [*(word.replace("%h", server.address) for word in ssh), *asked_for, *units]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Entry(node, layer, "", f"journal: {error}")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Entry(node, layer, "", f"journal: {[*said, f'exit {done.returncode}'][0]}")
    text = done.stdout.decode(errors="replace")
    if text.strip() in ("", _NOTHING):
        return None
    return Entry(node, layer, _write(folder, node, f"{layer}.journal", text), "")


def _text(step: StepResult) -> str:
    ended = f"exit status {step.code}" if step.code else "it has not ended"
    return (
        f"{step.item}: {step.status}, {ended}\n{step.reason}\n"
        f"\n--- stdout\n{step.stdout}\n--- stderr\n{step.stderr}\n"
    )


def _write(folder: Path, node: str, name: str, text: str) -> str:
    file = folder / node / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return str(file)
