# SPDX-License-Identifier: Apache-2.0
"""Kubelets renew their certificates, and cannot get those of others."""

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
REJECT_SECONDS = 90
SIGNER = "kubernetes.io/kubelet-serving"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
FOREIGN = "lab-ring-foreign"
CREATED, FORBIDDEN = 201, 403

# Run on the node: create a key and a request with a subject and names.
REQUEST = """
umask 077
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key} \
    -subj '/O=system:nodes/CN=system:node:{subject}' -addext 'subjectAltName={names}' 2>/dev/null
"""

# Run on a control-plane node: sign the request on standard input with the authority of the cluster,
# valid from ten hours ago for ten minutes; in OpenSSL 3.0 only `openssl ca` can set both.
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

# Run on the node: install certificate (standard input) and key as the current ones.
INSTALL = f"""
umask 077
cat - {{key}} >{PKI}/{{link}}-expiring.pem
ln -sfn {PKI}/{{link}}-expiring.pem {PKI}/{{link}}-current.pem
rm -f {{key}}
"""


def install(node: Node, signer: Node, link: str, usage: str) -> x509.Certificate:
    """Install a key pair that expires soon as the current one of a kubelet."""
    key = f"/run/{link}.key"
    names = f"DNS:{node.name},IP:{node.address}"
    request = node.run(REQUEST.format(key=key, subject=node.name, names=names))
    signed = signer.run(SIGN.format(usage=usage), text=request.encode())
    node.run(INSTALL.format(key=key, link=link), text=signed.encode())
    return current(node, link)


def current(node: Node, link: str) -> x509.Certificate:
    """Return the current certificate of a kubelet."""
    pem = node.run(f"openssl x509 -in {PKI}/{link}-current.pem")
    return x509.load_pem_x509_certificate(pem.encode())


def wait_renewed(node: Node, link: str, serial: int) -> None:
    """Wait until the certificate of a kubelet has another serial number."""
    controller.wait_for(
        f"{link} of {node.name} is renewed",
        RENEW_SECONDS,
        lambda: current(node, link).serial_number != serial,
    )


def served(node: Node, client: Node) -> int:
    """Return the serial number of the serving certificate of a kubelet, read from another node."""
    script = (
        f"timeout 10 openssl s_client -connect {node.address}:10250 </dev/null 2>/dev/null"
        " | openssl x509 -noout -serial"
    )
    return int(client.run(script).strip().removeprefix("serial="), 16)


@pytest.mark.parametrize("runtime", ["first", "last"])
def test_a_kubelet_renews_expiring_certificates(
    healthy: Cluster, runtime: str, figure: Figure
) -> None:
    """A kubelet replaces certificates that expire in ten minutes, and serves the new one."""
    node = healthy.workers[0 if runtime == "first" else -1]
    signer = healthy.control[-1]
    expiring = {
        link: install(node, signer, link, usage).serial_number
        for link, usage in (("kubelet-client", "clientAuth"), ("kubelet-server", "serverAuth"))
    }
    began = time.monotonic()
    node.run("systemctl restart kubelet")
    for link, serial in expiring.items():
        wait_renewed(node, link, serial)
        left = current(node, link).not_valid_after_utc.timestamp() - time.time()
        assert left > 24 * 3600
    figure(f"kubelet of {node.group} renews, seconds", round(time.monotonic() - began, 1))
    new = current(node, "kubelet-server").serial_number
    controller.wait_for(
        "the kubelet serves the new certificate", 30, lambda: served(node, signer) == new
    )


@pytest.fixture
def foreign(healthy: Cluster) -> Iterator[tuple[Cluster, Node, Node]]:
    """Return the cluster, a worker and another node, whose name the worker will request."""
    yield healthy, healthy.workers[0], healthy.control[0]
    healthy.kubectl("delete", "csr", "-l", f"{FOREIGN}=yes", "--ignore-not-found")


def request_certificate(endpoint: str, node: Node, name: str, subject: str, names: str) -> int:
    """Request a serving certificate as a kubelet; return the HTTP status."""
    request = node.run(REQUEST.format(key="/dev/null", subject=subject, names=names))
    resource = {
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
    return int(node.run(script, text=json.dumps(resource).encode()))


def approver_logs(cluster: Cluster) -> str:
    """Return the logs of the approvers on all control-plane nodes."""
    script = "journalctl --unit kubelet-approver --no-pager --output cat"
    return "\n".join(on_all(cluster.control, script).values())


def test_a_foreign_name_is_not_approved(foreign: tuple[Cluster, Node, Node]) -> None:
    """A request with names or addresses other than those of the node is not approved."""
    cluster, node, other = foreign
    own = f"DNS:{node.name},IP:{node.address}"
    cases = {
        "address": f"DNS:{node.name},IP:{other.address}",
        "more": f"{own},DNS:kubernetes.default.svc",
        "service": f"{own},IP:10.96.0.1",
    }
    for case, names in cases.items():
        status = request_certificate(cluster.endpoint, node, f"{FOREIGN}-{case}", node.name, names)
        assert status == CREATED, case
    # NodeRestriction rejects the subject of another node.
    names = f"DNS:{other.name},IP:{other.address}"
    status = request_certificate(cluster.endpoint, node, f"{FOREIGN}-subject", other.name, names)
    assert status == FORBIDDEN

    def all_rejected() -> bool:
        logs = approver_logs(cluster)
        missing = [case for case in cases if f"Not approved: {FOREIGN}-{case}" not in logs]
        assert not missing, f"no approver has rejected {missing}"
        return True

    controller.wait_for("the approvers reject the requests", REJECT_SECONDS, all_rejected)
    items = cluster.get_json("get", "csr", "-l", f"{FOREIGN}=yes")["items"]
    assert len(items) == len(cases)
    for item in items:
        state = item.get("status", {})
        kinds = [each["type"] for each in state.get("conditions", [])]
        assert "Approved" not in kinds, textwrap.shorten(json.dumps(item), 500)
        assert not state.get("certificate")
