# SPDX-License-Identifier: Apache-2.0
"""Layer 1, the micro-OS: the nodes are there, are who they should be, and are sound."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest

from conformance import cis_rules
from conformance.api.core_resources import quantity
from conformance.deploy import pod_diagnosis
from conformance.facts.expected import Expectation
from conformance.facts.machine import Machine, Room, agreed
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip

pytestmark = pytest.mark.os

DESCRIBE = "kubectl describe node {}"
LEASE_SHARE = 0.75  # of a kubelet's lease, which it renews after a quarter of it
FUTURE_SECONDS = 3.0  # by which a lease may be from the future: the API tells whole seconds
SKEW_SECONDS = 2.0  # beyond what asking took; etcd's members complain of one
SKEW_WARNING = 0.5
# Where the kubelet keeps what it counts, by the first word of its eviction signals.
KUBELETS = {
    "nodefs": ("/var/lib/kubelet",),
    "imagefs": ("/var/lib/containerd", "/var/lib/docker"),
}
MINORS_BACK = 3  # a kubelet may be that much older than the API server, and never newer

Note = Callable[[str, object], None]  # pytest's record_property


@detects("node-missing")
def test_expected_node_is_registered(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """Every node that the stack made has joined the cluster, under its own name."""
    require(
        expected_node in facts.nodes,
        at=f"{expected_node}: kubectl get nodes",
        expected=f"a node {expected_node} ({expected.nodes[expected_node].role})",
        seen=f"only {', '.join(sorted(facts.nodes))}",
        likely="its kubelet does not run, cannot reach the API, or registered under another name",
        look=f"on {expected_node}: journalctl -u kubelet -n 50",
    )


def test_node_has_expected_address_and_role(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """A node's internal address and its role are those that the stack gave it."""
    if expected_node not in facts.nodes:
        pytest.skip(f"{expected_node} is not registered (see test_expected_node_is_registered)")
    want, node = expected.nodes[expected_node], facts.nodes[expected_node]
    role = "control" if node.is_control else "worker"
    require(
        (node.address, role) == (want.address, want.role),
        at=f"{expected_node}: InternalIP and role label",
        expected=f"{want.address}, {want.role}",
        seen=f"{node.address}, {role}",
        likely="kubelet took another interface's address, or the control plane's label is missing",
        look=DESCRIBE.format(expected_node),
    )


def test_node_is_expected(expected: Expectation, node: str) -> None:
    """No stranger has joined the cluster."""
    if not expected.nodes:
        pytest.skip("no --expect names the nodes")
    require(
        node in expected.nodes,
        at=f"{node}: kubectl get nodes",
        expected=f"one of {', '.join(sorted(expected.nodes))}",
        seen=f"a node {node} that the stack did not make",
        likely="a node that is gone left its object behind, or another machine joined",
        look=DESCRIBE.format(node),
    )


@detects("kubelet-down", "cni-not-configured")
def test_node_is_ready(facts: Facts, node: str) -> None:
    """The node's kubelet reports it Ready."""
    status = facts.status(node)
    require(
        status.ready,
        at=f"{node}: condition Ready",
        expected="True",
        seen=status.reasons.get("Ready", "no such condition"),
        likely=pod_diagnosis.cause(status.why_not_ready)
        or "kubelet, the container runtime or the CNI configuration of the node",
        look=f"on {node}: systemctl status kubelet; journalctl -u kubelet -n 50; ls /etc/cni/net.d",
    )


def test_node_is_not_under_pressure(facts: Facts, node: str) -> None:
    """Memory, disk and process ids of the node suffice, and its network is set up."""
    status = facts.status(node)
    if status.is_silent:
        raise InconclusiveError(f"{node}: {pod_diagnosis.of_node(status)}")
    pressing = {kind: why for kind, why in status.reasons.items() if kind != "Ready"}
    require(
        not pressing,
        at=f"{node}: conditions",
        expected="MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable: False",
        seen="; ".join(f"{kind}: {why}" for kind, why in pressing.items()),
        likely="the node's flavor is too small, or something fills it",
        look=DESCRIBE.format(node),
    )


