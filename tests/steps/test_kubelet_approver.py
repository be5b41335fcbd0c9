# SPDX-License-Identifier: Apache-2.0
"""Which requests of kubelets for serving certificates are approved: a node's own, and no other."""

from __future__ import annotations

import base64
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .conftest import HOT, Ran, Sandbox

PROGRAM = HOT / "blocks/orchestration/kubernetes/kubelet-approver.sh"
USAGES = "digital signature,server auth,"
GROUPS = "system:nodes,system:authenticated,"
# Answers the one question of a round, and tells of what was approved.
KUBECTL = """#!/bin/bash
case "$*" in
*" get "*) cat /var/lib/heatgen/requests ;;
*" certificate approve "*) echo "${@: -1}" >>/var/lib/heatgen/approved ;;
esac
"""


def request(
    user: str = "system:node:w-0",
    organization: str = "system:nodes",
    names: tuple[str, ...] = ("w-0",),
    addresses: tuple[str, ...] = ("10.0.0.20",),
) -> x509.CertificateSigningRequest:
    """A request as a kubelet makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, user)]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    sans = x509.SubjectAlternativeName(
        [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(each)) for each in addresses)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.add_extension(sans, critical=False).sign(key, hashes.SHA256())


def encoded(asked: x509.CertificateSigningRequest, forged: bool = False) -> str:
    """The request as the API tells it; forged: with another signature."""
    der = bytearray(asked.public_bytes(serialization.Encoding.DER))
    if forged:
        der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    return base64.b64encode(pem.encode()).decode()


def settle(sandbox: Sandbox, *rows: str) -> tuple[Ran, list[str]]:
    """Let the approver look once at what waits; return what it said, and what it approved."""
    requests = sandbox.folder / "requests"
    requests.write_text("".join(f"{row}\n" for row in rows))
    kubectl = sandbox.folder / "kubectl"
    kubectl.write_text(KUBECTL)
    # Where it would sleep before the next round it is ended.
    sleep = sandbox.folder / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text("#!/bin/bash\nkill $PPID\n")
    sleep.chmod(0o755)
    script = sandbox.folder / "once.sh"
    script.write_text(
        "mkdir -p /opt/heatgen/bin /var/lib/heatgen\n"
        f"install -m 755 {kubectl} /opt/heatgen/bin/kubectl\n"
        f"cp {requests} /var/lib/heatgen/requests\n"
        "printf '%s\\n' 'c-0 control 10.0.0.11' 'w-0 worker 10.0.0.20' >/var/lib/heatgen/nodes\n"
        "touch /var/lib/heatgen/approved\n"
        f"PATH={sleep.parent}:$PATH CACHE_DIRECTORY=/tmp timeout 60 bash {PROGRAM}\n"
    )
    ran = sandbox.run(script)
    assert ran.status == 143, ran.stderr  # it never ends by itself
    approved: Path = sandbox.file("/var/lib/heatgen/approved")
    return ran, approved.read_text().split()


def test_a_nodes_own_request_is_approved(sandbox: Sandbox) -> None:
    """In its own name, for its own address; one that is decided on is left alone."""
    row = f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request())}"
    ran, approved = settle(sandbox, f"csr-1|{row}", f"csr-2|Denied{row}")
    assert approved == ["csr-1"]
    assert "Approved: csr-1" in ran.stdout


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"|eve|{GROUPS}|{USAGES}|{encoded(request())}", "is no node"),
        (
            f"|system:node:w-9|{GROUPS}|{USAGES}|{encoded(request('system:node:w-9'))}",
            "Heat knows no server w-9",
        ),
        (f"|system:node:w-0|x,|{USAGES}|{encoded(request())}", "not of the group system:nodes"),
        (f"|system:node:w-0|{GROUPS}|client auth,|{encoded(request())}", "the usages are"),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(), forged=True)}",
            "not signed by its own key",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request('system:node:c-0'))}",
            "the subject is",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(organization='system:masters'))}",
            "the subject is",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(names=('w-0', 'api')))}",
            "not for the name w-0",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(addresses=('10.0.0.11',)))}",
            "the address 10.0.0.20",
        ),
    ],
    ids=["stranger", "server", "group", "usages", "signature", "subject", "organization", "name",
         "address"],
)  # fmt: skip
def test_anything_else_stays_as_it_is(sandbox: Sandbox, row: str, reason: str) -> None:
    """Nothing is approved, and the reason is told."""
    ran, approved = settle(sandbox, f"csr-1|{row}")
    assert approved == []
    assert ran.stderr.count("Not approved: csr-1") == 1
    assert reason in ran.stderr
