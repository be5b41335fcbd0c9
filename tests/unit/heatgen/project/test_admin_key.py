# SPDX-License-Identifier: Apache-2.0
"""The administrator's key: made once, private, never overwritten; and the kubeconfig it makes."""

import base64
import datetime
import os
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.project import admin_key
from heatgen.stack import kubeconfig
from heatgen.yamlio.problems import ProblemsFound


def files(folder: Path) -> tuple[Path, Path]:
    """Key and request of a cluster."""
    return folder / "c.admin.key", folder / "c.admin.csr"


def test_made_once(tmp_path: Path) -> None:
    """Key and request are made, private, and stay as they are."""
    key, request = files(tmp_path)
    umask = os.umask(0)
    try:
        first = admin_key.admin_request(key, request, "demo")
    finally:
        os.umask(umask)
    made = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert admin_key.admin_request(key, request, "demo") == first
    assert key.read_bytes() == made


def test_request(tmp_path: Path) -> None:
    """The request asks for a name in the administrators' group, on P-256, signed by its key."""
    request = x509.load_pem_x509_csr(admin_key.admin_request(*files(tmp_path), "demo").encode())
    assert request.is_signature_valid
    group = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [item.value for item in group] == ["heatgen:cluster-admins"]
    assert str(name[0].value).endswith("@demo")
    public = request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_lost_request_is_made_anew(tmp_path: Path) -> None:
    """The request is made again from the key that is there."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    made = key.read_bytes()
    request.unlink()
    admin_key.admin_request(key, request, "demo")
    assert key.read_bytes() == made


def test_request_alone_is_enough(tmp_path: Path) -> None:
    """Where only the request is, as in CI, no key is made."""
    key, request = files(tmp_path)
    text = admin_key.admin_request(key, request, "demo")
    key.unlink()
    assert admin_key.admin_request(key, request, "demo") == text
    assert not key.exists()


def test_other_key(tmp_path: Path) -> None:
    """A request of another key is refused before a cluster is made that nobody can enter."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    key.unlink()
    other = tmp_path / "other.csr"
    admin_key.admin_request(key, other, "demo")
    with pytest.raises(ProblemsFound, match="is not the request of the key"):
        admin_key.admin_request(key, request, "demo")


@pytest.mark.parametrize("broken", ["key", "request"])
def test_broken_files_are_kept(tmp_path: Path, broken: str) -> None:
    """A file that is not what it should be is told and left alone."""
    key, request = files(tmp_path)
    path = key if broken == "key" else request
    path.write_text("something else")
    with pytest.raises(ProblemsFound, match="is not"):
        admin_key.admin_request(key, request, "demo")
    assert path.read_text() == "something else"


def certificate(
    public: ec.EllipticCurvePublicKey, issuer_name: str, issuer_key: ec.EllipticCurvePrivateKey
) -> str:
    """A certificate, PEM."""
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(issuer_key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def parts() -> tuple[dict[str, str], bytes, ec.EllipticCurvePrivateKey]:
    """A stack's outputs, the administrator's key (PEM), and the authority's key."""
    authority = ec.generate_private_key(ec.SECP256R1())
    admin = ec.generate_private_key(ec.SECP256R1())
    outputs = {
        "api_endpoint": "https://203.0.113.50:6443",
        # Self-signed: subject and issuer are one name.
        "ca_certificate": certificate(authority.public_key(), "leaf", authority),
        "admin_certificate": certificate(admin.public_key(), "leaf", authority),
    }
    pem = admin.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return outputs, pem, authority


Parts = tuple[dict[str, str], bytes, ec.EllipticCurvePrivateKey]


def test_kubeconfig(parts: Parts) -> None:
    """Server, authority, certificate and key stand where kubectl looks for them."""
    outputs, key, _ = parts
    config = yaml.safe_load(kubeconfig.build("demo", outputs, key))
    assert config["current-context"] == "demo"
    assert config["clusters"][0]["cluster"]["server"] == outputs["api_endpoint"]
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == key
    assert (
        base64.b64decode(user["client-certificate-data"]).decode() == (outputs["admin_certificate"])
    )
    context = config["contexts"][0]["context"]
    assert (context["cluster"], context["user"]) == ("demo", config["users"][0]["name"])


def test_parts_that_do_not_belong_together(parts: Parts) -> None:
    """Another key, another authority, an incomplete stack, garbage: each is told for what it is."""
    outputs, key, authority = parts
    other = authority.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    stranger = ec.generate_private_key(ec.SECP256R1())
    foreign = certificate(stranger.public_key(), "leaf", stranger)
    for changed, used, reason in (
        (outputs, other, "belongs to another key"),
        ({**outputs, "ca_certificate": foreign}, key, "did not sign"),
        ({**outputs, "admin_certificate": ""}, key, "no output admin_certificate"),
        ({**outputs, "admin_certificate": "x"}, key, "hold no certificates"),
        ({**outputs, "ca_certificate": "x"}, key, "hold no certificates"),
        (outputs, b"x", "not an unencrypted private key"),
    ):
        with pytest.raises(kubeconfig.Mismatch, match=reason):
            kubeconfig.build("demo", changed, used)


def test_two_authorities(parts: Parts) -> None:
    """While authorities rotate there are two: one of them signed, and the kubeconfig has both."""
    outputs, key, _ = parts
    stranger = ec.generate_private_key(ec.SECP256R1())
    bundle = certificate(stranger.public_key(), "leaf", stranger) + outputs["ca_certificate"]
    config = yaml.safe_load(kubeconfig.build("demo", {**outputs, "ca_certificate": bundle}, key))
    cluster = config["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == bundle


def test_renewal(tmp_path: Path) -> None:
    """The new key lies beside the old one until it is finished; an interrupted one goes on."""
    old = tmp_path / "cluster.admin.key"
    admin_key.admin_request(old, tmp_path / "cluster.admin.csr", "demo")
    before = old.read_bytes()
    request = admin_key.Renewal(old).request("demo")
    assert admin_key.Renewal(old).request("demo") == request
    assert old.read_bytes() == before
    admin_key.Renewal(old).finish()
    assert old.read_bytes() != before
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert admin_key.admin_request(old, tmp_path / "cluster.admin.csr", "demo") == request
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cluster.admin.csr", "cluster.admin.key",
    ]  # fmt: skip
