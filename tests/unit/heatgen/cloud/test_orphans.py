# SPDX-License-Identifier: Apache-2.0
"""What belongs to a cluster outside its stack, by the marks that Kubernetes's parts leave."""

from types import SimpleNamespace
from typing import Any

from heatgen.cloud import orphans
from heatgen.cloud.orphans import Inside, Orphan

INSIDE = Inside(
    cluster="demo",
    resources=frozenset({"api-balancer", "api-ip", "api-port", "etcd-volume", "group"}),
    networks=frozenset({"net"}),
    servers=frozenset({"server-1"}),
)


def things(**each: dict[str, Any]) -> list[Any]:
    """Things of a cloud; the keyword is the id."""
    return [
        SimpleNamespace(id=name.replace("_", "-"), name=name, **fields)
        for name, fields in each.items()
    ]


def ids(found: Any) -> dict[str, bool]:
    """Id of each leftover, and whether it keeps the stack from being deleted."""
    items: list[Orphan] = list(found)
    return {item.identity: item.blocks for item in items}


def test_load_balancers() -> None:
    """In the cluster's network, or named for the cluster; the stack's own and others' are not."""
    items = things(
        api_balancer={"vip_network_id": "net"},
        kube_service_kubernetes_default_web={"vip_network_id": "net"},
        kube_service_demo_default_web={"vip_network_id": "elsewhere"},
        kube_service_demo2_default_web={"vip_network_id": "elsewhere"},
        other={"vip_network_id": "elsewhere"},
    )
    assert ids(orphans.balancers(items, INSIDE)) == {
        "kube-service-kubernetes-default-web": True, "kube-service-demo-default-web": False,
    }  # fmt: skip


def test_floating_ips() -> None:
    """On a port of the cluster's network, or described as a service's of the cluster."""
    said = "Floating IP for Kubernetes external service default/web from cluster "
    fields = {"floating_ip_address": "203.0.113.7", "description": "", "port_id": None}
    items = things(
        api_ip=fields | {"port_id": "port"},
        on_port=fields | {"port_id": "port"},
        ours=fields | {"description": said + "demo"},
        others=fields | {"description": said + "other"},
        free=fields,
    )
    found = orphans.floating_ips(items, {"port": object()}, INSIDE)
    assert ids(found) == {"on-port": True, "ours": False}


def test_ports() -> None:
    """Ports of the stack, of its servers and of Neutron itself are no orphans."""
    items = things(
        api_port={"device_owner": "", "device_id": ""},
        nic={"device_owner": "compute:nova", "device_id": "server-1"},
        dhcp={"device_owner": "network:dhcp", "device_id": "x"},
        gateway={"device_owner": "network:router_interface", "device_id": "x"},
        amphora={"device_owner": "Octavia", "device_id": "lb-1"},
        forgotten={"device_owner": "", "device_id": ""},
    )
    found = ids(orphans.ports_of_others(items, INSIDE))
    assert found == {"amphora": True, "forgotten": True}


def test_volumes() -> None:
    """Marked with the cluster's name, or marked by cinder-csi and on one of its servers."""
    here = [{"server_id": "server-1"}]
    items = things(
        etcd_volume={"metadata": {}, "attachments": here},
        root_disk={"metadata": {}, "attachments": here},
        attached={"metadata": {orphans.CSI_CLUSTER: "kubernetes"}, "attachments": here},
        ours={
            "metadata": {orphans.CSI_CLUSTER: "demo", orphans.CSI_CLAIM: "data"},
            "attachments": [],
        },
        others={"metadata": {orphans.CSI_CLUSTER: "kubernetes"}, "attachments": []},
    )
    found = list(orphans.volumes(items, INSIDE))
    assert ids(found) == {"attached": False, "ours": False}
    assert found[1].why == "volume of claim data"


def test_security_groups() -> None:
    """Those that the cloud provider describes as the cluster's."""
    end = "Service LoadBalancer in cluster"
    items = things(
        ours={"description": f"Security Group for default/web {end} demo"},
        others={"description": f"Security Group for default/web {end} other"},
        group={"description": f"{end} demo"},
    )
    assert ids(orphans.security_groups(items, INSIDE)) == {"ours": False}
