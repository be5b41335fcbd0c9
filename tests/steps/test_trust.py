# SPDX-License-Identifier: Apache-2.0
"""Tests of trust with three control-plane nodes and a worker: request, share, sign, install."""

from __future__ import annotations

import base64
import re
import stat
from pathlib import Path

import pytest

from .conftest import Result, Sandbox
from .trust_cluster import Cluster, Node, admin_request, handshake, openssl

NAMES = {
    "control": ["etcd/flannel", "etcd/peer", "front-proxy/client", "kubernetes/apiserver"],
    "worker": ["etcd/flannel"],
}
NAMES = {role: [*names, "kubernetes/kubelet"] for role, names in NAMES.items()}
SHARED = (
    "/etc/etcd/pki/issuer.key",
    "/etc/front-proxy/pki/issuer.key",
    "/etc/kubernetes/pki/issuer.key",
    "/etc/kubernetes/encryption.yaml",
    "/etc/kubernetes/pki/service-accounts.pub",
)


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a cluster after its creation."""
    cluster = Cluster(tmp_path_factory.mktemp("created"), control=3, workers=1)
    cluster.update()
    return cluster


@pytest.fixture
def cluster(sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """Return a copy of that cluster for one test; skip the test if there is no sandbox."""
    created: Cluster = request.getfixturevalue("created")
    return created.copy(tmp_path / "cluster")


def certificates(cluster: Cluster) -> dict[tuple[str, str], str]:
    """Return all installed leaf certificates by node and name."""
    return {
        (node.name, name): node.certificate(name)
        for node in cluster.nodes
        for name in NAMES[node.role]
    }


def public_key(certificate: str) -> str:
    """Return the public key of a certificate."""
    return openssl("x509", "-noout", "-pubkey", stdin=certificate)


def shared(node: Node) -> dict[str, str]:
    """Return the files that are the same on all control-plane nodes."""
    return {path: node.text(path) for path in SHARED}


def assert_all_trust_all(cluster: Cluster) -> None:
    """Assert that TLS works between all nodes, in both directions."""
    for one in cluster.nodes:
        for other in cluster.nodes:
            handshake(one, other, "kubernetes/kubelet", "kubernetes/kubelet")
            if other.role == "control":
                handshake(one, other, "etcd/flannel", "etcd/peer")


def test_every_planned_certificate_is_installed(cluster: Cluster) -> None:
    """Each key has its certificate, with the planned names, from its authority."""
    node = cluster.nodes[1]
    text = openssl("x509", "-noout", "-text", stdin=node.certificate("kubernetes/apiserver"))
    assert f"DNS:{node.name}, IP Address:{node.address}, IP Address:203.0.113.9" in text
    assert "TLS Web Client Authentication" not in text
    assert len(certificates(cluster)) == 17
    authorities = {node.text(f"/etc/{name}/pki/ca.crt") for name in ("etcd", "kubernetes")}
    assert len(authorities) == 2
    assert_all_trust_all(cluster)


def test_mode_of_private_keys(cluster: Cluster) -> None:
    """Only the owner can read a private key."""
    keys = [
        path
        for node in cluster.nodes
        for path in node.sandbox.folder.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    ]
    # Leaves; on the control plane also envelope, service accounts, and three authorities twice.
    assert len(keys) == 17 + 3 * (2 + 3 * 2)
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_shared_state(cluster: Cluster) -> None:
    """Authorities, encryption key and service-account keys are the same on all nodes."""
    first, *others = [shared(node) for node in cluster.control]
    assert others == [first, first]
    assert first["/etc/kubernetes/pki/service-accounts.pub"].count("BEGIN PUBLIC KEY") == 3
    assert "secretbox: {keys: [{name: key1, secret: " in first["/etc/kubernetes/encryption.yaml"]
    assert cluster.control[2].text("/var/lib/heatgen/nodes").splitlines() == [
        "demo-control-0 control 192.0.2.10",
        "demo-control-1 control 192.0.2.11",
        "demo-control-2 control 192.0.2.12",
        "demo-worker-0 worker 192.0.2.100",
    ]


def test_no_secret_in_outputs(cluster: Cluster) -> None:
    """Outputs, stdout and stderr of steps contain no part of a private key."""
    secrets = {
        line
        for node in cluster.nodes
        for path in node.sandbox.folder.rglob("*.key")
        for line in path.read_text().splitlines()
        if not line.startswith("-----")
    }
    texts = [
        text
        for node in cluster.nodes
        for _, result in node.runs.values()
        for text in (*result.outputs.values(), result.stdout, result.stderr)
    ]
    assert secrets
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert cluster.nodes[0].runs["sign"][1].outputs["sealed"].startswith("-----BEGIN CMS-----")


def test_running_again_changes_nothing(cluster: Cluster) -> None:
    """If all steps run again, nothing is signed, and the outputs are the same."""
    before = certificates(cluster)
    outputs = cluster.nodes[0].runs["sign"][1].outputs
    cluster.clear_runs()
    again = cluster.sign()
    # The other nodes share their state now; the first node already has it.
    assert again.outputs == outputs
    assert again.stdout.startswith("Signed 0 ")
    cluster.update()
    assert certificates(cluster) == before


def test_new_worker(cluster: Cluster) -> None:
    """For a new worker only its certificates are signed."""
    before = certificates(cluster)
    cluster.add("worker", 1)
    result = cluster.update()
    assert result.stdout.startswith("Signed 2 ")
    assert before.items() <= certificates(cluster).items()
    assert_all_trust_all(cluster)


def test_replaced_first_node(cluster: Cluster) -> None:
    """Authorities and certificates of other nodes are kept; its tokens are valid for 25 hours."""
    before, secrets = certificates(cluster), shared(cluster.control[1])
    accounts = secrets.pop("/etc/kubernetes/pki/service-accounts.pub")
    first = cluster.nodes[0]
    cluster.replace_node(first)
    cluster.update()
    kept = {key: text for key, text in certificates(cluster).items() if key[0] != first.name}
    assert kept.items() <= before.items()
    for node in cluster.control:
        assert secrets.items() <= shared(node).items()
        known = node.text("/etc/kubernetes/pki/service-accounts.pub")
        assert known.count("BEGIN PUBLIC KEY") == 4
        assert all(line in known for line in accounts.splitlines())
    assert_all_trust_all(cluster)

    state = cluster.nodes[0].path("/var/lib/heatgen/trust")
    (retired,) = (state / (state / "current").readlink() / "service-accounts").glob("*.retired")
    retired.write_text(f"{int(retired.read_text()) - 25 * 3600}\n")
    del cluster.nodes[0].runs["sign"]
    cluster.update()
    for node in cluster.control:
        assert node.text("/etc/kubernetes/pki/service-accounts.pub").count("BEGIN PUBLIC") == 3


def test_new_generation_renews_all_certificates(cluster: Cluster) -> None:
    """All certificates are renewed for the same keys; the generation never decreases."""
    before = certificates(cluster)
    result = cluster.update(ROTATION="2")
    after = certificates(cluster)
    assert result.stdout.startswith("Signed 18 ")
    assert not {key for key in before if before[key] == after[key]}
    assert all(public_key(before[key]) == public_key(after[key]) for key in before)
    cluster.replace_node(cluster.control[2])
    plain = cluster.update(ROTATION="1")
    assert plain.outputs["certificates_generation"] == "2"
    changed = {
        node for (node, name), text in certificates(cluster).items() if after[node, name] != text
    }
    assert changed == {"demo-control-2"}


def test_no_new_authorities_if_shares_cannot_be_unsealed(cluster: Cluster) -> None:
    """If the first node cannot unseal the shared state, sign fails and creates no authorities."""
    first = cluster.replace_node(cluster.nodes[0])
    cluster.sign()
    assert cluster.nodes[0] is first
    envelope = first.path("/var/lib/heatgen/envelope.key")
    curve = "ec_paramgen_curve:P-256"
    envelope.write_text(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", curve))
    first.path("/var/lib/heatgen/trust/current").unlink()
    del first.runs["sign"]
    result = cluster.sign()
    assert "not sealed for this server" in result.problem
    assert not first.path("/var/lib/heatgen/trust/current").exists()


@pytest.mark.parametrize("emptied", ["encryption.key", "kubernetes/1.key", "version"])
def test_emptied_file_is_not_recreated(cluster: Cluster, emptied: str) -> None:
    """If a power failure has emptied a file of the state, sign fails; nothing is changed."""
    first = cluster.nodes[0]
    before = shared(first)
    first.path(f"/var/lib/heatgen/trust/current/{emptied}").write_text("")
    result = cluster.sign(CERTIFICATES_GENERATION="2")
    assert result.status == 1
    assert f"{emptied} is empty" in result.problem
    assert shared(first) == before


def test_rotation_of_authorities(cluster: Cluster) -> None:
    """During each phase of a rotation, TLS works between all nodes."""
    old = cluster.nodes[0].text("/etc/kubernetes/pki/ca.crt")
    revisions = []
    for phase in ("1,2", "2,1", "2"):
        result = cluster.sign(AUTHORITY_GENERATIONS=phase)
        assert result.status == 0, result.problem
        revisions.append((result.outputs["revision"], result.outputs["control_revision"]))
        for node in cluster.nodes:
            cluster.install(node)
            assert_all_trust_all(cluster)
    new = cluster.nodes[0].text("/etc/kubernetes/pki/ca.crt")
    assert (old.count("BEGIN"), new.count("BEGIN")) == (1, 1)
    assert old != new
    assert len({shared(node)[SHARED[0]] for node in cluster.control}) == 1
    # If only the signing authority changes, only components that sign restart.
    (first, _), (second, _), (third, _) = revisions
    assert first == second != third
    assert len({signing for _, signing in revisions}) == 3
    # The key of the old authority is deleted on all nodes.
    assert not list(cluster.folder.glob("*/system/var/upper/lib/heatgen/trust/*/*/1.key"))
    # A parameter that is reset to its default has no effect.
    before = certificates(cluster)
    plain = cluster.update(AUTHORITY_GENERATIONS="1")
    assert plain.outputs["authority_generations"] == "2"
    assert "generation 2" in plain.stdout
    assert certificates(cluster) == before


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2", "from 1 to 2 at once"),
        ("2,1", "from 1 to 2,1 at once"),
        ("1,3", "authority_generations is '1,3'"),
        ("one", "authority_generations is 'one'"),
    ],
)
def test_rotation_cannot_skip_a_phase(cluster: Cluster, value: str, reason: str) -> None:
    """A value that skips a phase of the rotation, or is malformed, is rejected."""
    assert reason in cluster.sign(AUTHORITY_GENERATIONS=value).problem


def test_renewal_of_admin_certificate(cluster: Cluster, tmp_path: Path) -> None:
    """The administrator's certificate is renewed at half of its life, or for a new request."""
    signed = cluster.sign()
    first = signed.outputs["admin_certificate"]
    openssl("x509", "-noout", "-checkend", str(6 * 24 * 3600), stdin=first)
    facts = cluster.nodes[0].path("/var/lib/heatgen/issued/admin.crt.facts")
    expires, _, rest = facts.read_text().partition("\n")
    for passed, kept in ((3, True), (4, False)):
        facts.write_text(f"{int(expires) - passed * 24 * 3600}\n{rest}")
        cluster.clear_runs()
        assert (cluster.sign().outputs["admin_certificate"] == first) is kept
    request = admin_request(tmp_path, key="other.key")
    other = cluster.sign(ADMIN_REQUEST=request, ADMIN_DAYS="30").outputs["admin_certificate"]
    assert public_key(other) == openssl("req", "-noout", "-pubkey", stdin=request)
    openssl("x509", "-noout", "-checkend", str(29 * 24 * 3600), stdin=other)


