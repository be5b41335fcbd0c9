# SPDX-License-Identifier: Apache-2.0
"""Tests of kubelet-approver: which requests for serving certificates are approved."""

from __future__ import annotations

import base64
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .conftest import HOT, Result, Sandbox

PROGRAM = HOT / "blocks/orchestration/kubernetes/kubelet-approver.sh"
USAGES = "digital signature,server auth,"
GROUPS = "system:nodes,system:authenticated,"
# Lists the requests, and logs approved ones.
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
    """Return a certificate request as kubelets create it."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, user)]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    sans = x509.SubjectAlternativeName(
        [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(each)) for each in addresses)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.add_extension(sans, critical=False).sign(key, hashes.SHA256())


def encoded(csr: x509.CertificateSigningRequest, forged: bool = False) -> str:
    """Return the request as the API returns it; with ``forged``, with an invalid signature."""
    der = bytearray(csr.public_bytes(serialization.Encoding.DER))
    if forged:
        der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    return base64.b64encode(pem.encode()).decode()


def process(sandbox: Sandbox, *rows: str) -> tuple[Result, list[str]]:
    """Run the approver for one round; return its result, and the approved requests."""
    requests = sandbox.folder / "requests"
    requests.write_text("".join(f"{row}\n" for row in rows))
    kubectl = sandbox.folder / "kubectl"
    kubectl.write_text(KUBECTL)
    # Ends the approver before the next round.
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
    result = sandbox.run(script)
    assert result.status == 143, result.stderr  # SIGTERM by the sleep above
    approved: Path = sandbox.file("/var/lib/heatgen/approved")
    return result, approved.read_text().split()


def test_own_request_is_approved(sandbox: Sandbox) -> None:
    """A pending request of a node for its own name and address is approved."""
    row = f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request())}"
    result, approved = process(sandbox, f"csr-1|{row}", f"csr-2|Denied{row}")
    assert approved == ["csr-1"]
    assert "Approved: csr-1" in result.stdout


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"|eve|{GROUPS}|{USAGES}|{encoded(request())}", "requester eve"),
        (
            f"|system:node:w-9|{GROUPS}|{USAGES}|{encoded(request('system:node:w-9'))}",
            "server w-9",
        ),
        (f"|system:node:w-0|x,|{USAGES}|{encoded(request())}", "group system:nodes"),
        (f"|system:node:w-0|{GROUPS}|client auth,|{encoded(request())}", "client auth"),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(), forged=True)}",
            "signed",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request('system:node:c-0'))}",
            "CN=system:node:c-0",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(organization='system:masters'))}",
            "O=system:masters",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(names=('w-0', 'api')))}",
            "DNS:w-0, DNS:api",
        ),
        (
            f"|system:node:w-0|{GROUPS}|{USAGES}|{encoded(request(addresses=('10.0.0.11',)))}",
            "IP Address:10.0.0.11",
        ),
    ],
    ids=["user", "server", "group", "usages", "signature", "subject", "organization", "name",
         "address"],
)  # fmt: skip
def test_other_requests_stay_pending(sandbox: Sandbox, row: str, reason: str) -> None:
    """Other requests are not approved; the reason is reported once."""
    result, approved = process(sandbox, f"csr-1|{row}")
    assert approved == []
    assert result.stderr.count("Not approved: csr-1") == 1
    assert reason in result.stderr
