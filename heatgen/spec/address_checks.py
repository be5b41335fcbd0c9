# SPDX-License-Identifier: Apache-2.0
"""Checks of networks and addresses: which ranges servers cannot use, and what is in the cluster."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from heatgen.spec.model import PODS, SERVICES, Spec
from heatgen.yamlio import url
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

_UNUSABLE = {
    "of this host (0.0.0.0/8)": IPv4Network("0.0.0.0/8"),
    "loopback": IPv4Network("127.0.0.0/8"),
    "link-local": IPv4Network("169.254.0.0/16"),
    "multicast": IPv4Network("224.0.0.0/4"),
    "reserved": IPv4Network("240.0.0.0/4"),
}
_LOCAL = ("loopback", "link-local")
"""Kinds of addresses at which nodes can reach a server: one of their own, or that of the cloud."""
_SERVER_HINT = "write the address of the server in your own network, not one inside the cluster"


def check(
    document: Document, spec: Spec, networks: Mapping[Path, IPv4Network]
) -> Iterator[Problem]:
    """Yield the problems of networks and addresses.

    Args:
        document: the file.
        spec: its specification.
        networks: the networks of nodes, pods and services by the key that sets them.
    """
    yield from _networks(document, networks)
    inside = [(key, network) for key, network in networks.items() if key in (PODS, SERVICES)]
    for path, address in _servers(spec):
        yield from _server(document, path, address, inside)
    for path, network in _clients(spec):
        yield from _client(document, path, network, inside)


def _networks(document: Document, networks: Mapping[Path, IPv4Network]) -> Iterator[Problem]:
    """Check that the networks of the cluster are in ranges that servers can use."""
    for path, network in networks.items():
        kind = next((kind for kind, range_ in _UNUSABLE.items() if network.overlaps(range_)), "")
        if kind:
            message = f"{dotted(path)}: {network} contains addresses that are {kind}"
            hint = "choose a private network, such as one in 10.0.0.0/8"
            yield document.problem(path, message, hint, code=Code.NETWORK_NOT_USABLE)


def _servers(spec: Spec) -> Iterator[tuple[Path, IPv4Address]]:
    """Yield the fixed addresses of servers that nodes use."""
    written: list[tuple[Path, str]] = [
        *((("cloud", "dns", number), text) for number, text in enumerate(spec.cloud.dns)),
        *(
            (("site", "ntp_servers", number), text)
            for number, text in enumerate(spec.site.ntp_servers)
        ),
    ]
    urls: list[tuple[Path, str]] = [
        (("site", "http_proxy"), spec.site.http_proxy),
        (("site", "https_proxy"), spec.site.https_proxy),
        (("artifacts", "mirror"), spec.artifacts.mirror),
        (("artifacts", "registry"), spec.artifacts.registry),
        (("artifacts", "apt_mirror"), spec.artifacts.apt_mirror),
    ]
    written += [(path, url.parse(text).host) for path, text in urls if text]
    for path, text in written:
        try:
            yield path, IPv4Address(text)
        except AddressValueError:
            continue


def _server(
    document: Document, path: Path, address: IPv4Address, inside: Sequence[tuple[Path, IPv4Network]]
) -> Iterator[Problem]:
    for kind, range_ in _UNUSABLE.items():
        if address in range_ and kind not in _LOCAL:
            message = f"{dotted(path)}: {address} is {kind}: nodes cannot reach a server there"
            yield document.problem(path, message, _SERVER_HINT, code=Code.NETWORK_NOT_USABLE)
            return
    for key, network in inside:
        if address in network:
            message = f"{dotted(path)}: {address} is in {dotted(key)}, {network}"
            hint = f"choose another {dotted(key)}: nodes send such traffic into the cluster"
            code = Code.ADDRESS_IN_CLUSTER_NETWORK
            yield document.problem(path, message, hint, code=code)


def _clients(spec: Spec) -> Iterator[tuple[Path, IPv4Network]]:
    """Yield the networks that may reach the cluster from outside."""
    for key, texts in (("api", spec.access.api), ("ssh", spec.access.ssh)):
        for number, text in enumerate(texts):
            yield ("access", key, number), IPv4Network(text)


def _client(
    document: Document, path: Path, network: IPv4Network, inside: Sequence[tuple[Path, IPv4Network]]
) -> Iterator[Problem]:
    for kind, range_ in _UNUSABLE.items():
        if network.subnet_of(range_):
            message = f"{dotted(path)}: {network} is {kind}: no client has such an address"
            hint = "write the network from which you reach the cluster"
            yield document.problem(path, message, hint, code=Code.NETWORK_NOT_USABLE)
            return
    for key, own in inside:
        # A large network around it is usual: only a part of its clients cannot be reached.
        if network.subnet_of(own):
            message = f"{dotted(path)}: {network} is in {dotted(key)}, {own}"
            hint = f"choose another {dotted(key)}: nodes send their answers into the cluster"
            code = Code.ADDRESS_IN_CLUSTER_NETWORK
            yield document.problem(path, message, hint, code=code)
