# SPDX-License-Identifier: Apache-2.0
"""Layer 1, the operating system: the expected nodes are registered, Ready and have resources."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest

from conformance import cis_rules
from conformance.api.core_resources import quantity
from conformance.codes import Code
from conformance.deploy import pod_diagnosis
from conformance.facts.expected import Expectation
from conformance.facts.machine import Machine, Room, agreed
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip

pytestmark = pytest.mark.os

DESCRIBE = "kubectl describe node {}"
LEASE_SHARE = 0.75  # of a lease's duration; the kubelet renews it after a quarter
FUTURE_SECONDS = 3.0  # tolerance for leases in the future: the API rounds to seconds
SKEW_SECONDS = 2.0  # beyond the duration of the measurement; etcd warns at one second
SKEW_WARNING = 0.5
# Directories on the kubelet's disks, by the first part of its eviction signals.
KUBELET_DIRECTORIES = {
    "nodefs": ("/var/lib/kubelet",),
    "imagefs": ("/var/lib/containerd", "/var/lib/docker"),
}
MINORS_BACK = 3  # minor versions by which a kubelet may be older than the API server

Note = Callable[[str, object], None]  # pytest's record_property


@detects("node-missing")
def test_expected_node_is_registered(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """Every node that the stack created has joined the cluster under its own name."""
    require(
        expected_node in facts.nodes,
        at=f"{expected_node}: kubectl get nodes",
        expected=f"a node {expected_node} ({expected.nodes[expected_node].role})",
        seen=f"only {', '.join(sorted(facts.nodes))}",
        likely="the kubelet does not run, cannot reach the API, or registered under another name",
        look=f"on {expected_node}: journalctl -u kubelet -n 50",
        code=Code.NODE_NOT_REGISTERED,
    )


def test_node_has_expected_address_and_role(
    facts: Facts, expected: Expectation, expected_node: str
) -> None:
    """The internal address and the role of a node are those that the stack assigned."""
    if expected_node not in facts.nodes:
        pytest.skip(f"{expected_node} is not registered (see test_expected_node_is_registered)")
    want, node = expected.nodes[expected_node], facts.nodes[expected_node]
    role = "control" if node.is_control else "worker"
    require(
        (node.address, role) == (want.address, want.role),
        at=f"{expected_node}: InternalIP and role label",
        expected=f"{want.address}, {want.role}",
        seen=f"{node.address}, {role}",
        likely="the kubelet uses the address of another interface, or the control-plane label is "
        "missing",
        look=DESCRIBE.format(expected_node),
        code=Code.NODE_IDENTITY_WRONG,
    )


def test_node_is_expected(expected: Expectation, node: str) -> None:
    """The cluster has no node that the stack did not create."""
    if not expected.nodes:
        pytest.skip("no --expect lists the nodes")
    require(
        node in expected.nodes,
        at=f"{node}: kubectl get nodes",
        expected=f"one of {', '.join(sorted(expected.nodes))}",
        seen=f"a node {node} that the stack did not create",
        likely="the object of a deleted node was not removed, or another machine has joined",
        look=DESCRIBE.format(node),
        code=Code.NODE_UNEXPECTED,
    )


@detects("kubelet-down", "cni-not-configured")
def test_node_is_ready(facts: Facts, node: str) -> None:
    """The kubelet reports the node as Ready."""
    status = facts.status(node)
    require(
        status.ready,
        at=f"{node}: condition Ready",
        expected="True",
        seen=status.reasons.get("Ready", "no such condition"),
        likely=pod_diagnosis.cause(status.why_not_ready)
        or "kubelet, container runtime or CNI configuration of the node",
        look=f"on {node}: systemctl status kubelet; journalctl -u kubelet -n 50; ls /etc/cni/net.d",
        code=Code.NODE_NOT_READY,
    )


def test_node_is_not_under_pressure(facts: Facts, node: str) -> None:
    """The node has enough memory, disk space and process ids, and its network is configured."""
    status = facts.status(node)
    if status.is_silent:
        raise InconclusiveError(f"{node}: {pod_diagnosis.of_node(status)}")
    pressing = {kind: why for kind, why in status.reasons.items() if kind != "Ready"}
    require(
        not pressing,
        at=f"{node}: conditions",
        expected="MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable: False",
        seen="; ".join(f"{kind}: {why}" for kind, why in pressing.items()),
        likely="the flavor of the node is too small, or a program uses too many resources",
        look=DESCRIBE.format(node),
        code=Code.NODE_UNDER_PRESSURE,
    )


@detects("version-skew")
def test_node_runs_expected_kubernetes(facts: Facts, expected: Expectation, node: str) -> None:
    """The kubelet of the node has the deployed version."""
    version = expected.kubernetes(node)
    if not version:
        pytest.skip("no --expect sets the version of Kubernetes")
    kubelet = facts.status(node).kubelet
    require(
        kubelet.lstrip("v") == version,
        at=f"{node}: kubelet",
        expected=version,
        seen=kubelet,
        likely="an upgrade has not reached this node",
        look=f"on {node}: systemctl status kubelet; ls -l /opt/heatgen/bin",
        code=Code.VERSION_UNEXPECTED,
    )


@detects("etcd-member-down", "kube-proxy-down", "apiserver-down")
def test_units_are_active(facts: Facts, node: str) -> None:
    """Every systemd unit of a cluster component that is installed and enabled is active."""
    units = value_or_skip(facts.view(node).units)
    down = {
        name: f"{unit.active} ({unit.sub})"
        for name, unit in units.items()
        if unit.load == "loaded" and unit.active != "active" and unit.file != "disabled"
    }
    require(
        not down,
        at=f"{node}: systemd",
        expected="the units of all components active",
        seen=", ".join(f"{name} {state}" for name, state in down.items()),
        likely="the component failed to start or was stopped",
        look=f"on {node}: journalctl -n 50 -u {next(iter(down), '')}",
        code=Code.UNIT_NOT_ACTIVE,
    )


@detects("ip-forward-off")
def test_node_forwards_packets(facts: Facts, node: str) -> None:
    """The kernel forwards packets between pods and the rest of the cluster."""
    sysctls = value_or_skip(facts.view(node).sysctls)
    require(
        sysctls.get("net/ipv4/ip_forward") == "1",
        at=f"{node}: /proc/sys/net/ipv4/ip_forward",
        expected="1",
        seen=sysctls.get("net/ipv4/ip_forward", "no such file"),
        likely="the sysctl file of the os block is missing, or the value was reset after boot",
        look=f"on {node}: sysctl net.ipv4.ip_forward; grep -r ip_forward /etc/sysctl.d",
        code=Code.IP_FORWARDING_OFF,
    )


# ---- the machine of the node ----


@detects("kubelet-down", "clock-skew")
def test_node_lease_is_fresh(facts: Facts, node: str) -> None:
    """The kubelet renews its lease in time, with a clock that is not ahead."""
    leases = value_or_skip(facts.node_leases)
    require(
        node in leases,
        at=f"{node}: its lease in namespace kube-node-lease",
        expected="a lease with the name of the node",
        seen="none",
        likely="the kubelet has never reached the API, or the lease was deleted",
        look=f"on {node}: journalctl -u kubelet -n 50",
        code=Code.NODE_LEASE_STALE,
    )
    lease = leases[node]
    most = LEASE_SHARE * lease.term
    require(
        -FUTURE_SECONDS <= lease.age <= most,
        at=f"{node}: its lease in namespace kube-node-lease",
        expected=f"renewed at most {most:.0f} s ago, of {lease.term:.0f} s",
        seen=f"renewed {lease.age:.0f} s ago" if lease.age >= 0 else f"{-lease.age:.0f} s ahead",
        likely="the kubelet does not run or cannot reach the API, or the node's clock is wrong",
        look=f"kubectl get lease -n kube-node-lease {node} -o yaml; "
        f"on {node}: date -u; journalctl -u kubelet -n 50",
        code=Code.NODE_LEASE_STALE if lease.age >= 0 else Code.CLOCK_SKEW,
    )


@detects("clock-skew")
def test_clock_agrees_with_other_nodes(facts: Facts, node: str, record_property: Note) -> None:
    """The clock of the node agrees with the clocks of most nodes.

    It was read between two readings of one reference clock. The delay before the node's reading is
    unknown, so each clock has a range, and only the distance between ranges counts. The host of
    the suite has one vote, like each node.
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
        expected=f"within {SKEW_SECONDS:.0f} s of the clocks of the other nodes",
        seen=f"at least {off:+.1f} s (measured within {clock.answered - clock.asked:.1f} s)",
        likely="the node reaches no time server; certificates, leases and etcd depend on the clock",
        look=f"on {node}: timedatectl; chronyc tracking",
        code=Code.CLOCK_SKEW,
    )


