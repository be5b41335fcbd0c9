# SPDX-License-Identifier: Apache-2.0
"""Access to etcd members as root, and temporary changes of their configuration.

Changes are stored in /run, so a reboot of the node reverts them.
"""

from datetime import UTC, datetime

from lab.faultinjection.context import Context
from lab.harness import health
from lab.harness.cluster import Node

PKI = "/etc/etcd/pki"
FOLDER = "/run/heatgen-fault"
DROP_IN = "/run/systemd/system/etcd.service.d/fault.conf"
ETCDCTL = "/opt/heatgen/bin/etcdctl --command-timeout 20s --cacert $pki/ca.crt"
LEADERS = ("kube-controller-manager", "kube-scheduler")

# The certificate of the root user is signed with the key of the authority and deleted on exit.
SCRIPT = """
set -eu
pki={pki}
home=$(mktemp -d /run/heatgen-fault.XXXXXX)
trap 'rm -rf "$home"' EXIT
umask 077
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$home/root.key" 2>/dev/null
openssl req -new -key "$home/root.key" -subj /CN=root -out "$home/root.csr"
openssl x509 -req -in "$home/root.csr" -CA $pki/issuer.crt -CAkey $pki/issuer.key -days 1 \\
    -set_serial "0x$(openssl rand -hex 16)" -out "$home/root.crt" 2>/dev/null \\
    -extfile <(echo extendedKeyUsage=clientAuth)
etcdctl() {{
    {etcdctl} --cert "$home/root.crt" --key "$home/root.key" --endpoints https://{address}:2379 "$@"
}}
{script}
"""


def as_root(node: Node, script: str, check: bool = True) -> str:
    """Run a script in which `etcdctl` connects to the node's member as root; return its output."""
    text = SCRIPT.format(pki=PKI, etcdctl=ETCDCTL, address=node.address, script=script)
    return node.run(text, check)


def configure(node: Node, environment: dict[str, str], *service: str) -> None:
    """Restart the node's member with other settings, and other lines in its `[Service]`."""
    lines = "\n".join(f"{name}={value}" for name, value in environment.items())
    unit = "\n".join(["[Service]", f"EnvironmentFile={FOLDER}/etcd.env", *service])
    node.run(
        f"install -d -m 0755 {FOLDER} {DROP_IN.rpartition('/')[0]}\n"
        f"cat >{FOLDER}/etcd.env <<'END'\n{lines}\nEND\n"
        f"cat >{DROP_IN} <<'END'\n{unit}\nEND\n"
        "systemctl daemon-reload\n"
        "systemctl restart etcd"
    )


def await_settled(context: Context) -> None:
    """Wait until all clients of etcd have reconnected after the restart of a member.

    Leaders have renewed their leases since, and flanneld, which restarts when its watch breaks,
    is active on every node.
    """
    since = datetime.now(UTC)

    def settled() -> bool:
        for name in LEADERS:
            spec = context.kubectl_json("get", "lease", name, "-n", "kube-system")["spec"]
            renewed = datetime.fromisoformat(spec["renewTime"])
            assert renewed > since, f"{name} has not renewed its lease"
        states = context.run_on(context.nodes, "systemctl is-active flanneld || true")
        inactive = [name for name, state in states.items() if state.strip() != "active"]
        assert not inactive, f"flanneld is not active on {inactive}"
        return True

    health.wait_healthy(context.cluster)
    context.wait_for("clients of etcd to reconnect", 120, settled)


def restore(node: Node) -> None:
    """Restore the original configuration; restart the member only if it was changed."""
    node.run(
        f"if [ -e {DROP_IN} ]; then\n"
        f"    rm -rf {DROP_IN} {FOLDER}/etcd.env\n"
        "    systemctl daemon-reload\n"
        "    systemctl restart etcd\n"
        "fi"
    )


def database_size(node: Node) -> int:
    """Return the database size in bytes that the node's member reports."""
    script = "etcdctl endpoint status -w json | grep -o '\"dbSize\":[0-9]*' | cut -d : -f 2"
    return int(as_root(node, script))
