# SPDX-License-Identifier: Apache-2.0
"""etcd's members as faults treat them: asked as its administrator, or made to run otherwise.

What is changed lies in /run: a node that restarts has forgotten it.
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

# An administrator's certificate is made by the authority's key, and gone with the script.
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
    """Run a script in which `etcdctl` asks the node's member as root; return what it prints."""
    whole = SCRIPT.format(pki=PKI, etcdctl=ETCDCTL, address=node.address, script=script)
    return node.run(whole, check)


def change(node: Node, environment: dict[str, str], *service: str) -> None:
    """Have the node's member run with other settings, and other lines of its service."""
    lines = "\n".join(f"{name}={value}" for name, value in environment.items())
    unit = "\n".join(["[Service]", f"EnvironmentFile={FOLDER}/etcd.env", *service])
    node.run(
        f"install -d -m 0755 {FOLDER} {DROP_IN.rpartition('/')[0]}\n"
        f"cat >{FOLDER}/etcd.env <<'END'\n{lines}\nEND\n"
        f"cat >{DROP_IN} <<'END'\n{unit}\nEND\n"
        "systemctl daemon-reload\n"
        "systemctl restart etcd"
    )


def settle(context: Context) -> None:
    """Wait until all that asks etcd has found its way again, after a member was restarted.

    Leaders have renewed their leases since, and flanneld, which restarts when its watch breaks,
    runs on every node.
    """
    since = datetime.now(UTC)

    def settled() -> bool:
        for name in LEADERS:
            spec = context.ask("get", "lease", name, "-n", "kube-system")["spec"]
            assert datetime.fromisoformat(spec["renewTime"]) > since, f"{name} does not lead yet"
        states = context.on(context.nodes, "systemctl is-active flanneld || true")
        away = [name for name, state in states.items() if state.strip() != "active"]
        assert not away, f"flanneld is not active on {away}"
        return True

    health.wait_healthy(context.cluster)
    context.wait_for("the cluster to settle", 120, settled)


def restore(node: Node) -> None:
    """Have it run as it was made; it is restarted only if it was changed."""
    node.run(
        f"if [ -e {DROP_IN} ]; then\n"
        f"    rm -rf {DROP_IN} {FOLDER}/etcd.env\n"
        "    systemctl daemon-reload\n"
        "    systemctl restart etcd\n"
        "fi"
    )


def size(node: Node) -> int:
    """The bytes of the node's database, as its member counts them."""
    script = "etcdctl endpoint status -w json | grep -o '\"dbSize\":[0-9]*' | cut -d : -f 2"
    return int(as_root(node, script))
