# SPDX-License-Identifier: Apache-2.0
"""Collect the secrets of the cluster; search databases and logs, which must not contain them."""

import base64
import io
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
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
# Write an archive with all files of a node that may contain secrets of the cluster.
KEY_FILES = (
    "grep -rlZIE 'PRIVATE KEY-----|client-key-data|secret: ' "
    "/etc/etcd /etc/kubernetes /etc/flannel /etc/front-proxy /etc/heatgen /etc/docker "
    "/etc/keepalived /opt/heatgen /root /var/lib/etcd /var/lib/kubelet/pki /var/lib/heatgen "
    "/etc/ssh 2>/dev/null | tar --create --null --files-from - 2>/dev/null || true"
)
LOGS = (
    "journalctl --no-pager --all --output=cat; "
    # Rotated logs are compressed; zcat -f copies others unchanged.
    "find /var/log -path /var/log/journal -prune -o -type f -print0 | xargs -0 zcat -f"
)
PEM = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
DATA = re.compile(rb"(?:client-key-data|secret): *[\"']?([A-Za-z0-9+/=]{40,})")


class KnownSecrets:
    """The secret values of all private keys and encryption keys, by path."""

    def __init__(self) -> None:
        """Create an empty collection."""
        self.found: dict[str, bytes] = {}

    def collect(self, cluster: Cluster) -> None:
        """Add the current secrets of the cluster; earlier ones are kept."""
        administrator = (cluster.directory / "cluster.admin.key").read_bytes()
        self.add(keys_in("administrator", administrator))
        self.add(keys_in("backups", (cluster.directory / "cluster.backup.key").read_bytes()))
        with ThreadPoolExecutor(max_workers=4) as pool:
            for found in pool.map(keys_on, cluster.nodes):
                self.add(found)

    def add(self, found: dict[str, bytes]) -> None:
        """Add secrets; if a path had another secret before, add it under another name."""
        for where, secret in found.items():
            name = where
            while self.found.get(name, secret) != secret:
                name += " later"
            self.found[name] = secret

    def leaks_in(self, texts: dict[str, list[bytes]]) -> list[str]:
        """Return which secrets are in which texts, given as their decodings."""
        return [
            f"{where} in {name}"
            for where, secret in self.found.items()
            for name, decodings in texts.items()
            if traces.contains(secret, decodings)
        ]


def keys_on(node: Node) -> dict[str, bytes]:
    """Return the secrets in the files of a node."""
    found: dict[str, bytes] = {}
    archive = controller.on_node(node.name, KEY_FILES)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for each in files:
            if (content := files.extractfile(each)) is not None:
                found |= keys_in(f"{node.name}:/{each.name}", content.read())
    return found


def keys_in(where: str, content: bytes) -> dict[str, bytes]:
    """Return the secrets in a file, including those in base64 values."""
    found = {f"{where} {n}": number(key[0]) for n, key in enumerate(PEM.finditer(content))}
    for n, match in enumerate(DATA.finditer(content)):
        value = base64.b64decode(match[1])
        if inner := keys_in(f"{where} data {n}", value):
            found |= inner
        else:
            found[f"{where} data {n}"] = value
    return found


def number(pem: bytes) -> bytes:
    """Return the secret number of a private key, without its public parts."""
    load = load_ssh_private_key if b"OPENSSH" in pem else load_pem_private_key
    key = load(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(key.key_size // 8, "big")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.private_numbers().p.to_bytes(key.key_size // 16, "big")
    if isinstance(key, dsa.DSAPrivateKey):  # a host key that a stock image creates
        private = key.private_numbers().x
        return private.to_bytes((private.bit_length() + 7) // 8, "big")
    assert isinstance(key, ed25519.Ed25519PrivateKey), f"unknown kind of key: {type(key)}"
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def databases_and_logs(cluster: Cluster) -> dict[str, list[bytes]]:
    """Return the decodings of all databases of the cloud and all logs of nodes, by name."""
    texts = {f"database {name}": dump(name) for name in DATABASES}
    with ThreadPoolExecutor(max_workers=4) as pool:
        logs = pool.map(lambda node: controller.on_node(node.name, LOGS), cluster.nodes)
        texts |= {
            f"logs of {node.name}": log for node, log in zip(cluster.nodes, logs, strict=True)
        }
    return {name: traces.decodings(text) for name, text in texts.items()}


def dump(database: str) -> bytes:
    """Return an SQL dump of a database of the cloud."""
    words = ["mariadb-dump", "--no-defaults", "--single-transaction", "--databases", database]
    return controller.as_admin(*words)


def keys_and_tokens_in(texts: dict[str, list[bytes]]) -> list[str]:
    """Return which texts contain anything that looks like a private key or a token."""
    return [
        f"{kind} in {name}"
        for name, decodings in texts.items()
        for decoded in decodings
        for kind, pattern in (("key", traces.PRIVATE_KEY), ("token", traces.TOKEN))
        if pattern.search(decoded)
    ]


def assert_not_leaked(cluster: Cluster, known_secrets: KnownSecrets) -> dict[str, list[bytes]]:
    """Check that no databases and no logs contain a secret; return their decodings."""
    known_secrets.collect(cluster)
    written = databases_and_logs(cluster)
    size = sum(len(decodings[0]) for decodings in written.values())
    print(f"searched {size} bytes in {len(written)} places for {len(known_secrets.found)} secrets")
    assert not known_secrets.leaks_in(written)
    assert not keys_and_tokens_in(written)
    return written
