# SPDX-License-Identifier: Apache-2.0
"""Resources outside the stack are recognised by the marks of Kubernetes components."""

from types import SimpleNamespace
from typing import Any

from heatgen.cloud import orphans
from heatgen.cloud.orphans import Orphan, StackResources

OF_STACK = StackResources(
    cluster="demo",
    resources=frozenset({"api-balancer", "api-ip", "api-port", "etcd-volume", "group"}),
    networks=frozenset({"net"}),
    servers=frozenset({"server-1"}),
)


def resources(**fields: dict[str, Any]) -> list[Any]:
    """Return resources of a cloud; the keywords are their ids."""
    return [
        SimpleNamespace(id=name.replace("_", "-"), name=name, **values)
        for name, values in fields.items()
    ]


def ids(found: Any) -> dict[str, bool]:
    """Return the id of each orphan, and whether it prevents the deletion of the stack."""
    items: list[Orphan] = list(found)
    return {item.identity: item.blocks for item in items}


def test_load_balancers() -> None:
    """Load balancers in the cluster's network, or with the cluster's name, are orphans."""
    items = resources(
        api_balancer={"vip_network_id": "net"},
        kube_service_kubernetes_default_web={"vip_network_id": "net"},
        kube_service_demo_default_web={"vip_network_id": "elsewhere"},
        kube_service_demo2_default_web={"vip_network_id": "elsewhere"},
        other={"vip_network_id": "elsewhere"},
    )
    assert ids(orphans.load_balancers(items, OF_STACK)) == {
        "kube-service-kubernetes-default-web": True, "kube-service-demo-default-web": False,
    }  # fmt: skip


def test_floating_ips() -> None:
    """Floating IPs on ports of the cluster's network, or of its services, are orphans."""
    description = "Floating IP for Kubernetes external service default/web from cluster "
    fields = {"floating_ip_address": "203.0.113.7", "description": "", "port_id": None}
    items = resources(
        api_ip=fields | {"port_id": "port"},
        on_port=fields | {"port_id": "port"},
        own=fields | {"description": f"{description}demo"},
        other=fields | {"description": f"{description}other"},
        free=fields,
    )
    found = orphans.floating_ips(items, {"port": object()}, OF_STACK)
    assert ids(found) == {"on-port": True, "own": False}


def test_ports() -> None:
    """Ports of the stack, of its servers and of Neutron itself are not orphans."""
    items = resources(
        api_port={"device_owner": "", "device_id": ""},
        nic={"device_owner": "compute:nova", "device_id": "server-1"},
        dhcp={"device_owner": "network:dhcp", "device_id": "x"},
        gateway={"device_owner": "network:router_interface", "device_id": "x"},
        amphora={"device_owner": "Octavia", "device_id": "lb-1"},
        forgotten={"device_owner": "", "device_id": ""},
    )
    found = ids(orphans.other_ports(items, OF_STACK))
    assert found == {"amphora": True, "forgotten": True}


def test_volumes() -> None:
    """Volumes with the cluster's name, or of cinder-csi and attached to a server, are orphans."""
    attachments = [{"server_id": "server-1"}]
    items = resources(
        etcd_volume={"metadata": {}, "attachments": attachments},
        root_disk={"metadata": {}, "attachments": attachments},
        attached={"metadata": {orphans.CSI_CLUSTER: "kubernetes"}, "attachments": attachments},
        own={
            "metadata": {orphans.CSI_CLUSTER: "demo", orphans.CSI_CLAIM: "data"},
            "attachments": [],
        },
        other={"metadata": {orphans.CSI_CLUSTER: "kubernetes"}, "attachments": []},
    )
    found = list(orphans.volumes(items, OF_STACK))
    assert ids(found) == {"attached": False, "own": False}
    assert found[1].why == "volume of claim data"


def test_security_groups() -> None:
    """Security groups with the cluster's name in their description are orphans."""
    end = "Service LoadBalancer in cluster"
    items = resources(
        own={"description": f"Security Group for default/web {end} demo"},
        other={"description": f"Security Group for default/web {end} other"},
        group={"description": f"{end} demo"},
    )
    assert ids(orphans.security_groups(items, OF_STACK)) == {"own": False}