def test_kernel_settings_are_as_kubelet_requires(facts: Facts, node: str) -> None:
    """The kernel settings have the values that the kubelet requires."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    wrong = [r for r in cis_rules.KERNEL if r.flag in kernel and not r.is_met(kernel[r.flag])]
    require(
        not wrong,
        at=f"{node}: kernel settings (/proc/sys)",
        expected="; ".join(f"{rule.flag} {rule.must} ({rule.why})" for rule in wrong),
        seen="; ".join(f"{rule.flag} {kernel[rule.flag]}" for rule in wrong),
        likely="the sysctl file of the os block is missing, or values were reset after boot",
        look=f"on {node}: sysctl --system; grep -r . /etc/sysctl.d",
        code=Code.KERNEL_SETTING_WRONG,
    )


@detects("conntrack-full")
def test_conntrack_table_has_free_entries(facts: Facts, node: str, record_property: Note) -> None:
    """The connection tracking table has free entries; a full one drops new connections."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    names = ("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max")
    if not all(name in kernel for name in names):
        pytest.skip(f"{node}: this kernel does not track connections")
    count, most = (int(kernel[name]) for name in names)
    if count > cis_rules.TABLE_FILLING * most:
        record_property("warning", f"{node}: {count} connections of {most}")
    require(
        count <= cis_rules.TABLE_FULL * most,
        at=f"{node}: connection tracking table (conntrack)",
        expected=f"at most {cis_rules.TABLE_FULL:.0%} of its {most} entries in use",
        seen=f"{count} in use; new connections are dropped when it is full",
        likely="very many short connections, or nf_conntrack_max is too small for the node",
        look=f"on {node}: sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; "
        "dmesg | grep conntrack; conntrack -S",
        code=Code.CONNTRACK_TABLE_FULL,
    )


