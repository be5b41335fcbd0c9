# SPDX-License-Identifier: Apache-2.0
"""Nodes are stock images: packages are really installed, and the system's own services run."""

from urllib.parse import urlsplit

from lab.harness import health
from lab.harness.cluster import Cluster, on_all
from lab.harness.controller import wait_for

MIRROR = "http://203.0.113.1:8080/debian"
RESTORED_SECONDS = 15.0
# Without lifetimes, and without the flags of routes, which differ after a renewal.
ADDRESSES = "ip -4 -oneline address show | awk '{print $2, $4}' | sort"
ROUTES = "ip -4 route show | sed -E 's/ (metric|src) [0-9.]+//g; s/ *$//' | sort"


def test_packages_were_installed_from_the_mirror(cluster: Cluster) -> None:
    """Steps installed with apt what the image does not contain, from signed lists of the mirror."""
    history = on_all(cluster.nodes, "zcat -f /var/log/apt/history.log*")
    for node, text in history.items():
        assert "ethtool:" in text, node
    sources = on_all(
        cluster.nodes,
        "apt-get indextargets --format '$(REPO_URI) $(TRUSTED)' 'Created-By: Packages'",
    )
    for node, text in sources.items():
        lines = text.splitlines()
        assert lines, node
        assert all(line.startswith(MIRROR) and line.endswith("yes") for line in lines), node


def test_services_of_the_image_run(cluster: Cluster) -> None:
    """cloud-init has finished without an error, and no unit of the system has failed."""
    states = on_all(cluster.nodes, "cloud-init status; systemctl --failed --plain --no-legend")
    assert set(states.values()) == {"status: done\n"}
    sources = on_all(cluster.nodes, "cloud-id; readlink /etc/resolv.conf")
    assert set(sources.values()) == {"openstack\n../run/systemd/resolve/stub-resolv.conf\n"}


def test_addresses_survive_a_restart_of_networkd(cluster: Cluster) -> None:
    """An update of systemd restarts networkd: addresses and the routes of pods remain."""
    script = f"{ADDRESSES}; {ROUTES}"
    before = on_all(cluster.nodes, script)
    on_all(cluster.nodes, "systemctl restart systemd-networkd.service")
    wait_for(
        "addresses and routes", RESTORED_SECONDS, lambda: on_all(cluster.nodes, script) == before
    )


def test_the_api_address_survives_netplan_apply(ha_cluster: Cluster) -> None:
    """If networkd configures the link again, the node keeps the API address."""
    address = f"{urlsplit(ha_cluster.endpoint).hostname}/32"
    before = on_all(ha_cluster.control, ADDRESSES)
    holder = next(node for node in ha_cluster.control if address in before[node.name])
    seen = holder.run(f"networkctl reconfigure eth0; for i in 1 2 3; do {ADDRESSES}; sleep 1; done")
    assert seen.count(address) == 3
    health.wait_healthy(ha_cluster)
