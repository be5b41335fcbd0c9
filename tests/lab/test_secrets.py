# SPDX-License-Identifier: Apache-2.0
"""No secret of the cluster reaches OpenStack's databases or the nodes' logs.

Here for a cluster as it was created; after scaling and rotating the tests of these do the same.
"""

import base64
import json
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.harness import controller, secrets, traces
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.secrets import KnownSecrets

SEALED = "-----BEGIN CMS-----"


@pytest.fixture(scope="module")
def written(cluster: Cluster, known_secrets: KnownSecrets) -> dict[str, list[bytes]]:
    """Everything that was written down outside the keys' own files."""
    known_secrets.collect(cluster)
    return secrets.databases_and_logs(cluster)


def test_keys_of_all_kinds_were_gathered(
    cluster: Cluster, known_secrets: KnownSecrets, written: dict[str, list[bytes]]
) -> None:
    """The search is for something: the administrator's key, and those of each node."""
    found = known_secrets.found
    assert any(where.startswith("administrator") for where in found)
    for node in cluster.nodes:
        assert any(where.startswith(f"{node.name}:/etc/kubernetes") for where in found), node.name
    for node in cluster.control:
        for file in ("service-account.key", "issuer.key", "encryption.yaml", "apiserver.key"):
            assert any(f"{node.name}:/etc/kubernetes" in name and file in name for name in found), (
                f"{file} of {node.name}"
            )
        assert any(f"{node.name}:/etc/etcd/pki" in name for name in found), node.name
    assert all(len(secret) >= 16 for secret in found.values())


def test_no_secret_was_written_down(
    known_secrets: KnownSecrets, written: dict[str, list[bytes]], figure: Figure
) -> None:
    """No secret number of any key shows in a database or a log, in any wrapping."""
    size = sum(len(heap[0]) for heap in written.values())
    figure("secrets searched", {"bytes": size, "secrets": len(known_secrets.found)})
    assert not known_secrets.leaks_in(written)


def test_nothing_looks_like_a_private_key_or_token(written: dict[str, list[bytes]]) -> None:
    """No PEM of any private key, no JSON web token; in logs neither, not even other people's."""
    assert not secrets.keys_and_tokens_in(written)


def test_the_search_finds_what_is_there(cluster: Cluster, written: dict[str, list[bytes]]) -> None:
    """The CA's public key, which Heat does carry, is found in its database; a log line in a log."""
    words = ["openstack", "stack", "output", "show", "-f", "json", cluster.name, "ca_certificate"]
    pem = json.loads(controller.inside(*words))["output_value"]
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    point = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[-64:]
    assert traces.contains(point, written["database heat"])

    planted = os.urandom(32)
    node = cluster.nodes[0].name
    controller.on_node(node, f"logger {base64.b64encode(b'x' + planted).decode()}")
    assert traces.contains(planted, traces.decodings(controller.on_node(node, secrets.LOGS)))


def test_shared_secrets_travel_sealed(many: Cluster, written: dict[str, list[bytes]]) -> None:
    """What the control plane shares does pass through Heat, but as CMS: sealed."""
    assert any(SEALED.encode() in layer for layer in written["database heat"])
