# SPDX-License-Identifier: Apache-2.0
"""No secret of the cluster reaches OpenStack's databases or the nodes' logs."""

import base64
import json
import os
import re
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tests.lab import controller, traces

DATABASES = ("heat", "nova", "nova_api", "nova_cell0", "neutron")
# Where a node has secrets of the cluster; each whole file is then parsed for keys.
KEY_FILES = (
    "grep -rlIE 'PRIVATE KEY-----|client-key-data|secret: ' "
    "/etc/etcd /etc/kubernetes /etc/flannel /etc/heatgen /opt/heatgen /root "
    "/var/lib/etcd /var/lib/kubelet/pki /var/lib/heatgen /etc/ssh 2>/dev/null || true"
)
LOGS = (
    "journalctl --no-pager --all --output=cat; "
    "find /var/log -path /var/log/journal -prune -o -type f -print0 | xargs -0 cat"
)
PEM = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
DATA = re.compile(rb"(?:client-key-data|secret): *[\"']?([A-Za-z0-9+/=]{40,})")


@pytest.fixture(scope="module")
def nodes(demo_stack: None) -> list[str]:
    """The demo stack's nodes."""
    return controller.nodes()


@pytest.fixture(scope="module")
def secrets(nodes: list[str]) -> dict[str, bytes]:
    """The secret numbers of all private keys and encryption keys, by where they lie."""
    found = keys_in("administrator", (controller.DEMO / "cluster.admin.key").read_bytes())
    for node in nodes:
        for path in controller.on_node(node, KEY_FILES).decode().split():
            found |= keys_in(f"{node}:{path}", controller.on_node(node, f"cat {path}"))
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


@pytest.fixture(scope="module")
def heaps(nodes: list[str]) -> dict[str, list[bytes]]:
    """Everything that was written down outside the keys' own files, by where."""
    dump = ["--as", "admin", "mariadb-dump", "--no-defaults", "--single-transaction"]
    texts = {
        name: controller.run(controller.LAB, "shell", *dump, "--databases", name)
        for name in (*DATABASES, "keystone")
    }
    texts |= {f"logs of {node}": controller.on_node(node, LOGS) for node in nodes}
    return {name: traces.layers(text) for name, text in texts.items()}


def test_keys_of_all_kinds_were_gathered(secrets: dict[str, bytes], nodes: list[str]) -> None:
    """The search is for something: the administrator's key, and several of each node."""
    assert any(where.startswith("administrator") for where in secrets)
    for node in nodes:
        own = [where for where in secrets if where.startswith(f"{node}:/etc/kubernetes")]
        assert own, f"no key found on {node} in /etc/kubernetes"
    assert any("/etc/etcd/" in where for where in secrets)
    assert all(len(secret) >= 16 for secret in secrets.values())


def test_no_secret_was_written_down(
    secrets: dict[str, bytes],
    heaps: dict[str, list[bytes]],
    record_property: Callable[[str, object], None],
) -> None:
    """No secret number of any key shows in a database or a log, in any wrapping."""
    size = sum(len(heap[0]) for heap in heaps.values())
    record_property("bytes searched", size)
    record_property("secrets", len(secrets))
    print(f"searched {size} bytes in {len(heaps)} places for {len(secrets)} secrets")
    seen = [
        f"{where} in {name}"
        for where, secret in secrets.items()
        for name, heap in heaps.items()
        if traces.found(secret, heap)
    ]
    assert not seen


def test_nothing_looks_like_a_private_key_or_token(heaps: dict[str, list[bytes]]) -> None:
    """No PEM of any private key, no JSON web token; in logs neither, not even other people's."""
    seen = [
        f"{kind} in {name}"
        for name, heap in heaps.items()
        for layer in heap
        for kind, look in (("key", traces.PRIVATE_KEY), ("token", traces.TOKEN))
        if look.search(layer)
    ]
    assert not seen


def test_the_search_finds_what_is_there(heaps: dict[str, list[bytes]], nodes: list[str]) -> None:
    """The CA's public key, which Heat does carry, is found in its database; a log line in a log."""
    words = ["openstack", "stack", "output", "show", "-f", "json", "demo", "ca_certificate"]
    pem = json.loads(controller.inside(*words))["output_value"]
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    point = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[-64:]
    assert traces.found(point, heaps["heat"])

    planted = os.urandom(32)
    controller.on_node(nodes[0], f"logger {base64.b64encode(b'x' + planted).decode()}")
    assert traces.found(planted, traces.layers(controller.on_node(nodes[0], LOGS)))
