# SPDX-License-Identifier: Apache-2.0
"""Which certificates may be signed: the policy that the first control-plane node follows.

One line for each certificate, fields apart by ``|``::

    name|roles|authority|subject|usages|SANs|owner

``{node}``, ``{address}`` and ``{external}`` stand for what only the signer knows of a node.
"""

from collections.abc import Iterable

from heatgen.blocks.catalog import Certificate

_NODE = ("DNS:{node}", "IP:{address}")
_LOCALHOST = ("DNS:localhost", "IP:127.0.0.1")
_SERVICE = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")


def policy(wanted: Iterable[Certificate], api_addresses: Iterable[str], domain: str) -> str:
    """The policy lines, sorted by name.

    Args:
        wanted: the certificates that the cluster's blocks ask for.
        api_addresses: addresses by which components and pods reach the API.
        domain: the cluster's DNS domain.
    """
    api = (
        *(f"DNS:{name}" for name in (*_SERVICE, f"kubernetes.default.svc.{domain}")),
        *(f"IP:{address}" for address in api_addresses),
        "IP:{external}",
    )
    names = {"node": _NODE, "localhost": _LOCALHOST, "api": api}
    lines = sorted(_line(certificate, names) for certificate in wanted)
    return "\n".join(lines)


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
