# SPDX-License-Identifier: Apache-2.0
"""Policy by which the first control-plane node signs certificates.

One line for each certificate, with fields separated by ``|``::

    name|roles|authority|subject|usages|SANs|owner

The signer replaces ``{node}``, ``{address}`` and ``{external}``.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from heatgen.blocks.catalog import Certificate

_NODE = ("DNS:{node}", "IP:{address}")
_LOCALHOST = ("DNS:localhost", "IP:127.0.0.1")
_SERVICE = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")


def policy(
    wanted: Iterable[Certificate],
    api_addresses: Iterable[str],
    domain: str,
    api_names: Iterable[str] = (),
) -> str:
    """Return the policy lines, sorted by name.

    Args:
        wanted: the certificates of the cluster's blocks.
        api_addresses: addresses of the API for components and pods.
        domain: the cluster's DNS domain.
        api_names: additional names and addresses of the API for users.
    """
    api = (
        *(f"DNS:{name}" for name in (*_SERVICE, f"kubernetes.default.svc.{domain}")),
        *(f"IP:{address}" for address in api_addresses),
        "IP:{external}",
        *(_san(name) for name in api_names),
    )
    names = {"node": _NODE, "localhost": _LOCALHOST, "api": api}
    lines = sorted(_line(certificate, names) for certificate in wanted)
    return "\n".join(lines)


def _san(name: str) -> str:
    """Return a name or an address as an alternative name of a subject."""
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _line(certificate: Certificate, names: dict[str, tuple[str, ...]]) -> str:
    sans = [san for name in certificate.names for san in names[name]]
    return "|".join(
        (
            certificate.name,
            ",".join(certificate.roles),
            certificate.authority,
            certificate.subject,
            ",".join(certificate.usages),
            ",".join(sans),
            certificate.owner,
        )
    )
