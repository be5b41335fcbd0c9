# SPDX-License-Identifier: Apache-2.0
"""Trust of a cluster of three control-plane servers and a worker: request, share, sign, install."""

from __future__ import annotations

import base64
import re
import stat
from pathlib import Path

import pytest

from .conftest import Ran, Sandbox
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
    """A cluster just after its creation."""
    cluster = Cluster(tmp_path_factory.mktemp("created"), control=3, workers=1)
    cluster.update()
    return cluster


@pytest.fixture
def cluster(sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """That cluster for one test alone; a skip where there are no sandboxes."""
    created: Cluster = request.getfixturevalue("created")
    return created.copy(tmp_path / "cluster")


def certificates(cluster: Cluster) -> dict[tuple[str, str], str]:
    """All installed leaf certificates by node and name."""
    return {
        (node.name, name): node.certificate(name)
        for node in cluster.nodes
        for name in NAMES[node.role]
    }


def public_key(certificate: str) -> str:
    """The public key of a certificate."""
    return openssl("x509", "-noout", "-pubkey", stdin=certificate)


def shared(node: Node) -> dict[str, str]:
    """What a control-plane server has in common with the others."""
    return {path: node.text(path) for path in SHARED}


def assert_all_trust_all(cluster: Cluster) -> None:
    """Every pair of nodes agrees on TLS, whoever begins."""
    for one in cluster.nodes:
        for other in cluster.nodes:
            handshake(one, other, "kubernetes/kubelet", "kubernetes/kubelet")
            if other.role == "control":
                handshake(one, other, "etcd/flannel", "etcd/peer")


def test_every_planned_certificate_is_installed(cluster: Cluster) -> None:
    """After the dance each key has its certificate, with the planned names, from its authority."""
    node = cluster.nodes[1]
    text = openssl("x509", "-noout", "-text", stdin=node.certificate("kubernetes/apiserver"))
    assert f"DNS:{node.name}, IP Address:{node.address}, IP Address:203.0.113.9" in text
    assert "TLS Web Client Authentication" not in text
    assert len(certificates(cluster)) == 17
    authorities = {node.text(f"/etc/{name}/pki/ca.crt") for name in ("etcd", "kubernetes")}
    assert len(authorities) == 2
    assert_all_trust_all(cluster)


def test_keys_can_be_read_by_their_owners_only(cluster: Cluster) -> None:
    """No private key is ever open to others."""
    keys = [
        path
        for node in cluster.nodes
        for path in node.sandbox.folder.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    ]
    # Leaves; of the control plane also envelope, service accounts, and three authorities twice.
    assert len(keys) == 17 + 3 * (2 + 3 * 2)
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_control_planes_share_what_they_must(cluster: Cluster) -> None:
    """Authorities, encryption and known service accounts are the same everywhere."""
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


def test_nothing_secret_leaves_a_node_in_clear(cluster: Cluster) -> None:
    """Outputs and what steps say hold no private key, nor a part of one."""
    secrets = {
        line
        for node in cluster.nodes
        for path in node.sandbox.folder.rglob("*.key")
        for line in path.read_text().splitlines()
        if not line.startswith("-----")
    }
    said = [
        text
        for node in cluster.nodes
        for _, ran in node.ran.values()
        for text in (*ran.outputs.values(), ran.stdout, ran.stderr)
    ]
    assert secrets
    assert not [secret for secret in secrets for text in said if secret in text]
    assert cluster.nodes[0].ran["sign"][1].outputs["sealed"].startswith("-----BEGIN CMS-----")


def test_running_again_changes_nothing(cluster: Cluster) -> None:
    """Steps that run again sign nothing anew, and Heat sees the same outputs."""
    before = certificates(cluster)
    outputs = cluster.nodes[0].ran["sign"][1].outputs
    cluster.forget()
    again = cluster.sign()
    # Others now share what they have; the first one has it already.
    assert again.outputs == outputs
    assert "Signed 0 certificates, kept 18" in again.stdout
    cluster.update()
    assert certificates(cluster) == before


def test_a_joining_worker_disturbs_nobody(cluster: Cluster) -> None:
    """Scaling up signs the new node's certificates only."""
    before = certificates(cluster)
    cluster.add("worker", 1)
    ran = cluster.update()
    assert "Signed 2 certificates, kept 18" in ran.stdout
    assert before.items() <= certificates(cluster).items()
    assert_all_trust_all(cluster)


def test_a_lost_first_server_loses_nothing(cluster: Cluster) -> None:
    """Authorities stay, others keep their certificates; its tokens are believed for a day."""
    before, secrets = certificates(cluster), shared(cluster.control[1])
    accounts = secrets.pop("/etc/kubernetes/pki/service-accounts.pub")
    gone = cluster.nodes[0]
    cluster.lose(gone)
    cluster.update()
    kept = {key: text for key, text in certificates(cluster).items() if key[0] != gone.name}
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
    del cluster.nodes[0].ran["sign"]
    cluster.update()
    for node in cluster.control:
        assert node.text("/etc/kubernetes/pki/service-accounts.pub").count("BEGIN PUBLIC") == 3


def test_raising_the_generation_renews_every_certificate(cluster: Cluster) -> None:
    """New certificates for the same keys; neither a plain update nor a lost server goes back."""
    before = certificates(cluster)
    ran = cluster.update(ROTATION="2")
    after = certificates(cluster)
    assert "Signed 18 certificates" in ran.stdout
    assert not {key for key in before if before[key] == after[key]}
    assert all(public_key(before[key]) == public_key(after[key]) for key in before)
    cluster.lose(cluster.control[2])
    plain = cluster.update(ROTATION="1")
    assert plain.outputs["certificates_generation"] == "2"
    changed = {
        node for (node, name), text in certificates(cluster).items() if after[node, name] != text
    }
    assert changed == {"demo-control-2"}


def test_shares_for_another_server_are_no_reason_for_new_authorities(cluster: Cluster) -> None:
    """A first server that cannot open what the others share stops, and says what to do."""
    first = cluster.lose(cluster.nodes[0])
    cluster.sign()
    assert cluster.nodes[0] is first
    envelope = first.path("/var/lib/heatgen/envelope.key")
    curve = "ec_paramgen_curve:P-256"
    envelope.write_text(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", curve))
    first.path("/var/lib/heatgen/trust/current").unlink()
    del first.ran["sign"]
    ran = cluster.sign()
    assert ran.problem.startswith("the other servers' authorities are not sealed for this server")
    assert not first.path("/var/lib/heatgen/trust/current").exists()


@pytest.mark.parametrize("emptied", ["encryption.key", "kubernetes/1.key", "version"])
def test_what_a_loss_of_power_emptied_is_not_made_anew(cluster: Cluster, emptied: str) -> None:
    """The step stops and says what to do; what is installed stays."""
    first = cluster.nodes[0]
    before = shared(first)
    first.path(f"/var/lib/heatgen/trust/current/{emptied}").write_text("")
    ran = cluster.sign(CERTIFICATES_GENERATION="2")
    assert ran.status == 1
    assert f"{emptied} is empty, as after a loss of power" in ran.problem
    assert shared(first) == before


def test_authorities_change_in_two_steps_without_a_gap(cluster: Cluster) -> None:
    """While each phase goes from node to node, every node talks to every other."""
    old = cluster.nodes[0].text("/etc/kubernetes/pki/ca.crt")
    revisions = []
    for phase in ("1,2", "2,1", "2"):
        ran = cluster.sign(AUTHORITY_GENERATIONS=phase)
        assert ran.status == 0, ran.problem
        revisions.append((ran.outputs["revision"], ran.outputs["control_revision"]))
        for node in cluster.nodes:
            cluster.install(node)
            assert_all_trust_all(cluster)
    new = cluster.nodes[0].text("/etc/kubernetes/pki/ca.crt")
    assert (old.count("BEGIN"), new.count("BEGIN")) == (1, 1)
    assert old != new
    assert len({shared(node)[SHARED[0]] for node in cluster.control}) == 1
    # Trusting the same in another order restarts nothing but what signs.
    (first, _), (second, _), (third, _) = revisions
    assert first == second != third
    assert len({signing for _, signing in revisions}) == 3
    # The old authority's key is nowhere any more.
    assert not list(cluster.folder.glob("*/system/var/upper/lib/heatgen/trust/*/*/1.key"))
    # A parameter that falls back to its default changes nothing.
    before = certificates(cluster)
    plain = cluster.update(AUTHORITY_GENERATIONS="1")
    assert plain.outputs["authority_generations"] == "2"
    assert "stay at generation 2: there is no way back to 1" in plain.stdout
    assert certificates(cluster) == before


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("2", "authority_generations cannot go from 1 to 2 at once"),
        ("2,1", "authority_generations cannot go from 1 to 2,1 at once"),
        ("1,3", "authority_generations is '1,3'; it must be like"),
        ("one", "authority_generations is 'one'; it must be like"),
    ],
)
def test_a_change_of_authorities_cannot_skip_a_step(
    cluster: Cluster, asked: str, reason: str
) -> None:
    """Nodes must trust a new authority before it signs anything."""
    assert cluster.sign(AUTHORITY_GENERATIONS=asked).problem.startswith(reason)