@detects("version-skew")
def test_node_runs_expected_kubernetes(facts: Facts, expected: Expectation, node: str) -> None:
    """The node's kubelet is of the version that was deployed."""
    if "kubernetes" not in expected.versions:
        pytest.skip("no --expect names the version of Kubernetes")
    kubelet = facts.status(node).kubelet
    require(
        kubelet.lstrip("v") == expected.versions["kubernetes"],
        at=f"{node}: kubelet",
        expected=expected.versions["kubernetes"],
        seen=kubelet,
        likely="an upgrade that has not reached this node",
        look=f"on {node}: systemctl status kubelet; ls -l /opt/heatgen/bin",
    )


@detects("etcd-member-down", "kube-proxy-down", "apiserver-down")
def test_units_are_active(facts: Facts, node: str) -> None:
    """Every cluster component that is installed as a systemd unit, and is to start, runs."""
    units = value_or_skip(facts.view(node).units)
    down = {
        name: f"{unit.active} ({unit.sub})"
        for name, unit in units.items()
        if unit.load == "loaded" and unit.active != "active" and unit.file != "disabled"
    }
    require(
        not down,
        at=f"{node}: systemd",
        expected="every component's unit active",
        seen=", ".join(f"{name} {state}" for name, state in down.items()),
        likely="the component failed to start or was stopped",
        look=f"on {node}: journalctl -n 50 -u {next(iter(down), '')}",
    )


@detects("ip-forward-off")
def test_node_forwards_packets(facts: Facts, node: str) -> None:
    """The kernel passes packets on between a pod and the rest of the cluster."""
    sysctls = value_or_skip(facts.view(node).sysctls)
    require(
        sysctls.get("net/ipv4/ip_forward") == "1",
        at=f"{node}: /proc/sys/net/ipv4/ip_forward",
        expected="1",
        seen=sysctls.get("net/ipv4/ip_forward", "no such file"),
        likely="the os block's sysctl file is missing, or something reset it after boot",
        look=f"on {node}: sysctl net.ipv4.ip_forward; grep -r ip_forward /etc/sysctl.d",
    )


# ---- what the node tells of its machine ----


@detects("kubelet-down", "clock-skew")
def test_node_lease_is_fresh(facts: Facts, node: str) -> None:
    """The kubelet renews its lease long before it ends, and by a clock that is not ahead."""
    leases = value_or_skip(facts.node_leases)
    require(
        node in leases,
        at=f"{node}: its lease in namespace kube-node-lease",
        expected="a lease of the node's name",
        seen="none",
        likely="its kubelet has never reached the API, or somebody removed the lease",
        look=f"on {node}: journalctl -u kubelet -n 50",
    )
    lease = leases[node]
    most = LEASE_SHARE * lease.term
    require(
        -FUTURE_SECONDS <= lease.age <= most,
        at=f"{node}: its lease in namespace kube-node-lease",
        expected=f"renewed at most {most:.0f} s ago, of {lease.term:.0f} s",
        seen=f"renewed {lease.age:.0f} s ago" if lease.age >= 0 else f"{-lease.age:.0f} s ahead",
        likely="its kubelet does not run or cannot reach the API, or the node's clock is off",
        look=f"kubectl get lease -n kube-node-lease {node} -o yaml; "
        f"on {node}: date -u; journalctl -u kubelet -n 50",
    )


@detects("clock-skew")
def test_clock_is_right(facts: Facts, node: str, record_property: Note) -> None:
    """The node's clock is that of most: it was asked between two moments of one other clock.

    Of what asking took nobody knows which part was before the node's answer, so each clock has a
    range, and only what is out of it counts. Who asks has one voice among the nodes.
    """
    clock = value_or_skip(machine_of(facts, node).clock)
    machines = [view.machine for view in facts.views.values()]
    clocks = [each.clock for each in machines if not isinstance(each, Unavailable)]
    low, high = agreed(each.ahead for each in clocks if not isinstance(each, Unavailable))
    least, most = clock.ahead
    off = least - high if least > high else min(most - low, 0.0)
    if abs(off) > SKEW_WARNING:
        record_property("warning", f"{node}: its clock is {off:+.1f} s off")
    require(
        abs(off) <= SKEW_SECONDS,
        at=f"{node}: its clock",
        expected=f"that of the other nodes, by {SKEW_SECONDS:.0f} s",
        seen=f"{off:+.1f} s, at least (asking took {clock.answered - clock.asked:.1f} s)",
        likely="no time server is reached: certificates, leases and etcd go by the clock",
        look=f"on {node}: timedatectl; chronyc tracking",
    )


