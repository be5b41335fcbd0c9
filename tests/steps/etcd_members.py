# SPDX-License-Identifier: Apache-2.0
"""Control-plane nodes with real etcd members, each in a sandbox with a network of its own.

The namespaces of a node live as long as a process in them, so that etcd runs between two steps.
``systemctl`` is replaced by a program that starts etcd, and that remembers other units by name.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .conftest import HERE, HOT, Input, Result, write_input
from .etcd_backup import ETCD, inputs, programs
from .trust_cluster import Cluster, Node

SYSTEMCTL = r"""#!/bin/bash
echo "systemctl $*" >>/run/calls
mkdir -p /run/units
words=()
for word; do [[ $word == --* ]] || words+=("$word"); done
verb=${words[0]} unit=${words[1]:-}
unit=${unit%.service}
running() {
    if [ "$unit" = etcd ]; then
        [ -s /run/etcd.pid ] && kill -0 "$(cat /run/etcd.pid)" 2>/dev/null
    else
        [ -e "/run/units/$unit" ]
    fi
}
halt() {
    if [ "$unit" != etcd ]; then rm -f "/run/units/$unit" && return; fi
    ! running || kill "$(cat /run/etcd.pid)"
    for _ in $(seq 400); do running || return 0; sleep 0.1; done
    exit 1
}
launch() {
    if [ "$unit" != etcd ]; then touch "/run/units/$unit" && return; fi
    ! running || return 0
    set -a
    [ ! -e /etc/etcd/cluster.env ] || . /etc/etcd/cluster.env
    . /etc/etcd/etcd.env
    setsid /opt/heatgen/bin/etcd >>/run/etcd.log 2>&1 &
    echo $! >/run/etcd.pid
}
case $verb in
    is-active) running ;;
    stop) halt ;;
    start) launch ;;
    restart) halt && launch ;;
esac
"""
UNITS = ("kube-apiserver", "apiserver-liveness", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Member:
    """A node whose namespaces a process keeps."""

    node: Node
    pid: int

    def run(self, script: Path, **values: Input) -> Result:
        """Run a script in the namespaces of the node; pass inputs in the same way as the agent."""
        folder = self.node.sandbox.folder / f"run-{time.monotonic_ns()}"
        folder.mkdir()
        for name, value in values.items():
            write_input(folder / f"inputs.{name}", value)
        texts = {name: value for name, value in values.items() if isinstance(value, str)}
        # Files, not pipes: etcd keeps the descriptors of the step that has started it.
        with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
            done = subprocess.run(
                ["nsenter", "--target", str(self.pid), "--mount", "--net", "--uts", "bash", script],
                env={
                    "PATH": f"/run/stub:{os.environ['PATH']}:/usr/sbin:/sbin",
                    "HEATGEN_LIB": str(HOT / "lib"),
                    "HEATGEN_MEMBERS": str(ETCD / "members.sh"),
                    "HEATGEN_ROLE": "control",
                    "heat_inputs_path": str(folder / "inputs"),
                    "heat_outputs_path": str(folder / "outputs"),
                    **texts,
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=150,
            )
        outputs = {
            path.name.removeprefix("outputs."): path.read_text()
            for path in folder.glob("outputs.*")
        }
        texts = {name: (folder / name).read_text() for name in ("stdout", "stderr")}
        return Result(done.returncode, texts["stdout"], texts["stderr"], outputs)

    def shell(self, commands: str) -> str:
        """Run commands on the node, with functions of etcd's client; return their output."""
        script = self.node.sandbox.folder / "commands.sh"
        script.write_text(
            'source "$HEATGEN_LIB/step.sh"; trap - ERR; source "$HEATGEN_MEMBERS"\n'
            "pki=/etc/etcd/pki own=https://127.0.0.1:2379 root_home=$(mktemp -d)\n" + commands
        )
        result = self.run(script)
        assert result.status == 0, result.stderr or result.stdout
        return result.stdout