def test_the_admin_gets_a_new_certificate_for_a_new_request_or_in_half_time(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The same request keeps its certificate until half of its life is over."""
    signed = cluster.sign()
    first = signed.outputs["admin_certificate"]
    openssl("x509", "-noout", "-checkend", str(6 * 24 * 3600), stdin=first)
    facts = cluster.nodes[0].path("/var/lib/heatgen/issued/admin.crt.facts")
    expires, _, rest = facts.read_text().partition("\n")
    for passed, kept in ((3, True), (4, False)):
        facts.write_text(f"{int(expires) - passed * 24 * 3600}\n{rest}")
        cluster.forget()
        assert (cluster.sign().outputs["admin_certificate"] == first) is kept
    asked = admin_request(tmp_path, key="other.key")
    other = cluster.sign(ADMIN_REQUEST=asked, ADMIN_DAYS="30").outputs["admin_certificate"]
    assert public_key(other) == openssl("req", "-noout", "-pubkey", stdin=asked)
    openssl("x509", "-noout", "-checkend", str(29 * 24 * 3600), stdin=other)


def test_a_worker_gets_no_certificate_of_the_control_plane(cluster: Cluster) -> None:
    """A worker asks only for what its role may have, and holds no authority."""
    worker = cluster.nodes[-1]
    requests = cluster.output(worker, "request", "requests")
    assert [line for line in requests.splitlines() if line.startswith("== ")] == [
        "== etcd/flannel",
        "== kubernetes/kubelet",
    ]
    assert not worker.path("/etc/front-proxy").exists()
    assert not worker.path("/var/lib/heatgen/trust").exists()


def sign_with(cluster: Cluster, node: Node, requests: str) -> Ran:
    """Let a node hand in requests of its own making."""
    inputs, ran = node.ran["request"]
    node.ran["request"] = (inputs, Ran(0, "", "", ran.outputs | {"requests": requests}))
    return cluster.sign()


def test_the_signer_refuses_another_nodes_name(cluster: Cluster) -> None:
    """A node that asks in another node's name is refused, and the refusal says what it asked."""
    worker, other = cluster.nodes[-1], cluster.nodes[0]
    ran = sign_with(cluster, worker, cluster.output(other, "request", "requests"))
    assert ran.problem == (
        "kubernetes/kubelet of demo-worker-0: asks for the subject"
        " 'CN=system:node:demo-control-0,O=system:nodes',"
        " the plan foresees 'CN=system:node:demo-worker-0,O=system:nodes'"
    )


def test_the_signer_refuses_a_request_that_its_own_key_did_not_sign(cluster: Cluster) -> None:
    """Whoever cannot sign with a key gets no certificate for it, even for the right name."""
    worker = cluster.nodes[-1]
    requests = cluster.output(worker, "request", "requests")
    *others, last = re.split(r"(?=-----BEGIN)", requests)
    label = "CERTIFICATE REQUEST"
    der = bytearray(base64.b64decode("".join(last.splitlines()[1:-1])))
    der[-1] ^= 1
    forged = f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"
    ran = sign_with(cluster, worker, "".join(others) + forged)
    assert ran.problem == (
        "kubernetes/kubelet of demo-worker-0: the request is not signed by its own key"
    )


def test_a_missing_request_is_named(cluster: Cluster) -> None:
    """A node that left out a request is told which."""
    first = cluster.output(cluster.nodes[-1], "request", "requests").partition("== kubernetes")[0]
    ran = sign_with(cluster, cluster.nodes[-1], first)
    assert ran.problem == "demo-worker-0 sent no request for kubernetes/kubelet"


def test_the_signer_refuses_an_admin_request_for_another_group(
    cluster: Cluster, tmp_path: Path
) -> None:
    """system:masters cannot be taken back, so nobody gets it from a template."""
    asked = admin_request(tmp_path, "/O=system:masters/CN=admin")
    ran = cluster.sign(ADMIN_REQUEST=asked)
    assert "not for a name in heatgen:cluster-admins" in ran.problem


def test_a_certificate_for_another_key_is_not_installed(cluster: Cluster) -> None:
    """A certificate that does not fit the node's key stops the layer."""
    worker = cluster.nodes[-1]
    worker.path("/etc/etcd/pki/flannel.key").unlink()
    del worker.ran["request"]
    policy = cluster.parameters["CERTIFICATES"]
    cluster.step(worker, "request", "10-request.sh", CERTIFICATES=policy)
    del worker.ran["install"]
    with pytest.raises(AssertionError, match="etcd/flannel is not for this node's key"):
        cluster.install(worker)