def test_kernel_is_set_for_containers(facts: Facts, node: str) -> None:
    """The kernel's settings are those that the kubelet demands, and nothing has reset them."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    wrong = [r for r in cis_rules.KERNEL if r.flag in kernel and not r.obeyed(kernel[r.flag])]
    require(
        not wrong,
        at=f"{node}: settings of the kernel (/proc/sys)",
        expected="; ".join(f"{rule.flag} {rule.must} ({rule.why})" for rule in wrong),
        seen="; ".join(f"{rule.flag} {kernel[rule.flag]}" for rule in wrong),
        likely="the os block's sysctl file is missing, or something reset it after boot",
        look=f"on {node}: sysctl --system; grep -r . /etc/sysctl.d",
    )


@detects("conntrack-full")
def test_connections_fit_their_table(facts: Facts, node: str, record_property: Note) -> None:
    """The kernel's table of connections has room: full, it drops new ones at random."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    names = ("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max")
    if not all(name in kernel for name in names):
        pytest.skip(f"{node}: this kernel tracks no connections")
    count, most = (int(kernel[name]) for name in names)
    if count > cis_rules.TABLE_FILLING * most:
        record_property("warning", f"{node}: {count} connections of {most}")
    require(
        count <= cis_rules.TABLE_FULL * most,
        at=f"{node}: the kernel's table of connections (conntrack)",
        expected=f"at most {cis_rules.TABLE_FULL:.0%} of its {most} entries in use",
        seen=f"{count}: it is full, and new connections are dropped",
        likely="a flood of short connections, or nf_conntrack_max is too small for the node",
        look=f"on {node}: sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; "
        "dmesg | grep conntrack; conntrack -S",
    )


@detects("disk-pressure")
def test_disks_are_not_full(facts: Facts, node: str, record_property: Note) -> None:
    """The node's disks, etcd's among them, have room for data and for files."""
    left = {
        f"{path} ({what})": room
        for path, disk in value_or_skip(machine_of(facts, node).disks).items()
        for what, room in {"bytes": disk.bytes, "files": disk.files}.items()
    }
    require_room(node, left, dict.fromkeys(left, cis_rules.FULL), "df -h; df -i", record_property)


@detects("disk-pressure")
def test_kubelet_has_room(facts: Facts, node: str, record_property: Note) -> None:
    """The kubelet's disks have more left than what makes it evict pods."""
    config, disks = (
        value_or_skip(facts.view(node).kubelet),
        value_or_skip(machine_of(facts, node).disks),
    )
    left: dict[str, Room] = {}
    least: dict[str, float] = {}
    for signal in cis_rules.EVICTION:
        place, what = signal.split(".")
        for path in (path for path in KUBELETS[place] if path in disks):
            room = disks[path].files if what == "inodesFree" else disks[path].bytes
            left[f"{path} ({signal})"] = room
            least[f"{path} ({signal})"] = eviction(signal, config, room.size)
    if not left:
        pytest.skip(f"{node}: the kubelet's files are at no usual place")
    require_room(node, left, least, "df -h; df -i; crictl images", record_property)


def test_process_ids_suffice(facts: Facts, node: str) -> None:
    """There are process ids left: without one no container starts, and no probe of one."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    most = min(int(kernel["kernel/pid_max"]), int(kernel["kernel/threads-max"]))
    ids = Room(most, most - int(kernel["tasks"]))
    require(
        ids.share >= cis_rules.LEAST_IDS,
        at=f"{node}: process ids",
        expected=f"at least {cis_rules.LEAST_IDS:.0%} of {ids.size} left",
        seen=f"{ids.free} left",
        likely="a program that makes processes or threads without end",
        look=f"on {node}: ps -eo nlwp,pid,args --sort -nlwp | head; sysctl kernel.pid_max",
    )


@detects("certificate-expiring")
def test_certificate_files_live_on(facts: Facts, node: str) -> None:
    """No certificate that lies on the node is about to end: servers', clients', or authorities'."""
    now = datetime.fromisoformat(facts.taken)
    days = {
        path: (days_between(now, life.not_after), days_between(life.not_before, life.not_after))
        for path, life in value_or_skip(machine_of(facts, node).lives).items()
    }
    if not days:
        pytest.skip(f"{node}: no certificates at the usual places")
    ending = {
        path: left
        for path, (left, life) in days.items()
        if left < (cis_rules.LEAST_SHARE * life if "/kubelet/" in path else cis_rules.LEAST_DAYS)
    }
    first = next(iter(ending), "")
    require(
        not ending,
        at=f"{node}: certificates as files",
        expected=f"at least {cis_rules.LEAST_DAYS:.0f} days to live; the kubelet's own, which it "
        f"renews, {cis_rules.LEAST_SHARE:.0%} of their life",
        seen="\n".join(f"{path}: {left:.1f} days left" for path, left in ending.items()),
        likely="nobody renewed it: who goes by it will be refused",
        look=f"on {node}: openssl x509 -noout -subject -dates -in {first}; "
        "heatgen rotate certificates STACK",
    )