class Members:
    """All control-plane nodes of a cluster."""

    def __init__(self, cluster: Cluster, members: list[Member], archive: Path) -> None:
        self.cluster = cluster
        self.members = members
        self.archive = archive

    def step(self, name: str, **values: Input) -> list[Result]:
        """Run a step of the block on all nodes at once, as Heat does."""
        every: dict[str, Input] = {**inputs(self.cluster), **values}
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda item: item.run(ETCD / name, **every), self.members))

    def start(self) -> None:
        """Run the step that starts etcd, and the one that installs backups, on all nodes."""
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        for result in self.step(
            "10-start.sh",
            ETCD_ARTIFACT=f"file://{self.archive} {digest}",
            ETCD_VERSION="3.6.16",
            ETCD_UNIT=(ETCD / "etcd.service").read_text(),
            ETCD_JOINING=",",
            USERS=(ETCD / "users.sh").read_text(),
            TRUST_REVISION="1",
        ):
            assert result.status == 0, result.problem or result.stderr
        for result in self.step("20-backup.sh"):
            assert result.status == 0, result.problem or result.stderr


@contextmanager
def running(cluster: Cluster, folder: Path) -> Iterator[Members]:
    """Yield the nodes of a cluster with its network; end all their processes afterwards."""
    archive = folder / "etcd.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("etcd", "etcdctl", "etcdutl"):
            tar.add(programs() / name, f"etcd/{name}")
    bridge = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    started = [bridge]
    members: list[Member] = []
    try:
        _wait(lambda: _namespace(bridge.pid) != _namespace(os.getpid()))
        _ip(bridge.pid, "link add br0 type bridge", "link set br0 up")
        for node in cluster.control:
            process = _node(node)
            started.append(process)
            name = f"v{node.index}"
            _ip(
                bridge.pid,
                f"link add {name} type veth peer name eth0 netns {process.pid}",
                f"link set {name} master br0 up",
            )
            _ip(
                process.pid,
                "link set lo up",
                f"addr add {node.address}/24 dev eth0",
                "link set eth0 up",
                "route add default via 192.0.2.254",
            )
            members.append(Member(node, process.pid))
        yield Members(cluster, members, archive)
    finally:
        for member in members:
            member.run(_script(folder, "systemctl stop etcd\npkill -KILL etcd-rehearsal\ntrue\n"))
        for process in started:
            process.kill()
            process.wait()


def _node(node: Node) -> subprocess.Popen[bytes]:
    """Start the process that keeps the namespaces of a node."""
    folder = node.sandbox.folder
    prepare = _script(
        folder,
        "mkdir -p /run/stub /run/units\n"
        f"touch {' '.join(f'/run/units/{unit}' for unit in UNITS)}\n"
        f"cat >/run/stub/systemctl <<'END'\n{SYSTEMCTL}END\n"
        "printf '%s\\n' '#!/bin/bash' 'tail -n 3 /run/etcd.log' >/run/stub/journalctl\n"
        "chmod +x /run/stub/*\n"
        "mkdir -p /opt/heatgen/bin\n"
        "ln -sfn /opt/heatgen/kubernetes/1.37.2/kube-apiserver /opt/heatgen/bin/kube-apiserver\n"
        "touch /run/prepared\nexec sleep 1000\n",
    )
    words = ("unshare", "--net", HERE / "sandbox.sh", folder / "system", "bash", prepare)
    command = [str(word) for word in words]
    environment: Mapping[str, str] = {**os.environ, "HEATGEN_HOSTNAME": node.sandbox.name}
    process = subprocess.Popen(command, env=environment)
    _wait(node.path("/run/prepared").exists)
    return process


def _script(folder: Path, text: str) -> Path:
    path = folder / f"script-{time.monotonic_ns()}.sh"
    path.write_text(text)
    return path


def _namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _ip(pid: int, *commands: str) -> None:
    for command in commands:
        words = ["nsenter", "--target", str(pid), "--net", "ip", *command.split()]
        subprocess.run(words, check=True, capture_output=True)


def _wait(done: object) -> None:
    assert callable(done)
    for _ in range(200):
        if done():
            return
        time.sleep(0.05)
    raise TimeoutError("a node of the test did not start")
