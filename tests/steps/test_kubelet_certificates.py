# SPDX-License-Identifier: Apache-2.0
"""Which certificates a kubelet starts with: its own while they are good, else the stack's."""

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
    """Signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str) -> Authority:
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(certificate(name, name, key, key, days=10, authority=True), key)

    def signed(self, name: str, days: float = 5) -> str:
        """Certificate and key of a leaf, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.rfc4514_string().removeprefix("CN=")
        made = certificate(name, issuer, key, self.key, days)
        return (
            pem(made)
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
    """A certificate that was good from yesterday and is so for some days (below 0: was)."""
    called = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(called[0])
        .issuer_name(called[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return builder.sign(signer, hashes.SHA256())


def pem(made: x509.Certificate) -> str:
    """As text."""
    return made.public_bytes(serialization.Encoding.PEM).decode()


OLD, NEW = Authority.make("old"), Authority.make("new")
STACK = OLD.signed("stack")
Start = Callable[..., str]


@pytest.fixture
def start(sandbox: Sandbox) -> Start:
    """Start a kubelet with what it trusts, the stack's pair and its own; return what it has."""

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
        ran = sandbox.run(script)
        assert ran.status == 0, ran.stderr
        has = [Path(folder / kind).read_text() for kind in ("client", "server")]
        assert has[0] == has[1]
        return has[0]

    return run


def test_the_first_start_takes_the_stacks(start: Start) -> None:
    """A new node has none of its own."""
    assert start(pem(OLD.certificate), STACK) == STACK


def test_its_own_stays_while_it_is_good(start: Start) -> None:
    """What the kubelet renewed by itself is newer than the stack's."""
    own = OLD.signed("own")
    assert start(pem(OLD.certificate), STACK, own) == own


def test_one_at_its_end_goes(start: Start) -> None:
    """A node that slept too long comes back by itself."""
    assert start(pem(OLD.certificate), STACK, OLD.signed("own", days=-0.5)) == STACK


def test_one_of_an_authority_that_is_gone_goes(start: Start) -> None:
    """Nobody would trust it."""
    stack = NEW.signed("stack")
    assert start(pem(NEW.certificate), stack, OLD.signed("own")) == stack


def test_the_authority_that_signs_is_preferred(start: Start) -> None:
    """Both are trusted still, but the old one's certificate would be refused in the next step."""
    stack = NEW.signed("stack")
    bundle = pem(NEW.certificate) + pem(OLD.certificate)
    assert start(bundle, stack, OLD.signed("own")) == stack


def test_a_good_one_is_not_given_for_one_of_the_old_authority(start: Start) -> None:
    """While the stack's is still the old authority's, a good one of the kubelet's stays."""
    own = OLD.signed("own")
    bundle = pem(NEW.certificate) + pem(OLD.certificate)
    assert start(bundle, STACK, own) == own