@detects("version-skew")
def test_kubelet_is_near_the_api_servers_version(facts: Facts, node: str) -> None:
    """The kubelet is not newer than the API server, and at most three minor versions older."""
    told = facts.status(node).kubelet
    server, kubelet = minor(facts.server), minor(told)
    require(
        server[0] == kubelet[0] and 0 <= server[1] - kubelet[1] <= MINORS_BACK,
        at=f"{node}: version of the kubelet",
        expected=f"{server[0]}.{server[1] - MINORS_BACK} to {server[0]}.{server[1]}, for the API "
        f"server is {facts.server}",
        seen=told,
        likely="an upgrade that has not reached this node, or nodes were upgraded first",
        look="kubectl version; kubectl get nodes -o wide",
    )


def test_no_unit_has_failed(facts: Facts, node: str) -> None:
    """Systemd calls no unit of the node failed, whether it is the cluster's or not."""
    failed = value_or_skip(machine_of(facts, node).failed_units)
    require(
        not failed,
        at=f"{node}: systemctl list-units --state=failed",
        expected="none",
        seen=", ".join(failed),
        likely="the unit could not start, or ended badly, and nothing started it again",
        look=f"on {node}: systemctl status {' '.join(failed[:3])}; journalctl -b -n 50 -u "
        f"{next(iter(failed), '')}",
    )


def test_booted_system_is_the_deployed_one(facts: Facts, node: str) -> None:
    """Where rpm-ostree keeps the system: the newest is booted, and as it was made."""
    deployments = value_or_skip(machine_of(facts, node).deployments)
    booted = [each for each in deployments if each.booted]
    require(
        booted == deployments[:1] and all(each.unlocked == "none" for each in booted),
        at=f"{node}: rpm-ostree status",
        expected="the first deployment booted, and not unlocked",
        seen="\n".join(
            f"{each.version}{' booted' if each.booted else ''}, unlocked: {each.unlocked}"
            for each in deployments
        )
        or "no deployment",
        likely="an update that waits for a reboot, or a hand that ran rpm-ostree usroverlay",
        look=f"on {node}: rpm-ostree status; systemctl reboot when it suits",
    )


# ---- what several of them need ----


def machine_of(facts: Facts, node: str) -> Machine:
    """What the node's machine told; without a probe there, nothing."""
    return value_or_skip(facts.view(node).machine)


def require_room(
    node: str, left: dict[str, Room], least: dict[str, float], look: str, note: Note
) -> None:
    """Of everything there is as much left as it says; what is short of it soon is noted."""
    for name, room in left.items():
        if least[name] <= room.share < max(least[name] + 0.05, cis_rules.FILLING):
            note("warning", f"{node}: {name}: {room.share:.0%} left")
    short = {name: room for name, room in left.items() if room.share < least[name]}
    require(
        not short,
        at=f"{node}: room on its disks",
        expected=", ".join(f"{name}: {least[name]:.0%} left" for name in short),
        seen=", ".join(f"{name}: {room.share:.1%} left" for name, room in short.items()),
        likely="images, logs or data fill it, or it is too small for the node",
        look=f"on {node}: {look}",
    )


def eviction(signal: str, config: dict[str, str], size: int) -> float:
    """The part that the kubelet wants left of something: as it is told, else by its default."""
    told = config.get(f"evictionHard.{signal}") or cis_rules.EVICTION[signal]
    if told.endswith("%"):
        return float(told[:-1]) / 100
    return quantity(told) / size if size else 0.0


def days_between(begin: datetime | str, end: str) -> float:
    """The days from one moment to another."""
    start = datetime.fromisoformat(begin) if isinstance(begin, str) else begin
    return (datetime.fromisoformat(end) - start).total_seconds() / 86400


def minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version.

    Raises:
        InconclusiveError: it has none.
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if not found:
        raise InconclusiveError(f"no version: {version!r}")
    return int(found[1]), int(found[2])
