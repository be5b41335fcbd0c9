# SPDX-License-Identifier: Apache-2.0
"""Rendered clusters in addition to the golden ones; they cover every pair of options."""

import copy
from typing import Any

from heatgen.blocks import catalog
from heatgen.plan.build import build_plan
from heatgen.project import block_loader
from heatgen.render import heat_limits
from heatgen.render.template import render
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document, writer

from . import pairwise

PEM = """\
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUAZD6bXGZbr4VVVEw912qaeJgcxAwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEc2l0ZTAeFw0yNjExMzAxMDAyMjBaFw0zNjExMjcxMDAyMjBa
MA8xDTALBgNVBAMMBHNpdGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATMQhlt
vb05pDVZyrXmthlWqnD4PiR8dHDCQUhXOryO2NlW86ToUfxcYzo5+g36N2/lyqYK
tKgQ0206Ha+jhj+Ro1MwUTAdBgNVHQ4EFgQUTQ3DXScihY/xap44bxbYd19bctMw
HwYDVR0jBBgwFoAUTQ3DXScihY/xap44bxbYd19bctMwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiAQ1JJmYYVZo/P5VXY8cLR5zTgi8vW9NZxdvm2b
VSFwJQIhAPFWoKa1uKI3oJLwoKoeAHh6EJFuvVagpagoqlsa8fs1
-----END CERTIFICATE-----
"""

BASE: dict[str, Any] = {
    "name": "demo",
    "cloud": {"external_network": "public", "image": "debian-12", "flavor": "m1.medium"},
    "workers": {"count": 2},
}

# Each value is a patch of the base: mappings are merged, other values are replaced.
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    "control plane": {
        "one": {},
        "three": {"control_plane": {"count": 3}},
        "five": {"control_plane": {"count": 5, "image": "debian-13", "flavor": "m1.large"}},
    },
    "endpoint": {
        "usual": {},
        "vip": {"control_plane": {"load_balancer": "vip"}},
        "octavia": {"control_plane": {"load_balancer": "octavia"}},
        "octavia of OVN": {
            "control_plane": {"load_balancer": "octavia", "octavia": {"provider": "ovn"}}
        },
        "none": {"control_plane": {"load_balancer": "none"}},
    },
    "workers": {
        "none": {"workers": {"count": 0}},
        "some": {},
        "two kinds": {
            "workers": [
                {"name": "worker", "count": 1, "server_group": "soft-anti-affinity"},
                {"name": "big-box", "count": 2, "flavor": "m1.large", "image": "debian-13",
                 "labels": {"example.org/size": "big"}, "taints": ["size=big:NoSchedule"],
                 "availability_zone": "az3", "boot_volume": {"size": 80},
                 "version": "1.36.3", "roll": {"batch": 2, "drain": "always", "drain_seconds": 60}},
            ]
        },
        "systems": {
            "workers": [
                {"name": "flatcar", "count": 1, "os": "flatcar", "image": "flatcar-4593"},
                {"name": "fcos", "count": 1, "os": "fedora-coreos", "image": "fcos-44"},
                {"name": "ubuntu", "count": 1, "os": {"use": "ubuntu"}, "image": "ubuntu-24.04"},
            ]
        },
    },
    "runtime": {
        "containerd": {},
        "docker": {"runtime": {"use": "docker"}},
    },
    "network": {
        "new": {},
        "existing router": {"cloud": {"router": "edge"}},
        "existing subnet": {
            "cloud": {"network": "office", "subnet": "office-1", "nodes": "192.0.2.0/24",
                      "first_address": "192.0.2.200"}
        },
        "config drives": {
            "cloud": {"network": "office", "subnet": "office-1", "nodes": "192.0.2.0/24",
                      "config_drive": True}
        },
        "name servers": {"cloud": {"dns": ["192.0.2.53"], "nodes": "192.0.2.0/25"}},
    },
    "floating IP": {
        "yes": {},
        "no": {"access": {"floating_ip": False}},
    },
    "zones": {
        "any": {},
        "one": {"cloud": {"availability_zone": "az1", "volume_availability_zone": "nova"}},
        "several": {
            "control_plane": {"availability_zones": ["az1", "az2"],
                              "volume_availability_zones": ["v1", "v2", "v3"]}
        },
    },
    "server group": {
        "usual": {},
        "none": {"control_plane": {"server_group": "none"}},
        "strict": {"control_plane": {"server_group": "anti-affinity"}},
    },
    "boot": {
        "flavor's disk": {},
        "volume": {"cloud": {"boot_volume": {"size": 40}}},
        "volume of a type": {"cloud": {"boot_volume": {"size": 40, "type": "fast"}}},
        "control plane's volume": {"control_plane": {"boot_volume": {"size": 20}}},
    },
    "etcd": {
        "server's disk": {},
        "volume": {"kvstore": {"volume_size": 10}},
        "volume of a type": {"kvstore": {"volume_size": 10, "volume_type": "fast"}},
    },
    "site": {
        "nothing": {},
        "proxy": {"site": {"https_proxy": "http://proxy.example:3128", "no_proxy": [".example"]}},
        "authorities": {"site": {"ca_certificates": PEM * 2, "ntp_servers": ["ntp.example"]}},
    },
    "names": {
        "plain": {},
        "metadata": {"cloud": {"metadata": {"owner": "platform"}, "tags": ["kubernetes", "demo"]}},
    },
    "pod network": {
        "VXLAN": {},
        "VXLAN and routes": {"network": {"vxlan_port": 4789, "vxlan_direct_routing": True}},
        "routes": {"network": {"backend": "host-gw"}},
        "WireGuard": {"network": {"backend": "wireguard"}},
    },
    "signals": {
        "to Heat": {},
        "by CFN": {"cloud": {"signal_transport": "cfn"}},
        "by TempURL": {"cloud": {"signal_transport": "temp_url"}},
    },
    "access": {
        "none": {},
        "some": {
            "access": {"api": ["198.51.100.0/24"], "ssh": ["198.51.100.0/24"], "ssh_key": "mykey"}
        },
        "names": {
            "access": {"names": ["api.example.org", "198.51.100.7"],
                       "endpoint": "k8s.example.org:443"}
        },
    },
    "artifacts": {
        "upstream": {},
        "mirror": {
            "artifacts": {"mirror": "http://mirror.example", "registry": "mirror.example:5000"}
        },
    },
    "overrides": {
        "none": {},
        "some": {
            "overrides": {"kubelet": {"maxPods": 50}, "kube_proxy": {"conntrack": {"min": 0}}}
        },
    },
}  # fmt: skip