@detects("disk-pressure")
def test_disks_are_not_full(facts: Facts, node: str, record_property: Note) -> None:
    """The disks of the node, including that of etcd, have free bytes and inodes."""
    left = {
        f"{path} ({what})": room
        for path, disk in value_or_skip(machine_of(facts, node).disks).items()
        for what, room in {"bytes": disk.bytes, "files": disk.files}.items()
    }
    require_room(node, left, dict.fromkeys(left, cis_rules.FULL), "df -h; df -i", record_property)


@detects("disk-pressure")
def test_disk_space_is_above_eviction_thresholds(
    facts: Facts, node: str, record_property: Note
) -> None:
    """The disks of the kubelet have more free space than its eviction thresholds."""
    config, disks = (
        value_or_skip(facts.view(node).kubelet),
        value_or_skip(machine_of(facts, node).disks),
    )
    left: dict[str, Room] = {}
    least: dict[str, float] = {}
    for signal in cis_rules.EVICTION:
        place, what = signal.split(".")
        for path in (path for path in KUBELET_DIRECTORIES[place] if path in disks):
            room = disks[path].files if what == "inodesFree" else disks[path].bytes
            left[f"{path} ({signal})"] = room
            least[f"{path} ({signal})"] = eviction_threshold(signal, config, room.size)
    if not left:
        pytest.skip(f"{node}: no directory of the kubelet or the runtime at the usual paths")
    require_room(node, left, least, "df -h; df -i; crictl images", record_property)


def test_process_ids_are_available(facts: Facts, node: str) -> None:
    """The node has free process ids, which containers and their probes need to start."""
    kernel = value_or_skip(machine_of(facts, node).kernel)
    most = min(int(kernel["kernel/pid_max"]), int(kernel["kernel/threads-max"]))
    ids = Room(most, most - int(kernel["tasks"]))
    require(
        ids.share >= cis_rules.LEAST_IDS,
        at=f"{node}: process ids",
        expected=f"at least {cis_rules.LEAST_IDS:.0%} of {ids.size} left",
        seen=f"{ids.free} left",
        likely="a program creates processes or threads without limit",
        look=f"on {node}: ps -eo nlwp,pid,args --sort -nlwp | head; sysctl kernel.pid_max",
        code=Code.PROCESS_IDS_EXHAUSTED,
    )


@detects("certificate-expiring")
def test_certificate_files_do_not_expire_soon(facts: Facts, node: str) -> None:
    """No certificate file of the node expires soon, whether of a server, client or authority."""
    now = datetime.fromisoformat(facts.taken)
    days = {
        path: (days_between(now, life.not_after), days_between(life.not_before, life.not_after))
        for path, life in value_or_skip(machine_of(facts, node).lives).items()
    }
    if not days:
        pytest.skip(f"{node}: no certificates at the usual paths")
    ending = {
        path: left
        for path, (left, life) in days.items()
        if left < (cis_rules.LEAST_SHARE * life if "/kubelet/" in path else cis_rules.LEAST_DAYS)
    }
    first = next(iter(ending), "")
    require(
        not ending,
        at=f"{node}: certificate files",
        expected=f"at least {cis_rules.LEAST_DAYS:.0f} days left; of certificates that the kubelet "
        f"renews, {cis_rules.LEAST_SHARE:.0%} of their lifetime",
        seen="\n".join(f"{path}: {left:.1f} days left" for path, left in ending.items()),
        likely="the certificate was not renewed",
        look=f"on {node}: openssl x509 -noout -subject -dates -in {first}; "
        "heatgen rotate certificates STACK",
        code=Code.CERTIFICATE_EXPIRING,
    )


