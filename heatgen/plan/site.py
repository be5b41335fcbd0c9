# SPDX-License-Identifier: Apache-2.0
"""Site-specific settings of nodes: proxy and certificates."""

from heatgen.spec.model import Spec

DOMAIN = "cluster.local"
_ALWAYS_DIRECT = ("localhost", "127.0.0.1", "169.254.169.254", ".svc", f".{DOMAIN}")
"""The node itself, the metadata service, and names of services."""


def proxy(spec: Spec) -> str:
    """Return the proxy variables as lines of an environment file; '' without a proxy.

    The names are in lower case, which curl, apt and Go programs read.
    """
    given = {"http_proxy": spec.site.http_proxy, "https_proxy": spec.site.https_proxy}
    lines = [f"{name}={url}" for name, url in given.items() if url]
    return "\n".join([*lines, f"no_proxy={','.join(_direct(spec))}"]) if lines else ""


def certificates(text: str) -> list[str]:
    """Return each certificate of a PEM text, with a final newline."""
    end = "-----END CERTIFICATE-----"
    return [f"{part.strip()}\n{end}\n" for part in text.split(end)[:-1]]


def _direct(spec: Spec) -> list[str]:
    """Return the hosts, domains and networks to reach without the proxy."""
    pods = spec.layers["network"].options.get("pods")
    services = spec.layers["orchestration"].options.get("services")
    own = [str(spec.cloud.nodes), *(str(network) for network in (pods, services) if network)]
    return [*_ALWAYS_DIRECT, *own, *spec.site.no_proxy]