# Patches that other factors would contradict.
SPECIAL: dict[str, dict[str, Any]] = {
    "slow servers, mirror of packages": {
        "site": {"timeout_factor": 20},
        "artifacts": {"apt_mirror": "http://mirror.example/debian"},
    },
} | {
    f"assigned addresses, {name}": {
        "cloud": {"network": "office", "subnet": "office-1", "nodes": "192.0.2.0/24",
                  "addresses": "assigned"},
        "control_plane": control_plane,
        "access": {"floating_ip": floating_ip},
    }
    for name, control_plane, floating_ip in (
        ("one", {"count": 1}, True),
        ("three", {"count": 3, "load_balancer": "none"}, False),
        ("octavia", {"count": 3, "load_balancer": "octavia"}, True),
        ("octavia without floating IP", {"count": 1, "load_balancer": "octavia"}, False),
    )
}  # fmt: skip

CHOICES = pairwise.cases({factor: list(values) for factor, values in FACTORS.items()})
CASES = {f"pairs-{number:02d}": case for number, case in enumerate(CHOICES)}


NAMES = [*CASES, *SPECIAL]


def text(name: str) -> str:
    """Return the ``cluster.yaml`` of a case."""
    data = BASE
    for factor, value in CASES.get(name, {}).items():
        data = merged(data, FACTORS[factor][value])
    return writer.dump(merged(data, SPECIAL.get(name, {})))


def template(name: str) -> dict[str, Any]:
    """Return the template of a case as sent to Heat; check that it is within all limits."""
    blocks = catalog.build(block_loader.tree(), block_loader.schema("block"))
    parsed = document.parse("cluster.yaml", text(name).encode())
    spec = read_spec(parsed, blocks, block_loader.schema("cluster"))
    pins = placeholder_pins(used_blocks(group_blocks(spec, blocks)), spec)
    planned = build_plan(spec, blocks, pins, "")
    rendered = render(planned).as_dict()
    assert not [item for item in heat_limits.usage(planned, rendered) if item.exceeded]
    return rendered


def merged(data: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return data with a patch applied."""
    result = copy.deepcopy(data)
    for key, value in patch.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old, value) if both else value
    return result
