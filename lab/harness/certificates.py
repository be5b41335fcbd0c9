# SPDX-License-Identifier: Apache-2.0
"""The certificates that lie on the nodes, and which processes serve with them."""

from dataclasses import dataclass

from lab.harness.cluster import Node, on_all

# Lines `PATH SERIAL ISSUER-KEY PUBLIC-KEY`, the keys as digests, for all that trust installed.
LIST = """
for file in /etc/*/pki/*.crt; do
    case ${file##*/} in ca.crt | issuer.crt) continue ;; esac
    serial=$(openssl x509 -in "$file" -noout -serial)
    issuer=$(openssl x509 -in "$file" -noout -ext authorityKeyIdentifier | tail -n 1 | tr -d ' ')
    key=$(openssl x509 -in "$file" -noout -pubkey | openssl dgst -sha256 -r)
    echo "$file ${serial#serial=} $issuer ${key%% *}"
done
"""
# Services that must not restart because a certificate was renewed; flanneld reads its own but once.
SERVICES = ("etcd", "kube-apiserver", "kubelet", "kube-proxy")
PIDS = "systemctl show --property MainPID --value " + " ".join(SERVICES) + " 2>/dev/null || true"
# The serial number of what a local port serves.
SERVED = (
    "timeout 10 openssl s_client -connect {address}:{port} </dev/null 2>/dev/null"
    " | openssl x509 -noout -serial"
)


@dataclass(frozen=True)
class Certificate:
    """What is told of one certificate: its number, who signed it, whose key it is."""

    serial: str
    issuer: str
    key: str


def installed(nodes: list[Node]) -> dict[str, Certificate]:
    """Return all certificates of the nodes by `NODE:PATH`."""
    found = {}
    for name, answer in on_all(nodes, LIST).items():
        for line in answer.splitlines():
            path, *told = line.split()
            found[f"{name}:{path}"] = Certificate(*told)
    return found


def processes(nodes: list[Node]) -> dict[str, list[str]]:
    """Return the process ids of the services by node; 0 for one that is not there."""
    return {name: answer.split() for name, answer in on_all(nodes, PIDS).items()}


def served(node: Node, port: int) -> str:
    """Return the serial number of the certificate that a node serves a port with."""
    answer = node.run(SERVED.format(address=node.address, port=port))
    return answer.strip().removeprefix("serial=")


def authority(node: Node) -> str:
    """Return the bundle of authorities that a node trusts for Kubernetes."""
    return node.run("cat /etc/kubernetes/pki/ca.crt")