@detects("version-skew")
def test_kubelet_version_fits_the_api_server(facts: Facts, node: str) -> None:
    """The kubelet is not newer than the API server and at most three minor versions older."""
    version = facts.status(node).kubelet
    server, kubelet = minor(facts.server), minor(version)
    require(
        server[0] == kubelet[0] and 0 <= server[1] - kubelet[1] <= MINORS_BACK,
        at=f"{node}: version of the kubelet",
        expected=f"{server[0]}.{server[1] - MINORS_BACK} to {server[0]}.{server[1]}, as the API "
        f"server is {facts.server}",
        seen=version,
        likely="an upgrade has not reached this node, or nodes were upgraded before the servers",
        look="kubectl version; kubectl get nodes -o wide",
        code=Code.VERSION_SKEW,
    )


def test_no_unit_has_failed(facts: Facts, node: str) -> None:
    """No systemd unit of the node is failed, whether or not it belongs to the cluster."""
    failed = value_or_skip(machine_of(facts, node).failed_units)
    require(
        not failed,
        at=f"{node}: systemctl list-units --state=failed",
        expected="none",
        seen=", ".join(failed),
        likely="the unit could not start or exited with an error, and was not restarted",
        look=f"on {node}: systemctl status {' '.join(failed[:3])}; journalctl -b -n 50 -u "
        f"{next(iter(failed), '')}",
        code=Code.UNIT_FAILED,
    )


def test_booted_system_is_the_deployed_one(facts: Facts, node: str) -> None:
    """On rpm-ostree systems the newest deployment is booted and not unlocked.

    A staged update, which waits for a maintenance window, is not considered.
    """
    found = value_or_skip(machine_of(facts, node).deployments)
    deployments = [each for each in found if not each.staged]
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
        likely="an update needs a reboot, or rpm-ostree usroverlay was run",
        look=f"on {node}: rpm-ostree status; systemctl reboot in a maintenance window",
        code=Code.BOOTED_SYSTEM_WRONG,
    )


@detects("etc-outdated")
def test_booted_system_has_the_latest_configuration(facts: Facts, node: str) -> None:
    """On ostree systems, the ``/etc`` of the booted version has the latest change by the agent."""
    found = value_or_skip(machine_of(facts, node).generations)
    require(
        found.etc >= found.var,
        at=f"{node}: /etc/heatgen/generation",
        expected=f"at least {found.var}, as in /var/lib/heatgen/generation",
        seen=found.etc,
        likely="after a rollback or an update, the booted version has an older /etc: certificates, "
        "units and configuration may be outdated",
        look=f"on {node}: rpm-ostree status; boot the newer version (rpm-ostree rollback "
        "--reboot), or replace the server",
        code=Code.BOOTED_SYSTEM_OUTDATED,
    )


# ---- helpers ----


def machine_of(facts: Facts, node: str) -> Machine:
    """Return the facts about the machine of the node; skip if they are unavailable."""
    return value_or_skip(facts.view(node).machine)


def require_room(
    node: str, left: dict[str, Room], least: dict[str, float], look: str, note: Note
) -> None:
    """Require the least free share of each disk; note a warning if it is nearly reached."""
    for name, room in left.items():
        if least[name] <= room.share < max(least[name] + 0.05, cis_rules.FILLING):
            note("warning", f"{node}: {name}: {room.share:.0%} left")
    short = {name: room for name, room in left.items() if room.share < least[name]}
    require(
        not short,
        at=f"{node}: free space on its disks",
        expected=", ".join(f"{name}: {least[name]:.0%} left" for name in short),
        seen=", ".join(f"{name}: {room.share:.1%} left" for name, room in short.items()),
        likely="images, logs or data fill the disk, or it is too small for the node",
        look=f"on {node}: {look}",
        code=Code.DISK_FULL,
    )


def eviction_threshold(signal: str, config: dict[str, str], size: int) -> float:
    """Return the free share below which the kubelet evicts pods, as configured or by default."""
    threshold = config.get(f"evictionHard.{signal}") or cis_rules.EVICTION[signal]
    if threshold.endswith("%"):
        return float(threshold[:-1]) / 100
    return quantity(threshold) / size if size else 0.0


def days_between(begin: datetime | str, end: str) -> float:
    """Return the number of days from one time to another."""
    start = datetime.fromisoformat(begin) if isinstance(begin, str) else begin
    return (datetime.fromisoformat(end) - start).total_seconds() / 86400


def minor(version: str) -> tuple[int, int]:
    """Return the major and minor number of a version.

    Raises:
        InconclusiveError: the text is not a version.
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if not found:
        raise InconclusiveError(f"not a version: {version!r}")
    return int(found[1]), int(found[2])
