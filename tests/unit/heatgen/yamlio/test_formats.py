# SPDX-License-Identifier: Apache-2.0
"""Tests of the formats of strings."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from heatgen.yamlio.codes import Code
from heatgen.yamlio.formats import FORMATS, Invalid


def _certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, start, start.replace(year=2036)
    )
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


PEM = _certificate()

VALID = {
    "cidr": ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32"],
    "ipv4": ["192.0.2.1"],
    "http-url": ["https://m", "http://m:80/a/"],
    "proxy-url": ["http://p:3128/"],
    "registry": ["r", "r:5000", "https://r/", "[::1]:5000"],
    "endpoint": ["api.example", "api.example:443", "https://192.0.2.1:6443/", "[::1]:443"],
    "host": ["ntp.example", "192.0.2.1", "2001:db8::1"],
    "no-proxy": [
        ".example",
        "a_b.example",
        "localhost",
        "10.0.0.0/8",
        "192.0.2.1",
        "2001:db8::/32",
    ],
    "pem-certificates": [PEM, PEM + "\n" + PEM],
    "key-pair": ["my key", "me@host-1.example", "default_rsa"],
}
INVALID = {
    "cidr": ["10.0.0.0", "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.1/8",
             "10.0.0.0/33", "10.0.0.0/", "/8", "::/0", "10.0.0.0/8\n", "10.0.0.0/08",
             "010.0.0.0/8", "\uff110.0.0.0/8"],
    "ipv4": ["1.2.3", "1.2.3.4/32", "a", "1.2.3.4\n", "::1"],
    "http-url": ["m", "ftp://m", "http://m\n"],
    "proxy-url": ["p:3128", "http://p:3128/a", "socks5://p:1"],
    "registry": ["r/project", "https://r/project", "r:99999", "ftp://r"],
    "endpoint": ["http://a", "a/b", "a:0", "a b", "a\n", ""],
    "host": ["-x", "a b", "a/b", "a\n", ""],
    "no-proxy": ["*", "*.example", "a,b", "http://a", "a:80", "10.0.0.1/8",
                 "10.0.0.0/255.0.0.0", ""],
    "pem-certificates": [
        "", "x", PEM + "x", f"x\n{PEM}", PEM[:200], PEM.replace("\n", " "),
        PEM.replace("\n", "\n\n"),
        PEM.replace(PEM[40:60], "A" * 20), PEM.replace("CERT", "TRUSTED CERT"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
    "key-pair": ["ssh-ed25519 AAAAC3NzaC1 me@host", "a/b", "a\nb", "", "x" * 256],
}  # fmt: skip
SECRET = {
    "http-url": ["https://u:w@m/"],
    "proxy-url": ["http://u:w@p:3128"],
    "registry": ["u:w@r:5000", "https://u@r"],
    "pem-certificates": [f"{PEM}-----BEGIN PRIVATE KEY-----\nw\n-----END PRIVATE KEY-----\n"],
    "key-pair": ["-----BEGIN OPENSSH PRIVATE KEY----- w", "-----BEGIN RSA PRIVATE KEY-----\nw\n"],
}


def _pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in table.items() for text in texts]


def test_all_formats_have_examples() -> None:
    """The tables have every format."""
    assert VALID.keys() == INVALID.keys() == FORMATS.keys()


@pytest.mark.parametrize(("name", "text"), _pairs(VALID))
def test_valid(name: str, text: str) -> None:
    """A format accepts its examples."""
    FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), _pairs(INVALID))
def test_invalid(name: str, text: str) -> None:
    """A format refuses everything else, with a reason."""
    with pytest.raises(Invalid) as found:
        FORMATS[name](text)
    assert found.value.code == Code.INVALID_FORMAT
    assert found.value.reason


@pytest.mark.parametrize(("name", "text"), _pairs(SECRET))
def test_secret(name: str, text: str) -> None:
    """A secret has a code of its own, and is in neither the reason nor the hint."""
    with pytest.raises(Invalid) as found:
        FORMATS[name](text)
    assert found.value.code == Code.SECRET_IN_FILE
    assert "w@" not in found.value.reason + found.value.hint


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("cidr", "198.51.100.7", "198.51.100.7/32"),
        ("cidr", "10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("cidr", "10.1.2.3/8", "10.0.0.0/8"),
        ("http-url", "mirror.example", "https://mirror.example"),
        ("proxy-url", "proxy.example:3128", "http://proxy.example:3128"),
        ("no-proxy", "*.example.org", ".example.org"),
        ("no-proxy", "host.example:80", "host.example"),
    ],
)
def test_hint_has_the_right_form(name: str, text: str, right: str) -> None:
    """The hint has a form that the format accepts."""
    with pytest.raises(Invalid) as found:
        FORMATS[name](text)
    assert right in found.value.hint
    FORMATS[name](right)
