# SPDX-License-Identifier: Apache-2.0
"""The cluster's secrets: where they lie, and the heaps in which none of them may show."""

import base64
import io
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from lab.harness import controller, traces
from lab.harness.cluster import Cluster, Node

DATABASES = ("heat", "nova", "nova_api", "nova_cell0", "neutron", "keystone")
# Where a node has secrets of the cluster: all of these files come here in one archive.
KEY_FILES = (
    "grep -rlZIE 'PRIVATE KEY-----|client-key-data|secret: ' "
    "/etc/etcd /etc/kubernetes /etc/flannel /etc/front-proxy /etc/heatgen /etc/docker "
    "/etc/keepalived /opt/heatgen /root /var/lib/etcd /var/lib/kubelet/pki /var/lib/heatgen "
    "/etc/ssh 2>/dev/null | tar --create --null --files-from - 2>/dev/null || true"
)
LOGS = (
    "journalctl --no-pager --all --output=cat; "
    # Rotated logs are compressed; zcat -f passes on what is not.
    "find /var/log -path /var/log/journal -prune -o -type f -print0 | xargs -0 zcat -f"
)
PEM = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
DATA = re.compile(rb"(?:client-key-data|secret): *[\"']?([A-Za-z0-9+/=]{40,})")


class KnownSecrets:
    """The secret numbers of all private keys and encryption keys, by where they lay."""

    def __init__(self) -> None:
        """Begin with none."""
        self.found: dict[str, bytes] = {}

    def collect(self, cluster: Cluster) -> None:
        """Add what the cluster has now; what a place had before stays."""
        administrator = (cluster.directory / "cluster.admin.key").read_bytes()
        self.add(keys_in("administrator", administrator))
        with ThreadPoolExecutor(max_workers=4) as pool:
            for found in pool.map(keys_on, cluster.nodes):
                self.add(found)

    def add(self, found: dict[str, bytes]) -> None:
        """Add secrets, under a name of their own if another lay at their place before."""
        for where, secret in found.items():
            name = where
            while self.found.get(name, secret) != secret:
                name += " later"
            self.found[name] = secret

    def leaks_in(self, heaps: dict[str, list[bytes]]) -> list[str]:
        """Return which secrets show in which heaps."""
        return [
            f"{where} in {name}"
            for where, secret in self.found.items()
            for name, heap in heaps.items()
            if traces.contains(secret, heap)
        ]


def keys_on(node: Node) -> dict[str, bytes]:
    """Return the secrets in all files of a node that may hold one."""
    found: dict[str, bytes] = {}
    archive = controller.on_node(node.name, KEY_FILES)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for each in files:
            if (content := files.extractfile(each)) is not None:
                found |= keys_in(f"{node.name}:/{each.name}", content.read())
    return found


def keys_in(where: str, content: bytes) -> dict[str, bytes]:
    """Return the secrets in a file, those in its base64 values among them."""
    found = {f"{where} {n}": number(key[0]) for n, key in enumerate(PEM.finditer(content))}
    for n, match in enumerate(DATA.finditer(content)):
        value = base64.b64decode(match[1])
        if inner := keys_in(f"{where} data {n}", value):
            found |= inner
        else:
            found[f"{where} data {n}"] = value
    return found


def number(pem: bytes) -> bytes:
    """Return the secret number of a private key: what makes it private, and nothing else."""
    load = load_ssh_private_key if b"OPENSSH" in pem else load_pem_private_key
    key = load(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(key.key_size // 8, "big")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().p.to_bytes(key.key_size // 16, "big")
    assert isinstance(key, ed25519.Ed25519PrivateKey), f"unknown kind of key: {type(key)}"
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def databases_and_logs(cluster: Cluster) -> dict[str, list[bytes]]:
    """Return everything that was written down outside the keys' own files, by where."""
    texts = {f"database {name}": dump(name) for name in DATABASES}
    with ThreadPoolExecutor(max_workers=4) as pool:
        logs = pool.map(lambda node: controller.on_node(node.name, LOGS), cluster.nodes)
        texts |= {
            f"logs of {node.name}": log for node, log in zip(cluster.nodes, logs, strict=True)
        }
    return {name: traces.decodings(text) for name, text in texts.items()}


def dump(database: str) -> bytes:
    """Return all of a database of the cloud as SQL."""
    words = ["mariadb-dump", "--no-defaults", "--single-transaction", "--databases", database]
    return controller.as_admin(*words)


def keys_and_tokens_in(heaps: dict[str, list[bytes]]) -> list[str]:
    """Return where something looks like a private key or a token, whoever's it is."""
    return [
        f"{kind} in {name}"
        for name, heap in heaps.items()
        for layer in heap
        for kind, look in (("key", traces.PRIVATE_KEY), ("token", traces.TOKEN))
        if look.search(layer)
    ]


def assert_not_leaked(cluster: Cluster, known_secrets: KnownSecrets) -> dict[str, list[bytes]]:
    """Gather all secrets, search all heaps for them; none may show. Return the heaps."""
    known_secrets.collect(cluster)
    written = databases_and_logs(cluster)
    size = sum(len(heap[0]) for heap in written.values())
    print(f"searched {size} bytes in {len(written)} places for {len(known_secrets.found)} secrets")
    assert not known_secrets.leaks_in(written)
    assert not keys_and_tokens_in(written)
    return written
