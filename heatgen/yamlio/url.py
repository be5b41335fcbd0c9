# SPDX-License-Identifier: Apache-2.0
"""URLs and host names, parsed strictly.

Nodes write URLs of ``cluster.yaml`` into environment files, configurations and command lines of
root. Therefore only the characters of scheme, host, port and path are accepted; user names,
passwords, queries and fragments are not.
"""

import ipaddress
import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]+))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~+=:-]|%[0-9A-Fa-f]{2})+)*)/*\Z"
)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
_MAX_URL = 1024
_MAX_HOST = 253


class InvalidUrl(ValueError):
    """A text is not a URL; the message is the reason, ``secret`` whether it has user information.

    Args:
        reason: for "KEY reason".
        secret: the text has a user name or password.
    """

    def __init__(self, reason: str, *, secret: bool = False) -> None:
        super().__init__(reason)
        self.secret = secret


@dataclass(frozen=True)
class Url:
    """An http or https URL of a server, or of a path on it."""

    scheme: str
    host: str
    """A host name or IPv4 address, or an IPv6 address in brackets."""
    port: int | None
    path: str
    """'' or '/SEGMENT/...', without a final slash."""

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


def parse(text: str, *, default_scheme: str = "") -> Url:
    """Return a URL.

    Args:
        text: the URL, possibly with final slashes.
        default_scheme: the scheme of a text without one; '' if the scheme is required.

    Raises:
        InvalidUrl: with the reason.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        rest = text
        if not default_scheme:
            raise InvalidUrl("must start with http:// or https://")
        text = f"{default_scheme}://{text}"
    elif scheme not in ("http", "https"):
        raise InvalidUrl("must start with http:// or https://")
    # Anywhere: a password can contain '/', '?' and '#'.
    if "@" in rest:
        raise InvalidUrl("must not contain a user name or password", secret=True)
    if re.search(r"[?#]", rest):
        raise InvalidUrl("must not have a query or fragment")
    found = _URL.match(text)
    if not found or len(text) > _MAX_URL:
        raise InvalidUrl("is not a valid URL")
    if found["port"] and not (_PORT.match(found["port"]) and int(found["port"]) <= 65535):
        raise InvalidUrl("must have a port between 1 and 65535")
    if not is_host(found["host"].strip("[]"), ipv6=found["host"].startswith("[")):
        raise InvalidUrl("must have a valid host name or IP address")
    if any(segment in (".", "..") for segment in found["path"].split("/")):
        raise InvalidUrl("must not have '.' or '..' in its path")
    port = int(found["port"]) if found["port"] else None
    return Url(found["scheme"], found["host"], port, found["path"])


def is_host(text: str, *, ipv6: bool | None = None) -> bool:
    """Return whether a text is a host name or an IP address.

    Args:
        text: the text.
        ipv6: whether it must be (True) or must not be (False) an IPv6 address; None for any.
    """
    if ":" in text or ipv6:
        return ipv6 is not False and _is_address(ipaddress.IPv6Address, text)
    parts = text.split(".")
    # As in the URL standard: a name whose last label is a number can only be an IPv4 address.
    if parts[-1].isdecimal():
        return _is_address(ipaddress.IPv4Address, text)
    return len(text) <= _MAX_HOST and all(_LABEL.match(part) for part in parts)


def _is_address(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    # No zone identifiers such as fe80::1%eth0: they are names of interfaces.
    return "%" not in text
