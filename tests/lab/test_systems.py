# SPDX-License-Identifier: Apache-2.0
"""Workers with four operating systems in one cluster: first boot, services of the image, changes.

The images behave like the systems where this matters to steps; their packages are Debian's.
"""

import json
import time

import pytest

from lab.harness import controller, health, power
from lab.harness.cluster import Cluster, Node, on_all
from lab.harness.figures import Figure

pytestmark = pytest.mark.long

IGNITION, CLOUD_INIT = ("fcos", "flatcar"), ("debian", "ubuntu")
AGENTS = {
    "debian": "/opt/heatgen/agent/heatgen-agent",
    "ubuntu": "/opt/heatgen/agent/heatgen-agent",
    "fcos": "/usr/local/bin/heatgen-agent",
    "flatcar": "/opt/bin/heatgen-agent",
}
MANAGERS = {"fcos": "NetworkManager.service"}
BOOT_SECONDS = 300
RESTORED_SECONDS = 20.0
IDLE_SECONDS = 60
IDLE_SHARE = 0.015
# The CPU seconds of the agent's process and of its children that have ended.
CPU = (
    "pid=$(systemctl show --property MainPID --value heatgen-agent.service); "
    "awk -v hz=$(getconf CLK_TCK) '{print ($14 + $15 + $16 + $17) / hz}' /proc/$pid/stat"
)
ADDRESSES = "ip -4 -oneline address show | awk '{print $2, $4}' | sort"
ROUTES = "ip -4 route show | sed -E 's/ (metric|src|proto) [a-z0-9.]+//g; s/ *$//' | sort"


@pytest.fixture(scope="session")
def systems(cluster: Cluster) -> dict[str, Node]:
    """Return the workers by operating system; skip the test if the cluster has only one."""
    found = {node.group: node for node in cluster.workers}
    if set(found) != set(AGENTS):
        pytest.skip(f"{cluster.name} has one operating system; run `lab/lab demo systems`")
    return found


def test_first_boot(systems: dict[str, Node], healthy: Cluster) -> None:
    """Ignition or cloud-init has installed the agent; systems with Ignition have no Python."""
    for name, node in systems.items():
        command = node.run("systemctl show --property ExecStart --value heatgen-agent.service")
        assert f"path={AGENTS[name]} " in command, name
        assert node.run("systemctl is-active heatgen-agent.service").strip() == "active", name
    for name in IGNITION:
        node = systems[name]
        assert node.run("command -v python3 perl apt-get cloud-init; true") == "", name
        assert "files passed" in node.run("cat /var/log/lab-ignition.log"), name
        assert node.run("touch /usr/x 2>&1; true").strip().endswith("Read-only file system"), name
    assert "not permitted" in systems["fcos"].run("touch /x 2>&1; true")


def test_names_are_those_of_nova(systems: dict[str, Node], healthy: Cluster) -> None:
    """The host name of a node is the name of its server, not that of the DHCP server."""
    for name, text in on_all(list(systems.values()), "hostname").items():
        assert text.strip() == name


def test_services_of_the_image_do_not_act(systems: dict[str, Node], healthy: Cluster) -> None:
    """No unit has failed; updates do not restart the server; only the engine of heatgen runs."""
    for name, node in systems.items():
        assert node.run("systemctl --failed --plain --no-legend") == "", name
    for name in IGNITION:
        node = systems[name]
        updater = {"fcos": "zincati", "flatcar": "locksmithd"}[name]
        assert node.run(f"systemctl is-active {updater}.service").strip() == "active", name
        states = node.run("systemctl is-active docker.socket; true").split()
        assert states == ["inactive"], name
        engines = node.run("pgrep --list-full --full '^/usr/bin/sleep infinity'; true")
        parents = node.run("systemctl status containerd.service docker.service; true")
        assert "/usr/lib/systemd/system" not in parents, (name, engines, parents)


def test_pods_query_real_name_servers(systems: dict[str, Node], healthy: Cluster) -> None:
    """The kubelet passes no address of a resolver stub to pods."""
    for name, node in systems.items():
        config = json.loads(node.run("cat /etc/kubernetes/kubelet.json"))
        file = config.get("resolvConf", "/etc/resolv.conf")
        servers = node.run(f"grep ^nameserver {file}").split()[1::2]
        assert servers, name
        assert not [server for server in servers if server.startswith("127.")], name


def test_addresses_survive_a_restart_of_the_network_manager(
    systems: dict[str, Node], healthy: Cluster
) -> None:
    """An update restarts networkd or NetworkManager: addresses and routes of pods remain."""
    for name, node in systems.items():
        before = node.run(f"{ADDRESSES}; {ROUTES}")
        assert "flannel.1" in before, name
        node.run(f"systemctl restart {MANAGERS.get(name, 'systemd-networkd.service')}")
        controller.wait_for(
            f"addresses and routes of {name}",
            RESTORED_SECONDS,
            lambda node=node, before=before: node.run(f"{ADDRESSES}; {ROUTES}") == before,  # type: ignore[misc]
        )


def test_idle_agents(systems: dict[str, Node], healthy: Cluster, figure: Figure) -> None:
    """An idle agent uses little CPU time, with either interpreter."""
    nodes = list(systems.values())
    before, began = on_all(nodes, CPU), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = on_all(nodes, CPU), time.monotonic() - began
    shares = {
        name: (float(after[node.name]) - float(before[node.name])) / seconds
        for name, node in systems.items()
    }
    figure("CPU of idle agents, share of a core", {key: round(shares[key], 4) for key in shares})
    assert max(shares.values()) <= IDLE_SHARE


@pytest.mark.parametrize("name", IGNITION)
def test_restart_of_a_server(
    name: str, systems: dict[str, Node], healthy: Cluster, figure: Figure
) -> None:
    """A server that was stopped and started is Ready again; Ignition does not run again."""
    node = systems[name]
    power.stop(node)
    began = time.time()
    power.start(node)
    health.wait_return(healthy, node, began, BOOT_SECONDS)
    figure(f"{name} Ready after a start, seconds", round(time.time() - began, 1))
    log = node.run("cat /var/log/lab-ignition.log")
    assert log.count("files passed") == 1


@pytest.mark.parametrize("name", IGNITION)
def test_replacement(name: str, systems: dict[str, Node], healthy: Cluster, figure: Figure) -> None:
    """Heat recreates a server, which joins under the same name."""
    node = systems[name]
    machine_id = node.run("cat /etc/machine-id")
    words = ["openstack", "stack", "resource", "list", "-n", "5", "-f", "value"]
    words += ["-c", "resource_name", "-c", "resource_type", "-c", "stack_name", "-c"]
    listed = controller.inside(*words, "physical_resource_id", healthy.name).decode()
    words = ["openstack", "server", "show", "-f", "value", "-c", "id", node.name]
    server = controller.inside(*words).decode().strip()
    (line,) = [line.split() for line in listed.splitlines() if server in line]
    resource, stack = line[0], line[-1]
    words = ["openstack", "stack", "resource", "mark", "unhealthy", stack, resource]
    controller.inside(*words, "lab test")
    figure(f"{name} replaced, seconds", round(controller.update(healthy.name), 1))
    controller.ssh_command.cache_clear()
    health.wait_healthy(healthy, BOOT_SECONDS)
    assert node.run("cat /etc/machine-id") != machine_id


def test_the_suite_passes_afterwards(systems: dict[str, Node], healthy: Cluster) -> None:
    """The conformance suite passes after restarts and replacements."""
    health.run_suite(healthy.name, healthy.directory)
