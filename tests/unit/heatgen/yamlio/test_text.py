# SPDX-License-Identifier: Apache-2.0
"""Tests of control characters and secrets in texts."""

import time

import pytest

from heatgen.yamlio import text

PRIVATE_KEY = "-----BEGIN EC PRIVATE KEY-----"


def test_unsafe_characters() -> None:
    """Control characters of both sets, line separators and changes of direction are unsafe."""
    for character in "\x00\t\n\r\x1b\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800":
        assert text.unsafe_character(f"a{character}b") == character
    assert text.unsafe_character("Größe 日本 👩‍💻 a b") == ""


def test_several_lines() -> None:
    """Texts of several lines may have line feeds and tabs, and nothing else."""
    assert text.unsafe_character("a\n\tb", multiline=True) == ""
    assert text.unsafe_character("a\n\rb", multiline=True) == "\r"


def test_escape() -> None:
    """Escape sequences are readable, and no unsafe character is left."""
    assert text.escaped("a\x1b]0;b\n\u202e\x9b") == r"a\x1b]0;b\n\u202e\x9b"


def test_lines() -> None:
    """Lines are counted as in YAML."""
    assert text.lines("a\r\nb\rc\x0bd\u2028e") == ["a", "b", "c\x0bd", "e"]


@pytest.mark.parametrize(
    "line",
    ["http_proxy: http://u:w@p", "registry: u:w@r:5000", "password: w", "my_token_2 = w",
     PRIVATE_KEY, f"ca: {'A1/+' * 20}", "{'Secret': x}", "http://w@p"],
)  # fmt: skip
def test_may_be_secret(line: str) -> None:
    """Lines that may contain a secret are recognized."""
    assert text.may_be_secret(line)


@pytest.mark.parametrize(
    "line",
    ["name: demo", "https://dl.k8s.io/release/v1.37.2/bin", "pause:3.10@sha256:abc",
     "me@example.org", f"sha: {'0a' * 32}", "ssh_key: mykey"],
)  # fmt: skip
def test_no_secret(line: str) -> None:
    """Usual lines are quoted."""
    assert not text.may_be_secret(line)


def test_secret_lines() -> None:
    """All lines of a private key are secret, up to its end."""
    source = ["a", PRIVATE_KEY, "b", "-----END EC PRIVATE KEY-----", "c"]
    assert text.secret_lines(source) == {1, 2, 3}
    assert text.secret_lines(source[:3]) == {1, 2}


def test_masked() -> None:
    """Messages do not show passwords of URLs and private keys."""
    assert text.masked("not 'http://u:w@p'") == "not 'http://***@p'"
    assert "w" not in text.masked(f"not '{PRIVATE_KEY} w'")


@pytest.mark.parametrize(
    "part", ["a", "a:", "://", "password", "-----BEGIN ", "@", "a@:", "token_"]
)
def test_long_texts(part: str) -> None:
    """The time does not depend on the content: no pattern is quadratic."""
    long = part * (1024 * 1024 // len(part))
    start = time.perf_counter()
    text.may_be_secret(long)
    text.masked(long)
    assert time.perf_counter() - start < 5
