# SPDX-License-Identifier: Apache-2.0
"""The certificate dance on one node: request, sign, install."""

from __future__ import annotations

import socket
import stat
import subprocess
from pathlib import Path

from .conftest import HOT, Ran, Sandbox

NODE = socket.gethostname()
CERTIFICATES = "\n".join(
    (
        "etcd/flannel|control,worker|etcd|/CN=flannel|client||root",
        "kubernetes/apiserver|control|kubernetes|/CN=kube-apiserver|server"
        "|DNS:{node},IP:{address},IP:{external}|root",
        "kubernetes/kubelet|control,worker|kubernetes|/O=system:nodes/CN=system:node:{node}"
        "|server,client|DNS:{node},IP:{address}|root",
    )
)


def openssl(*arguments: str, stdin: str = "") -> str:
    """Run openssl and return what it prints."""
    done = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout


def admin_request(tmp_path: Path, subject: str = "/O=heatgen:cluster-admins/CN=admin") -> str:
    """A request as heatgen makes it for the administrator; one key for a whole test."""
    key = tmp_path / "admin.key"
    if not key.exists():
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    return openssl("req", "-new", "-key", str(key), "-subj", subject)


def request(sandbox: Sandbox, role: str = "control") -> Ran:
    """Run trust/request."""
    return sandbox.run(HOT / "trust/10-request.sh", CERTIFICATES=CERTIFICATES, HEATGEN_ROLE=role)


def sign(sandbox: Sandbox, requests: str, admin: str, node: str = NODE) -> Ran:
    """Run trust/sign with one control-plane server's requests and no workers."""
    return sandbox.run(
        HOT / "trust/20-sign.sh",
        CERTIFICATES=CERTIFICATES,
        REQUESTS_CONTROL={"0": requests},
        REQUESTS_WORKER={},
        NAMES_CONTROL={"0": node},
        NAMES_WORKER={},
        ADDRESSES_CONTROL={"0": "192.0.2.10"},
        ADDRESSES_WORKER={},
        API_EXTERNAL="203.0.113.9",
        ADMIN_REQUEST=admin,
    )


def install(sandbox: Sandbox, signed: Ran) -> Ran:
    """Run trust/install with what trust/sign put out."""
    return sandbox.run(
        HOT / "trust/30-install.sh",
        CERTIFICATES=CERTIFICATES,
        HEATGEN_ROLE="control",
        CA_KUBERNETES=signed.outputs["ca_kubernetes"],
        CA_ETCD=signed.outputs["ca_etcd"],
        CERTIFICATES_CONTROL=signed.outputs["certificates_control"],
        CERTIFICATES_WORKER="",
    )


def test_every_planned_certificate_is_installed(sandbox: Sandbox, tmp_path: Path) -> None:
    """After the dance each key has its certificate, with the planned names, from its authority."""
    requested = request(sandbox)
    signed = sign(sandbox, requested.outputs["requests"], admin_request(tmp_path))
    installed = install(sandbox, signed)
    assert (requested.status, signed.status, installed.status) == (0, 0, 0), signed.stderr
    pki = sandbox.file("/etc/kubernetes/pki")
    text = openssl("x509", "-in", str(pki / "apiserver.crt"), "-noout", "-text")
    assert f"DNS:{NODE}, IP Address:192.0.2.10, IP Address:203.0.113.9" in text
    assert "TLS Web Client Authentication" not in text
    assert stat.S_IMODE((pki / "apiserver.key").stat().st_mode) == 0o600
    etcd = sandbox.file("/etc/etcd/pki")
    openssl("verify", "-CAfile", str(etcd / "ca.crt"), str(etcd / "flannel.crt"))
    assert (etcd / "ca.crt").read_text() != (pki / "ca.crt").read_text()


def test_no_output_holds_a_private_key(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever goes to Heat is public."""
    requested = request(sandbox)
    signed = sign(sandbox, requested.outputs["requests"], admin_request(tmp_path))
    said = [*requested.outputs.values(), *signed.outputs.values(), signed.stdout, signed.stderr]
    assert signed.outputs["certificates_control"].count("BEGIN CERTIFICATE") == 3
    assert not [text for text in said if "PRIVATE" in text]


def test_a_worker_gets_no_certificate_of_the_control_plane(sandbox: Sandbox) -> None:
    """A worker asks only for what its role may have."""
    requests = request(sandbox, role="worker").outputs["requests"]
    assert [line for line in requests.splitlines() if line.startswith("== ")] == [
        "== etcd/flannel",
        "== kubernetes/kubelet",
    ]


def test_running_again_keeps_keys_and_certificates(sandbox: Sandbox, tmp_path: Path) -> None:
    """A stack update signs nothing anew that is still good."""
    admin = admin_request(tmp_path)
    first = sign(sandbox, request(sandbox).outputs["requests"], admin)
    second = sign(sandbox, request(sandbox).outputs["requests"], admin)
    assert second.outputs == first.outputs
    assert "Signed 0 certificates, kept 4" in second.stdout


def test_the_signer_refuses_another_nodes_name(sandbox: Sandbox, tmp_path: Path) -> None:
    """A node that asks in another node's name is refused, and the refusal says what it asked."""
    requests = request(sandbox).outputs["requests"]
    signed = sign(sandbox, requests, admin_request(tmp_path), node="another")
    assert signed.status == 1
    assert f"asks for the subject 'CN=system:node:{NODE},O=system:nodes'" in signed.problem


def test_the_signer_refuses_an_admin_request_for_another_group(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """system:masters cannot be taken back, so nobody gets it from a template."""
    admin = admin_request(tmp_path, "/O=system:masters/CN=admin")
    signed = sign(sandbox, request(sandbox).outputs["requests"], admin)
    assert signed.status == 1
    assert "not for a name in heatgen:cluster-admins" in signed.problem


def test_a_missing_request_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    """A node that left out a request is told which."""
    requests = request(sandbox, role="worker").outputs["requests"]
    signed = sign(sandbox, requests, admin_request(tmp_path))
    assert signed.problem == f"{NODE} sent no request for kubernetes/apiserver"


def test_a_certificate_for_another_key_is_not_installed(sandbox: Sandbox, tmp_path: Path) -> None:
    """A certificate that does not fit the node's key stops the layer."""
    signed = sign(sandbox, request(sandbox).outputs["requests"], admin_request(tmp_path))
    sandbox.file("/etc/etcd/pki/flannel.key").unlink()
    request(sandbox)
    assert install(sandbox, signed).problem == (
        "the certificate for etcd/flannel is not for this node's key"
    )
