# SPDX-License-Identifier: Apache-2.0
"""Initial content of the cloud: flavors, the public network, the images, a key pair."""

import hashlib
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from lab.cloud import paths
from lab.cloud.http import COMPUTE, IMAGE, NETWORK, Session, wait
from lab.cloud.steps import print_progress

# name: vCPUs, MiB of memory, GiB of disk
FLAVORS = {
    "m1.small": (1, 1024, 6),
    "m1.medium": (1, 2048, 6),
    "m1.large": (2, 4096, 6),
}
IMAGES_URL = "http://127.0.0.1:8081/"
SOURCE_PROPERTY = "heatgen_lab_source"
AGENTS = 4
READY_SECONDS = 90


@dataclass(frozen=True)
class Image:
    """An image of servers: its name in Glance, and its file in the state directory."""

    name: str
    file: Path
    required: bool = True
    """Whether to report that the file does not exist."""

    @property
    def user(self) -> str:
        """The user for login over SSH, which the build writes beside the image."""
        return self.file.resolve().with_name("user").read_text(encoding="utf-8")


VARIANTS = ("fcos-like", "flatcar-like", "ubuntu-like")
IMAGES = (
    Image("debian-12", paths.NODE_IMAGE),
    Image("debian-12-vm", paths.MACHINE_IMAGE, required=False),
    Image("debian-13-vm", paths.DEBIAN_13_IMAGE, required=False),
    Image("debian-12-ostree", paths.OSTREE_IMAGE, required=False),
    *(Image(name, paths.node_image(name), required=False) for name in VARIANTS),
)


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


def images() -> None:
    """Register the images that exist in the state directory."""
    for image in IMAGES:
        if image.file.exists():
            add_image(image)
        elif image.required:
            print_progress(f"  {image.file} does not exist: the cloud has no image {image.name}")


def add_image(image: Image) -> None:
    """Register an image, unless it is the one in Glance.

    It is also copied, sparse, into the image cache of Nova, so that Nova does not fetch it for the
    first server.
    Source: nova.virt.libvirt.imagecache.get_cache_fname: the SHA-1 of the image id.
    """
    session = Session("admin")
    source = str(image.file.resolve())
    present = session.get(f"{IMAGE}/images?name={image.name}")["images"]
    if any(each[SOURCE_PROPERTY] == source for each in present):
        return
    name = hashlib.sha1((new := str(uuid.uuid4())).encode(), usedforsecurity=False).hexdigest()
    cache = paths.CLOUD / "nova" / "instances" / "_base"
    cache.mkdir(exist_ok=True)
    copy = ["cp", "--sparse=always", str(image.file), str(cache / name)]
    subprocess.run(copy, check=True)
    register(session, image, new, source)
    for each in present:
        session.delete(f"{IMAGE}/images/{each['id']}")


def register(session: Session, image: Image, identifier: str, source: str) -> None:
    """Register an image in Glance: its URL, and the file behind it."""
    body = {
        "id": identifier,
        "name": image.name,
        "visibility": "public",
        "disk_format": "raw",
        "container_format": "bare",
        "os_distro": "debian",
        "os_admin_user": image.user,
        SOURCE_PROPERTY: source,
    }
    session.post(f"{IMAGE}/images", body)
    location = {"url": IMAGES_URL + image.file.name, "metadata": {"store": "web"}}
    session.patch(
        f"{IMAGE}/images/{identifier}", [{"op": "add", "path": "/locations/-", "value": location}]
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