def test_certificates_of_worker(cluster: Cluster) -> None:
    """A worker requests only the certificates of its role, and has no key of an authority."""
    worker = cluster.nodes[-1]
    requests = cluster.output(worker, "request", "requests")
    assert [line for line in requests.splitlines() if line.startswith("== ")] == [
        "== etcd/flannel",
        "== kubernetes/kubelet",
    ]
    assert not worker.path("/etc/front-proxy").exists()
    assert not worker.path("/var/lib/heatgen/trust").exists()


def sign_with(cluster: Cluster, node: Node, requests: str) -> Result:
    """Run sign with these requests of a node."""
    inputs, result = node.runs["request"]
    node.runs["request"] = (inputs, Result(0, "", "", result.outputs | {"requests": requests}))
    return cluster.sign()


def test_request_with_name_of_another_node_is_rejected(cluster: Cluster) -> None:
    """A request for another node's name is rejected; the reason has both subjects."""
    worker, other = cluster.nodes[-1], cluster.nodes[0]
    result = sign_with(cluster, worker, cluster.output(other, "request", "requests"))
    assert result.problem.startswith("kubernetes/kubelet of demo-worker-0: ")
    for node in ("demo-control-0", "demo-worker-0"):
        assert f"'CN=system:node:{node},O=system:nodes'" in result.problem


