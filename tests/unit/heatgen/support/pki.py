# SPDX-License-Identifier: Apache-2.0
"""Certificates, requests and outputs of a stack for tests."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

AUTHORITY = ec.generate_private_key(ec.SECP256R1())
DAY = datetime.timedelta(days=1)


def certificate(
    public: ec.EllipticCurvePublicKey,
    issuer_name: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    left: datetime.timedelta = DAY,
) -> str:
    """Return a certificate in PEM format that is valid for ``left``, which may be negative."""
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + left)
        .sign(issuer_key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def rsa_certificate(bits: int = 2048) -> str:
    """Return a self-signed certificate (PEM) of an RSA key."""
    key = rsa.generate_private_key(65537, bits)
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "escrow")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(now).not_valid_after(now + DAY)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key in PEM format."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def outputs(key: bytes, left: datetime.timedelta = DAY) -> dict[str, str]:
    """Return the outputs of a stack that has signed a certificate for a key (PEM)."""
    private = serialization.load_pem_private_key(key, password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return {
        "api_endpoint": "https://203.0.113.50:6443",
        # Self-signed: subject and issuer have the same name.
        "ca_certificate": certificate(AUTHORITY.public_key(), "leaf", AUTHORITY),
        "admin_certificate": certificate(private.public_key(), "leaf", AUTHORITY, left),
    }


def request(*subject: tuple[x509.ObjectIdentifier, str]) -> bytes:
    """Return a certificate request (PEM) of a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in subject])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)
