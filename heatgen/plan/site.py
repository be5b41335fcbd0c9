# SPDX-License-Identifier: Apache-2.0
"""What the site wants of every node, as nodes get it."""

from heatgen.spec.model import Spec

DOMAIN = "cluster.local"
_ALWAYS_DIRECT = ("localhost", "127.0.0.1", "169.254.169.254", ".svc", f".{DOMAIN}")
"""The node itself, the metadata service, and services by their names."""


def proxy(spec: Spec) -> str:
    """Lines of an environment file for what goes out through a proxy; '' if there is none.

    curl, apt and Go's programs all read the names in lower case.
    """
    given = {"http_proxy": spec.site.http_proxy, "https_proxy": spec.site.https_proxy}
    lines = [f"{name}={url}" for name, url in given.items() if url]
    return "\n".join([*lines, f"no_proxy={','.join(_direct(spec))}"]) if lines else ""


def certificates(text: str) -> list[str]:
    """Each certificate of a PEM text, with a newline at its end."""
    end = "-----END CERTIFICATE-----"
    return [f"{part.strip()}\n{end}\n" for part in text.split(end)[:-1]]


def _direct(spec: Spec) -> list[str]:
    """What is reached without the proxy."""
    pods = spec.layers["network"].options.get("pods")
    services = spec.layers["orchestration"].options.get("services")
    own = [str(spec.cloud.nodes), *(str(network) for network in (pods, services) if network)]
    return [*_ALWAYS_DIRECT, *own, *spec.site.no_proxy]
