# SPDX-License-Identifier: Apache-2.0
"""Certificates on the nodes, and the processes that use them."""

from dataclasses import dataclass

from lab.harness.cluster import Node, on_all

# Print lines `PATH SERIAL ISSUER-KEY PUBLIC-KEY`, with digests of the keys, for all installed
# certificates.
LIST = """
for file in /etc/*/pki/*.crt; do
    case ${file##*/} in ca.crt | issuer.crt) continue ;; esac
    serial=$(openssl x509 -in "$file" -noout -serial)
    issuer=$(openssl x509 -in "$file" -noout -ext authorityKeyIdentifier | tail -n 1 | tr -d ' ')
    key=$(openssl x509 -in "$file" -noout -pubkey | openssl dgst -sha256 -r)
    echo "$file ${serial#serial=} $issuer ${key%% *}"
done
"""
# Services that must not restart for a renewed certificate; flanneld reads its own only once.
SERVICES = ("etcd", "kube-apiserver", "kubelet", "kube-proxy")
PIDS = "systemctl show --property MainPID --value " + " ".join(SERVICES) + " 2>/dev/null || true"
# Print the serial number of the certificate of a port.
SERVED = (
    "timeout 10 openssl s_client -connect {address}:{port} </dev/null 2>/dev/null"
    " | openssl x509 -noout -serial"
)


@dataclass(frozen=True)
class Certificate:
    """A certificate: serial number, key id of the issuer, digest of the public key."""

    serial: str
    issuer: str
    key: str


def installed(nodes: list[Node]) -> dict[str, Certificate]:
    """Return all certificates on nodes, by `NODE:PATH`."""
    found = {}
    for name, output in on_all(nodes, LIST).items():
        for line in output.splitlines():
            path, *fields = line.split()
            found[f"{name}:{path}"] = Certificate(*fields)
    return found


def processes(nodes: list[Node]) -> dict[str, list[str]]:
    """Return the process ids of the services, by node; 0 for a service that is not running."""
    return {name: output.split() for name, output in on_all(nodes, PIDS).items()}


def served(node: Node, port: int) -> str:
    """Return the serial number of the certificate of a port of a node."""
    output = node.run(SERVED.format(address=node.address, port=port))
    return output.strip().removeprefix("serial=")


def authority(node: Node) -> str:
    """Return the bundle of Kubernetes authorities that a node trusts."""
    return node.run("cat /etc/kubernetes/pki/ca.crt")
