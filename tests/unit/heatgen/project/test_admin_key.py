# SPDX-License-Identifier: Apache-2.0
"""The administrator's key is created once, private, and not overwritten; kubeconfigs with it."""

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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound


def files(folder: Path) -> tuple[Path, Path]:
    """Return the files of key and request of a cluster."""
    return folder / "c.admin.key", folder / "c.admin.csr"


def test_created_once(tmp_path: Path) -> None:
    """Key and request are created with mode 0600, and are not changed later."""
    key, request = files(tmp_path)
    umask = os.umask(0)
    try:
        first = admin_key.admin_request(key, request, "demo")
    finally:
        os.umask(umask)
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert admin_key.admin_request(key, request, "demo") == first
    assert key.read_bytes() == before


def test_request(tmp_path: Path) -> None:
    """The request has a name in the administrators' group and a P-256 key, and is signed by it."""
    request = x509.load_pem_x509_csr(admin_key.admin_request(*files(tmp_path), "demo").encode())
    assert request.is_signature_valid
    group = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [item.value for item in group] == ["heatgen:cluster-admins"]
    assert str(name[0].value).endswith("@demo")
    public = request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"


def test_missing_request(tmp_path: Path) -> None:
    """A missing request is recreated from the existing key."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    before = key.read_bytes()
    request.unlink()
    admin_key.admin_request(key, request, "demo")
    assert key.read_bytes() == before


def test_request_without_key(tmp_path: Path) -> None:
    """If only the request exists, as in CI, no key is created."""
    key, request = files(tmp_path)
    text = admin_key.admin_request(key, request, "demo")
    key.unlink()
    assert admin_key.admin_request(key, request, "demo") == text
    assert not key.exists()


def test_other_key(tmp_path: Path) -> None:
    """A request of another key is an error, because the cluster would not be accessible."""
    key, request = files(tmp_path)
    admin_key.admin_request(key, request, "demo")
    key.unlink()
    other = tmp_path / "other.csr"
    admin_key.admin_request(key, other, "demo")
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(key, request, "demo")
    assert [problem.code for problem in found.value.problems] == [Code.ADMIN_KEY_MISMATCH]


@pytest.mark.parametrize(
    ("index", "code"), [(0, Code.INVALID_ADMIN_KEY), (1, Code.INVALID_ADMIN_REQUEST)]
)
def test_malformed_files(tmp_path: Path, index: int, code: Code) -> None:
    """A malformed key or request is reported and not overwritten."""
    path = files(tmp_path)[index]
    path.write_text("something else")
    with pytest.raises(ProblemsFound) as found:
        admin_key.admin_request(*files(tmp_path), "demo")
    assert [(problem.file, problem.code) for problem in found.value.problems] == [(str(path), code)]
    assert path.read_text() == "something else"


def certificate(
    public: ec.EllipticCurvePublicKey, issuer_name: str, issuer_key: ec.EllipticCurvePrivateKey
) -> str:
    """Return a certificate in PEM format."""
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(issuer_key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def parts() -> tuple[dict[str, str], bytes, ec.EllipticCurvePrivateKey]:
    """Return a stack's outputs, the administrator's key (PEM), and the authority's key."""
    authority = ec.generate_private_key(ec.SECP256R1())
    admin = ec.generate_private_key(ec.SECP256R1())
    outputs = {
        "api_endpoint": "https://203.0.113.50:6443",
        # Self-signed: subject and issuer have the same name.
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
    """Server, authority, certificate and key are in the fields that kubectl reads."""
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


def test_mismatches(parts: Parts) -> None:
    """Another key or authority, missing outputs and malformed values have codes of their own."""
    outputs, key, authority = parts
    other = authority.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    other_authority = ec.generate_private_key(ec.SECP256R1())
    unrelated = certificate(other_authority.public_key(), "leaf", other_authority)
    for changed, used, code in (
        (outputs, other, Code.ADMIN_KEY_MISMATCH),
        ({**outputs, "ca_certificate": unrelated}, key, Code.CERTIFICATE_NOT_TRUSTED),
        ({**outputs, "admin_certificate": ""}, key, Code.INVALID_STACK_OUTPUT),
        ({**outputs, "admin_certificate": "x"}, key, Code.INVALID_STACK_OUTPUT),
        ({**outputs, "ca_certificate": "x"}, key, Code.INVALID_STACK_OUTPUT),
        (outputs, b"x", Code.INVALID_ADMIN_KEY),
    ):
        with pytest.raises(kubeconfig.Mismatch) as found:
            kubeconfig.build("demo", changed, used)
        assert found.value.code == code


def test_two_authorities(parts: Parts) -> None:
    """During a rotation one of two authorities signed, and the kubeconfig contains both."""
    outputs, key, _ = parts
    other = ec.generate_private_key(ec.SECP256R1())
    bundle = certificate(other.public_key(), "leaf", other) + outputs["ca_certificate"]
    config = yaml.safe_load(kubeconfig.build("demo", {**outputs, "ca_certificate": bundle}, key))
    cluster = config["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == bundle


def test_renewal(tmp_path: Path) -> None:
    """The new key is stored next to the old one until ``finish``, and used again until then."""
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
