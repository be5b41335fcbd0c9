# SPDX-License-Identifier: Apache-2.0
"""Kubelets renew their certificates by themselves, and get none but their own."""

import base64
import json
import textwrap
import time
from collections.abc import Iterator

import pytest
from cryptography import x509

from lab.harness import controller
from lab.harness.cluster import Cluster, Node, on_all
from lab.harness.figures import Figure

PKI = "/var/lib/kubelet/pki"
RENEW_SECONDS = 180
REFUSE_SECONDS = 90
SIGNER = "kubernetes.io/kubelet-serving"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
FOREIGN = "lab-ring-foreign"
CREATED, FORBIDDEN = 201, 403

# On the node: a new key and a request for it, by the name of the link, subject and names.
REQUEST = """
umask 077
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key} \
    -subj '/O=system:nodes/CN=system:node:{subject}' -addext 'subjectAltName={names}' 2>/dev/null
"""

# On a control plane server: sign the request on standard input with the cluster's authority, for a
# life that began ten hours ago and ends in ten minutes, as only `openssl ca` of OpenSSL 3.0 can.
SIGN = """
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
cat >request
touch index
echo 'unique_subject = no' >index.attr
cat >config <<END
[ca]
default_ca = this
[this]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = leaf
[any]
organizationName = supplied
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = {usage}
END
openssl ca -batch -notext -config config -in request -out signed \
    -cert /etc/kubernetes/pki/issuer.crt -keyfile /etc/kubernetes/pki/issuer.key \
    -startdate "$(date --utc --date '10 hours ago' +%Y%m%d%H%M%SZ)" \
    -enddate "$(date --utc --date '10 minutes' +%Y%m%d%H%M%SZ)" >&2
cat signed
"""

# On the node: make certificate (standard input) and key the current ones.
PLANT = f"""
umask 077
cat - {{key}} >{PKI}/{{link}}-planted.pem
ln -sfn {PKI}/{{link}}-planted.pem {PKI}/{{link}}-current.pem
rm -f {{key}}
"""


def plant(node: Node, signer: Node, link: str, usage: str) -> x509.Certificate:
    """Give a kubelet a pair that is about to end, under the link by which it knows its own."""
    key = f"/run/{link}.key"
    names = f"DNS:{node.name},IP:{node.address}"
    request = node.run(REQUEST.format(key=key, subject=node.name, names=names))
    signed = signer.run(SIGN.format(usage=usage), text=request.encode())
    node.run(PLANT.format(key=key, link=link), text=signed.encode())
    return current(node, link)


def current(node: Node, link: str) -> x509.Certificate:
    """Return the certificate that a kubelet has now."""
    pem = node.run(f"openssl x509 -in {PKI}/{link}-current.pem")
    return x509.load_pem_x509_certificate(pem.encode())


def await_other(node: Node, link: str, serial: int) -> None:
    """Wait until a kubelet's certificate is another than the one of that serial number."""
    controller.wait_for(
        f"{link} of {node.name} is renewed",
        RENEW_SECONDS,
        lambda: current(node, link).serial_number != serial,
    )


def served(node: Node, asked_from: Node) -> int:
    """Return the serial number of the certificate that a kubelet serves its API with."""
    script = (
        f"timeout 10 openssl s_client -connect {node.address}:10250 </dev/null 2>/dev/null"
        " | openssl x509 -noout -serial"
    )
    return int(asked_from.run(script).strip().removeprefix("serial="), 16)


@pytest.mark.parametrize("runtime", ["first", "last"])
def test_a_kubelet_renews_what_is_about_to_end(
    healthy: Cluster, runtime: str, figure: Figure
) -> None:
    """Of a planted pair with ten minutes left, both certificates are soon new ones, unasked."""
    node = healthy.workers[0 if runtime == "first" else -1]
    signer = healthy.control[-1]
    planted = {
        link: plant(node, signer, link, usage).serial_number
        for link, usage in (("kubelet-client", "clientAuth"), ("kubelet-server", "serverAuth"))
    }
    began = time.monotonic()
    node.run("systemctl restart kubelet")
    for link, serial in planted.items():
        await_other(node, link, serial)
        left = current(node, link).not_valid_after_utc.timestamp() - time.time()
        assert left > 24 * 3600
    figure(f"kubelet of {node.group} renews, seconds", round(time.monotonic() - began, 1))
    new = current(node, "kubelet-server").serial_number
    controller.wait_for("it serves the new one", 30, lambda: served(node, signer) == new)


@pytest.fixture
def foreign(healthy: Cluster) -> Iterator[tuple[Cluster, Node, Node]]:
    """The cluster, a worker and another node, whose name the worker will ask for."""
    yield healthy, healthy.workers[0], healthy.control[0]
    healthy.kubectl("delete", "csr", "-l", f"{FOREIGN}=yes", "--ignore-not-found")


def ask_for(endpoint: str, node: Node, name: str, subject: str, names: str) -> int:
    """Have a kubelet's identity ask for a serving certificate; return the answer's status."""
    request = node.run(REQUEST.format(key="/dev/null", subject=subject, names=names))
    wanted = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": {FOREIGN: "yes"}},
        "spec": {
            "signerName": SIGNER,
            "usages": ["digital signature", "server auth"],
            "request": base64.b64encode(request.encode()).decode(),
        },
    }
    pair = f"{PKI}/kubelet-client-current.pem"
    script = (
        "curl --silent --show-error --max-time 10 --output /dev/null --write-out '%{http_code}'"
        f" --cacert /etc/kubernetes/pki/ca.crt --cert {pair} --key {pair} --data-binary @-"
        f" --header 'Content-Type: application/json' {endpoint}{REQUESTS}"
    )
    return int(node.run(script, text=json.dumps(wanted).encode()))


def refusals(cluster: Cluster) -> str:
    """Return what the approvers of all control plane servers said."""
    script = "journalctl --unit kubelet-approver --no-pager --output cat"
    return "\n".join(on_all(cluster.control, script).values())


def test_a_foreign_name_is_not_approved(foreign: tuple[Cluster, Node, Node]) -> None:
    """A kubelet that asks for another node's name or address, or for one more, gets nothing."""
    cluster, node, other = foreign
    own = f"DNS:{node.name},IP:{node.address}"
    cases = {
        "address": f"DNS:{node.name},IP:{other.address}",
        "more": f"{own},DNS:kubernetes.default.svc",
        "service": f"{own},IP:10.96.0.1",
    }
    for case, names in cases.items():
        status = ask_for(cluster.endpoint, node, f"{FOREIGN}-{case}", node.name, names)
        assert status == CREATED, case
    # Another node's subject does not even reach the approver: NodeRestriction.
    names = f"DNS:{other.name},IP:{other.address}"
    assert ask_for(cluster.endpoint, node, f"{FOREIGN}-subject", other.name, names) == FORBIDDEN

    def all_told() -> bool:
        said = refusals(cluster)
        untold = [case for case in cases if f"Not approved: {FOREIGN}-{case}" not in said]
        assert not untold, f"no approver said a word of {untold}"
        return True

    controller.wait_for("the approvers say no", REFUSE_SECONDS, all_told)
    items = cluster.get_json("get", "csr", "-l", f"{FOREIGN}=yes")["items"]
    assert len(items) == len(cases)
    for item in items:
        state = item.get("status", {})
        kinds = [each["type"] for each in state.get("conditions", [])]
        assert "Approved" not in kinds, textwrap.shorten(json.dumps(item), 500)
        assert not state.get("certificate")