def test_request_with_invalid_signature_is_rejected(cluster: Cluster) -> None:
    """A request that is not signed by its own key is rejected."""
    worker = cluster.nodes[-1]
    requests = cluster.output(worker, "request", "requests")
    *others, last = re.split(r"(?=-----BEGIN)", requests)
    label = "CERTIFICATE REQUEST"
    der = bytearray(base64.b64decode("".join(last.splitlines()[1:-1])))
    der[-1] ^= 1
    forged = f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"
    result = sign_with(cluster, worker, "".join(others) + forged)
    assert result.problem.startswith("kubernetes/kubelet of demo-worker-0: ")
    assert "signed" in result.problem


def test_missing_request(cluster: Cluster) -> None:
    """The reason for a missing request has the names of node and certificate."""
    first = cluster.output(cluster.nodes[-1], "request", "requests").partition("== kubernetes")[0]
    result = sign_with(cluster, cluster.nodes[-1], first)
    for part in ("demo-worker-0", "kubernetes/kubelet"):
        assert part in result.problem


def test_admin_request_for_another_group_is_rejected(cluster: Cluster, tmp_path: Path) -> None:
    """A request for system:masters, which cannot be revoked, is rejected."""
    request = admin_request(tmp_path, "/O=system:masters/CN=admin")
    result = cluster.sign(ADMIN_REQUEST=request)
    assert "O=system:masters" in result.problem


