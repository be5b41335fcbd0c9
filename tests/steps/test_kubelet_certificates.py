# SPDX-License-Identifier: Apache-2.0
"""Tests of kubelet-certificates: valid certificates are kept, others replaced by the stack's."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .conftest import HOT, Sandbox

PROGRAM = HOT / "blocks/orchestration/kubernetes/kubelet-certificates.sh"
NOW = datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Authority:
    """A certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str) -> Authority:
        """Create an authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(certificate(name, name, key, key, days=10, authority=True), key)

    def signed(self, name: str, days: float = 5) -> str:
        """Create a leaf; return its certificate and key (PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.rfc4514_string().removeprefix("CN=")
        leaf = certificate(name, issuer, key, self.key, days)
        return (
            pem(leaf)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode()
        )


def certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    days: float,
    authority: bool = False,
) -> x509.Certificate:
    """Create a certificate that is valid from yesterday; if ``days`` is negative, it is expired."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return builder.sign(signer, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    """Return the certificate in PEM format."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


OLD, NEW = Authority.create("old"), Authority.create("new")
STACK = OLD.signed("stack")
Start = Callable[..., str]


@pytest.fixture
def start(sandbox: Sandbox) -> Start:
    """Return a function that runs the program and returns the certificates in use.

    Its arguments are the trusted authorities, the stack's certificate and the kubelet's own.
    """

    def run(trusted: str, stack: str, own: str = "") -> str:
        files = {"ca": trusted, "stack": stack, "own": own}
        for name, text in files.items():
            (sandbox.folder / name).write_text(text)
        folder = sandbox.folder
        pki, kubelet = "/etc/kubernetes/pki", "/var/lib/kubelet/pki"
        lines = [
            f"mkdir -p {pki} {kubelet}",
            f"cp {folder}/ca {pki}/ca.crt",
            f"for name in kubelet kubelet-client; do cp {folder}/stack {pki}/$name.crt; done",
            f"for name in kubelet kubelet-client; do : >{pki}/$name.key; done",
        ]
        if own:
            for kind in ("client", "server"):
                lines += [
                    f"cp {folder}/own {kubelet}/kubelet-{kind}-1.pem",
                    f"ln -s {kubelet}/kubelet-{kind}-1.pem {kubelet}/kubelet-{kind}-current.pem",
                ]
        script = folder / "start.sh"
        lines += [
            f"bash {PROGRAM} || exit 1",
            f"cp -L {kubelet}/kubelet-client-current.pem {folder}/client",
            f"cp -L {kubelet}/kubelet-server-current.pem {folder}/server",
        ]
        script.write_text("\n".join(lines))
        result = sandbox.run(script)
        assert result.status == 0, result.stderr
        used = [Path(folder / kind).read_text() for kind in ("client", "server")]
        assert used[0] == used[1]
        return used[0]

    return run


def test_first_start(start: Start) -> None:
    """A new node uses the certificates of the stack."""
    assert start(pem(OLD.certificate), STACK) == STACK


def test_valid_certificate_is_kept(start: Start) -> None:
    """A valid certificate that the kubelet rotated itself is kept."""
    own = OLD.signed("own")
    assert start(pem(OLD.certificate), STACK, own) == own


def test_expired_certificate_is_replaced(start: Start) -> None:
    """An expired certificate is replaced by that of the stack."""
    assert start(pem(OLD.certificate), STACK, OLD.signed("own", days=-0.5)) == STACK


def test_certificate_of_removed_authority_is_replaced(start: Start) -> None:
    """A certificate of an authority that is no longer trusted is replaced."""
    stack = NEW.signed("stack")
    assert start(pem(NEW.certificate), stack, OLD.signed("own")) == stack


def test_signing_authority_is_preferred(start: Start) -> None:
    """A certificate of the old authority is replaced by one of the signing authority."""
    stack = NEW.signed("stack")
    bundle = pem(NEW.certificate) + pem(OLD.certificate)
    assert start(bundle, stack, OLD.signed("own")) == stack


def test_no_replacement_by_certificate_of_old_authority(start: Start) -> None:
    """If both certificates are signed by the old authority, that of the kubelet is kept."""
    own = OLD.signed("own")
    bundle = pem(NEW.certificate) + pem(OLD.certificate)
    assert start(bundle, STACK, own) == own
