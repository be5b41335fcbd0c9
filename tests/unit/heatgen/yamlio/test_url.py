# SPDX-License-Identifier: Apache-2.0
"""Tests of URLs and hosts."""

import pytest

from heatgen.yamlio import url
from heatgen.yamlio.url import InvalidUrl, Url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://p", Url("http", "p", None, "")),
        ("https://p.example:1/", Url("https", "p.example", 1, "")),
        ("http://192.0.2.1:65535", Url("http", "192.0.2.1", 65535, "")),
        (
            "https://[2001:db8::1]:443/a/b%20c/~d//",
            Url("https", "[2001:db8::1]", 443, "/a/b%20c/~d"),
        ),
    ],
)
def test_valid_url(text: str, expected: Url) -> None:
    """A URL has a scheme, a host, and possibly a port and path; final slashes are dropped."""
    assert url.parse(text) == expected
    assert str(url.parse(text)) == text.rstrip("/")


@pytest.mark.parametrize(
    "character", [chr(code) for code in range(0x21)] + list("\"'$`\\;&|<>(){}*!,^")
)
@pytest.mark.parametrize(
    "place", ["http://p{}:1", "http://p:1{}", "http://p:1/{}a", "{}http://p:1"]
)
def test_metacharacters(character: str, place: str) -> None:
    """No control character, space or metacharacter of a shell is part of a URL."""
    with pytest.raises(InvalidUrl):
        url.parse(place.format(character))


@pytest.mark.parametrize(
    "text",
    [
        "", "p", "ftp://p", "http://", "http://:1", "http://p:", "http://p:0", "http://p:65536",
        "http://p:01", "http://p:1:2", "http://-p", "http://p-", "http://a..b", "http://.a",
        "http://a.", "http://a_b", f"http://{'a' * 64}", f"http://{'a.' * 127}a", "http://1.2.3",
        "http://1.2.3.256", "http://[::1", "http://[1.2.3.4]", "http://::1", "http://[fe80::1%25a]",
        "http://p/../a", "http://p/a//b", "http://p?a", "http://p#a", "HTTP://p", "http://p\n",
        f"http://p/{'a' * 2000}",
    ],
)  # fmt: skip
def test_invalid_url(text: str) -> None:
    """Everything else is refused."""
    with pytest.raises(InvalidUrl) as found:
        url.parse(text)
    assert not found.value.secret


@pytest.mark.parametrize(
    "text", ["http://u@p", "http://u:w@p:1", "http://u:a/b@p", "http://u:a?b@p", "http://u:#@p"]
)
def test_user_information(text: str) -> None:
    """User names and passwords are reported as secrets, whatever characters they have."""
    with pytest.raises(InvalidUrl) as found:
        url.parse(text)
    assert found.value.secret


def test_default_scheme() -> None:
    """With a default scheme a text without one is a URL, too."""
    assert str(url.parse("r:5000", default_scheme="https")) == "https://r:5000"
    assert url.parse("http://r", default_scheme="https").scheme == "http"


def test_hosts() -> None:
    """A host is a name or an address of either family."""
    assert all(map(url.is_host, ["ntp", "0.debian.pool", "192.0.2.1", "2001:db8::1", "1a"]))
    assert not any(map(url.is_host, ["", ".", "a b", "1.2", "fe80::1%eth0", "[::1]", "a\n", "-a"]))