def test_certificate_for_another_key_is_not_installed(cluster: Cluster) -> None:
    """Install fails if a certificate does not match the node's key."""
    worker = cluster.nodes[-1]
    worker.path("/etc/etcd/pki/flannel.key").unlink()
    del worker.runs["request"]
    policy = cluster.parameters["CERTIFICATES"]
    inputs = {"CERTIFICATES": policy, "STACK_NAME": cluster.stack}
    cluster.step(worker, "request", "10-request.sh", **inputs)
    del worker.runs["install"]
    with pytest.raises(AssertionError, match="etcd/flannel does not match this node's key"):
        cluster.install(worker)


@pytest.mark.parametrize("stack", ["My_Stack", "MyCluster", "team.demo", "s" * 60, "s" * 200])
def test_names_of_stacks(sandbox: Sandbox, tmp_path: Path, stack: str) -> None:
    """Nodes of a stack with any name that Heat accepts have different, valid names."""
    cluster = Cluster(tmp_path, control=1, workers=2, stack=stack)
    cluster.update()
    names = {node.name for node in cluster.nodes}
    assert len(names) == 3
    for node in cluster.nodes:
        assert re.fullmatch("[a-z0-9][a-z0-9-]{0,50}[a-z0-9]", node.name)
        assert node.text("/var/lib/heatgen/node-name").strip() == node.name
        certificate = node.certificate("kubernetes/kubelet")
        text = openssl("x509", "-noout", "-text", "-nameopt", "RFC2253", stdin=certificate)
        assert f"CN=system:node:{node.name}," in text
        assert f"DNS:{node.name}, " in text
    lines = cluster.nodes[0].text("/var/lib/heatgen/nodes").splitlines()
    assert {line.split()[0] for line in lines} == names


def test_nodes_are_named_like_their_hosts(cluster: Cluster) -> None:
    """With an ordinary name of the stack, nodes have the names of their hosts, as before."""
    assert [node.name for node in cluster.nodes] == [node.sandbox.name for node in cluster.nodes]


def test_stack_name_that_cannot_be_used(sandbox: Sandbox, tmp_path: Path) -> None:
    """A name that results in an invalid name of the node fails in the first step."""
    cluster = Cluster(tmp_path, control=1, workers=0, stack="-x")
    with pytest.raises(AssertionError, match="the stack's name '-x'"):
        cluster.update()
