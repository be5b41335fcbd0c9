# SPDX-License-Identifier: Apache-2.0
"""Initial content of the cloud: flavors, the public network, the node image, a key pair."""

import hashlib
import subprocess
import uuid

from lab.cloud import paths
from lab.cloud.http import COMPUTE, IMAGE, NETWORK, Session, wait
from lab.cloud.steps import print_progress

# name: vCPUs, MiB of memory, GiB of disk
FLAVORS = {
    "m1.small": (1, 1024, 6),
    "m1.medium": (1, 2048, 6),
    "m1.large": (2, 4096, 6),
}
IMAGE_NAME = "debian-12"
IMAGE_URL = "http://127.0.0.1:8081/node.raw"
SOURCE_PROPERTY = "heatgen_lab_source"
AGENTS = 4
READY_SECONDS = 90


def flavors() -> None:
    """Create the flavors."""
    session = Session("admin")
    for name, (vcpus, ram, disk) in FLAVORS.items():
        flavor = {"name": name, "vcpus": vcpus, "ram": ram, "disk": disk}
        session.post(f"{COMPUTE}/flavors", {"flavor": flavor})


def public_network() -> None:
    """Create the external network `public` on the bridge of the controller."""
    session = Session("admin")
    network = {
        "name": "public",
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": "provider",
    }
    created = session.post(f"{NETWORK}/networks", {"network": network})["network"]
    subnet = {
        "name": "public-v4",
        "network_id": created["id"],
        "ip_version": 4,
        "cidr": "203.0.113.0/24",
        "gateway_ip": "203.0.113.1",
        "enable_dhcp": False,
        "allocation_pools": [{"start": "203.0.113.100", "end": "203.0.113.250"}],
    }
    session.post(f"{NETWORK}/subnets", {"subnet": subnet})


def keypair() -> None:
    """Create the key pair `lab` for both users; the private key is in the state directory."""
    if not paths.KEY.exists():
        paths.KEY.parent.mkdir(parents=True, exist_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]
        subprocess.run([*command, str(paths.KEY)], check=True, stdin=subprocess.DEVNULL)
    public = paths.KEY.with_suffix(".pub").read_text().strip()
    for user in ("admin", "demo"):
        body = {"keypair": {"name": "lab", "public_key": public}}
        Session(user).post(f"{COMPUTE}/os-keypairs", body)


def node_image() -> None:
    """Register the node image in the state directory, unless it is the one in Glance.

    The image is also copied, sparse, into the image cache of Nova, so that Nova does not fetch it
    for the first server.
    Source: nova.virt.libvirt.imagecache.get_cache_fname: the SHA-1 of the image id.
    """
    if not paths.NODE_IMAGE.exists():
        print_progress(f"  {paths.NODE_IMAGE} does not exist: the cloud has no node image")
        return
    session = Session("admin")
    source = str(paths.NODE_IMAGE.resolve())
    present = session.get(f"{IMAGE}/images?name={IMAGE_NAME}")["images"]
    if any(image[SOURCE_PROPERTY] == source for image in present):
        return
    name = hashlib.sha1((new := str(uuid.uuid4())).encode(), usedforsecurity=False).hexdigest()
    cache = paths.CLOUD / "nova" / "instances" / "_base"
    cache.mkdir(exist_ok=True)
    copy = ["cp", "--sparse=always", str(paths.NODE_IMAGE), str(cache / name)]
    subprocess.run(copy, check=True)
    register(session, new, source)
    for image in present:
        session.delete(f"{IMAGE}/images/{image['id']}")


def register(session: Session, image: str, source: str) -> None:
    """Register the node image in Glance: its URL, and the file behind it."""
    body = {
        "id": image,
        "name": IMAGE_NAME,
        "visibility": "public",
        "disk_format": "raw",
        "container_format": "bare",
        "os_distro": "debian",
        SOURCE_PROPERTY: source,
    }
    session.post(f"{IMAGE}/images", body)
    location = {"url": IMAGE_URL, "metadata": {"store": "web"}}
    session.patch(
        f"{IMAGE}/images/{image}", [{"op": "add", "path": "/locations/-", "value": location}]
    )


def wait_agents_alive() -> None:
    """Wait until all agents have reported to Neutron."""
    session = Session("admin")

    def alive() -> bool:
        found = session.get(f"{NETWORK}/agents")["agents"]
        return len([agent for agent in found if agent["alive"]]) >= AGENTS

    wait("agents of Neutron are alive", alive, READY_SECONDS)


def wait_host_up() -> None:
    """Wait until the scheduler of Nova has discovered the compute host."""
    session = Session("admin")

    def up() -> bool:
        found = session.get(f"{COMPUTE}/os-hypervisors/detail")["hypervisors"]
        return any(hypervisor["state"] == "up" for hypervisor in found)

    wait("compute host of Nova is up", up, READY_SECONDS)
