# SPDX-License-Identifier: Apache-2.0
"""The databases of OpenStack and the logs of nodes contain no secrets of a new cluster.

The tests of scaling and rotation check the same afterwards.
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

CMS = "-----BEGIN CMS-----"


@pytest.fixture(scope="module")
def written(cluster: Cluster, known_secrets: KnownSecrets) -> dict[str, list[bytes]]:
    """Return the decodings of all databases and logs."""
    known_secrets.collect(cluster)
    return secrets.databases_and_logs(cluster)


def test_keys_of_all_kinds_were_collected(
    cluster: Cluster, known_secrets: KnownSecrets, written: dict[str, list[bytes]]
) -> None:
    """The known secrets include the key of the administrator and those of each node."""
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


def test_no_secret_was_leaked(
    known_secrets: KnownSecrets, written: dict[str, list[bytes]], figure: Figure
) -> None:
    """No database and no log contains the secret value of a key, in any encoding."""
    size = sum(len(decodings[0]) for decodings in written.values())
    figure("secrets searched", {"bytes": size, "secrets": len(known_secrets.found)})
    assert not known_secrets.leaks_in(written)


def test_nothing_looks_like_a_private_key_or_token(written: dict[str, list[bytes]]) -> None:
    """No database and no log contains a PEM private key or a JSON web token, of any owner."""
    assert not secrets.keys_and_tokens_in(written)


def test_the_search_finds_known_data(cluster: Cluster, written: dict[str, list[bytes]]) -> None:
    """The public key of the CA is found in the database of Heat, a log line in a log."""
    words = ["openstack", "stack", "output", "show", "-f", "json", cluster.name, "ca_certificate"]
    pem = json.loads(controller.inside(*words))["output_value"]
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    point = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[-64:]
    assert traces.contains(point, written["database heat"])

    logged = os.urandom(32)
    node = cluster.nodes[0].name
    controller.on_node(node, f"logger {base64.b64encode(b'x' + logged).decode()}")
    assert traces.contains(logged, traces.decodings(controller.on_node(node, secrets.LOGS)))


def test_shared_secrets_are_encrypted(ha_cluster: Cluster, written: dict[str, list[bytes]]) -> None:
    """Shared secrets of the control plane pass through Heat only as CMS messages."""
    assert any(CMS.encode() in layer for layer in written["database heat"])
