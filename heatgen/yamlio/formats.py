# SPDX-License-Identifier: Apache-2.0
"""Formats of strings: networks, addresses, URLs, hosts and certificates.

They are the values of ``format`` in schemas. A format that does not match raises :class:`Invalid`.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError, ip_network

from heatgen.yamlio import pem, url
from heatgen.yamlio.codes import Code

_UNENCRYPTED = "Heat stores the values of cluster.yaml unencrypted"
_KEY_PAIR = re.compile(r"[A-Za-z0-9@._ -]{1,255}\Z")
"""The names of key pairs that Nova accepts."""
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ +AAAA")
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


class Invalid(ValueError):
    """A value does not have its format.

    Args:
        reason: for "KEY reason".
        hint: what to do; '' for a suggestion by the schema.
        code: the code of the problem.
    """

    def __init__(self, reason: str, hint: str = "", code: Code = Code.INVALID_FORMAT) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.code = code


def cidr(text: str) -> None:
    """Check that a text is an IPv4 network with a prefix length and without host bits."""
    rule = "must be an IPv4 network such as 10.0.0.0/24"
    address, _, prefix = text.partition("/")
    try:
        network = IPv4Network(text if prefix else f"{address}/32", strict=False)
    except (AddressValueError, NetmaskValueError):
        raise Invalid(rule) from None
    if str(network) != text:
        hint = f"write {network}"
        if network.network_address != IPv4Address(address):
            hint += f", or {address}/32 for this address alone"
        raise Invalid(rule, hint)


def ipv4(text: str) -> None:
    """Check that a text is an IPv4 address."""
    try:
        IPv4Address(text)
    except AddressValueError:
        raise Invalid("must be an IPv4 address such as 192.0.2.1") from None


def http_url(text: str) -> None:
    """Check that a text is an http or https URL, possibly with a path."""
    _check_url(text, "https://HOST:PORT/PATH")


def proxy_url(text: str) -> None:
    """Check that a text is the URL of a proxy."""
    if _check_url(text, "http://HOST:PORT", example_scheme="http").path:
        raise Invalid("must not have a path", "write http://HOST:PORT")


def registry(text: str) -> None:
    """Check that a text is HOST:PORT or the URL of a registry."""
    if _check_url(text, "HOST:PORT or https://HOST:PORT", default_scheme="https").path:
        raise Invalid(
            "must not have a path",
            "write HOST:PORT: nodes add the repository of each upstream image to it",
        )


def endpoint(text: str) -> None:
    """Check that a text is HOST, HOST:PORT or the https URL of both."""
    found = _check_url(text, "HOST or HOST:PORT", default_scheme="https")
    if found.path or found.scheme != "https":
        raise Invalid("must be HOST or HOST:PORT", "remove path and scheme: it is always https")


def host(text: str) -> None:
    """Check that a text is a host name or an IP address."""
    if not url.is_host(text):
        raise Invalid(
            "must be a host name or an IP address", "write a name such as ntp.example.org"
        )


def no_proxy(text: str) -> None:
    """Check that a text is a host, domain or network that curl and Go understand in no_proxy."""
    rule = "must be a host, a domain such as .example.org, or a network such as 10.0.0.0/8"
    if text.startswith("*."):
        raise Invalid(rule, f"write {text[1:]}: curl and Go do not support '*'")
    if text == "*":
        raise Invalid(rule, "remove the proxy instead, if no host is to be reached through it")
    if "/" in text:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise Invalid(rule, "write a network without a host name or scheme") from None
        if str(network) != text:
            raise Invalid(rule, f"write {network}")
        return
    name, _, port = text.partition(":")
    if port.isdecimal() and _is_domain(name):
        raise Invalid(rule, f"write {name}: an entry applies to all ports")
    if not _is_domain(text.removeprefix(".")) and not url.is_host(text):
        raise Invalid(rule)


def certificates(text: str) -> None:
    """Check that a text consists of certificates in PEM format."""
    try:
        pem.check_certificates(text)
    except pem.InvalidCertificates as error:
        code = Code.SECRET_IN_FILE if error.secret else Code.INVALID_FORMAT
        raise Invalid(str(error), error.hint, code) from None


def key_pair(text: str) -> None:
    """Check that a text is the name of a key pair in Nova, and not a key."""
    create = "create a key pair with 'openstack keypair create --public-key FILE NAME', write NAME"
    if "PRIVATE KEY" in text:
        reason = f"must not contain a private key: {_UNENCRYPTED}"
        raise Invalid(reason, create, Code.SECRET_IN_FILE)
    if _PUBLIC_KEY.match(text):
        raise Invalid("must be the name of a key pair, not a public key", create)
    if not _KEY_PAIR.match(text):
        raise Invalid("must be the name of a key pair", "see 'openstack keypair list'")


FORMATS: Mapping[str, Callable[[str], None]] = {
    "cidr": cidr,
    "ipv4": ipv4,
    "http-url": http_url,
    "proxy-url": proxy_url,
    "registry": registry,
    "endpoint": endpoint,
    "host": host,
    "no-proxy": no_proxy,
    "pem-certificates": certificates,
    "key-pair": key_pair,
}


def _check_url(
    text: str, form: str, *, default_scheme: str = "", example_scheme: str = "https"
) -> url.Url:
    try:
        return url.parse(text, default_scheme=default_scheme)
    except url.InvalidUrl as error:
        if error.secret:
            reason = f"{error}: {_UNENCRYPTED}"
            hint = f"write {form}, of a server that requires no password"
            raise Invalid(reason, hint, Code.SECRET_IN_FILE) from None
        hint = f"write {form}"
        if "://" not in text and _is_url(f"{example_scheme}://{text}"):
            hint = f"write {example_scheme}://{text}"
        raise Invalid(str(error), hint) from None


def _is_url(text: str) -> bool:
    try:
        url.parse(text)
    except url.InvalidUrl:
        return False
    return True


def _is_domain(text: str) -> bool:
    """Return whether a text is a domain; other than in a host name it can have underscores."""
    parts = text.split(".")
    return len(text) <= 253 and not parts[-1].isdecimal() and all(map(_DOMAIN.match, parts))
