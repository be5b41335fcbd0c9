# SPDX-License-Identifier: Apache-2.0
"""A node with a real etcd, in a sandbox with its own network, for tests of backups."""

from __future__ import annotations

from pathlib import Path

from tests.programs import search

from .conftest import HOT, Input, Result, Sandbox
from .trust_cluster import POLICY, Cluster, Node

ETCD = HOT / "blocks" / "kvstore" / "etcd"
PROGRAMS = ("etcd", "etcdctl", "etcdutl")
KUBERNETES = ("kube-apiserver", "kubectl")
ETCD_POLICY = "\n".join(
    (
        "etcd/server|control|etcd|/CN={node}|server,client|DNS:{node},IP:127.0.0.1,IP:{address}|root",
        "etcd/health|control|etcd|/CN=health|client||root",
        "etcd/steps|control|etcd|/CN=heatgen|client||root",
        "etcd/apiserver|control|etcd|/CN=kube-apiserver|client||root",
        "kubernetes/local|control|kubernetes|/CN=kube-apiserver|server|IP:127.0.0.1|root",
    )
)


def programs() -> Path:
    """Return the directory with etcd's programs; skip the test without them."""
    return search(*PROGRAMS)["etcd"].parent


def kubernetes_programs() -> Path:
    """Return the directory with kube-apiserver and kubectl; skip the test without them."""
    return search(*KUBERNETES)["kubectl"].parent


def certified(folder: Path, control: int = 1) -> Cluster:
    """Return a cluster whose control-plane nodes have authorities and certificates of etcd."""
    cluster = Cluster(folder, control=control, workers=0)
    cluster.parameters["CERTIFICATES"] = f"{POLICY}\n{ETCD_POLICY}"
    cluster.update()
    return cluster


# A member without a cluster of others; `client`, `as_root` and `put` are for tests.
PRELUDE = r"""
set -u
ip link set lo up
mkdir -p /opt/heatgen/bin /opt/heatgen/lib /run/stub
ln -sfn "$HEATGEN_ETCD"/etcd "$HEATGEN_ETCD"/etcdctl "$HEATGEN_ETCD"/etcdutl /opt/heatgen/bin/
mkdir -p /opt/heatgen/kubernetes/1.37.2
ln -sfn /opt/heatgen/kubernetes/1.37.2/kube-apiserver /opt/heatgen/bin/kube-apiserver
printf '%s\n' '#!/bin/bash' 'echo "systemctl $*" >>/run/calls' >/run/stub/systemctl
chmod +x /run/stub/systemctl
export PATH=/run/stub:$PATH
source "$HEATGEN_LIB/step.sh"
trap - ERR
source "$ETCD_BLOCK/members.sh"
source "$ETCD_BLOCK/users.sh"
address=127.0.0.1 name=control-0 others='' root_home=$(mktemp -d)
pki=/etc/etcd/pki
start_etcd() {
    /opt/heatgen/bin/etcd --name control-0 --data-dir /var/lib/etcd --log-level error \
        --listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
        --listen-peer-urls https://127.0.0.1:2380 \
        --initial-advertise-peer-urls https://127.0.0.1:2380 \
        --initial-cluster control-0=https://127.0.0.1:2380 --initial-cluster-token demo \
        --client-cert-auth --trusted-ca-file $pki/ca.crt --cert-file $pki/server.crt \
        --key-file $pki/server.key --peer-client-cert-auth --peer-trusted-ca-file $pki/ca.crt \
        --peer-cert-file $pki/peer.crt --peer-key-file $pki/peer.key >/run/etcd.log 2>&1 &
    etcd=$!
    for _ in $(seq 100); do
        ! client $pki/health https://127.0.0.1:2379 endpoint health >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    cat /run/etcd.log >&2
    exit 1
}
stop_etcd() {
    kill $etcd
    wait $etcd || true
}
put() {
    client $pki/apiserver https://127.0.0.1:2379 put "$1" "$2" >/dev/null
}
backup() {
    bash "$ETCD_BLOCK/backup.sh" "$@"
}
fresh=''
[ -e /var/lib/etcd/member ] || fresh=yes
start_etcd
[ -z "$fresh" ] || create_users
"""
END = "\nstop_etcd\n"
# The API server, with the Node object and the kubelet's certificate of this node.
API = r"""
pki_k=/etc/kubernetes/pki
mkdir -p /var/lib/kubelet/pki /var/lib/api
cat $pki_k/kubelet.crt $pki_k/kubelet.key >/var/lib/kubelet/pki/kubelet-client-current.pem
openssl pkey -in $pki_k/service-account.key -pubout -out /var/lib/api/accounts.pub
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout /var/lib/api/admin.key -subj /O=system:masters/CN=admin 2>/dev/null |
    openssl x509 -req -CA $pki_k/issuer.crt -CAkey $pki_k/issuer.key -days 1 \
        -out /var/lib/api/admin.crt -extfile <(echo extendedKeyUsage=clientAuth) 2>/dev/null
"$HEATGEN_KUBERNETES/kube-apiserver" --etcd-servers https://127.0.0.1:2379 \
    --etcd-cafile $pki/ca.crt --etcd-certfile $pki/apiserver.crt --etcd-keyfile $pki/apiserver.key \
    --bind-address 127.0.0.1 --advertise-address 192.0.2.10 --tls-cert-file $pki_k/local.crt \
    --tls-private-key-file $pki_k/local.key --client-ca-file $pki_k/ca.crt \
    --authorization-mode Node,RBAC --service-cluster-ip-range 10.96.0.0/16 \
    --enable-admission-plugins NodeRestriction \
    --service-account-key-file /var/lib/api/accounts.pub \
    --service-account-signing-key-file $pki_k/service-account.key --endpoint-reconciler-type none \
    --service-account-issuer https://kubernetes.default.svc --cert-dir /var/lib/api \
    --etcd-compaction-interval 0 >/run/api.log 2>&1 &
api=$!
trap 'kill -KILL $api' EXIT # it would wait for etcd
kubectl() {
    "$HEATGEN_KUBERNETES/kubectl" --cache-dir /var/lib/api/cache --server https://127.0.0.1:6443 \
        --certificate-authority $pki_k/ca.crt --client-certificate /var/lib/api/admin.crt \
        --client-key /var/lib/api/admin.key "$@"
}
for _ in $(seq 300); do
    ! kubectl get --raw /readyz >/dev/null 2>&1 || break
    kill -0 $api || { tail -n 5 /run/api.log >&2 && exit 1; }
    sleep 0.2
done
printf '%s\n' 'apiVersion: v1' 'kind: Node' 'metadata: {name: demo-control-0}' |
    kubectl create -f -
"""


def inputs(cluster: Cluster, **others: Input) -> dict[str, Input]:
    """Return the inputs of the step ``kvstore/backup``."""
    return {
        "BACKUP": "true",
        "BACKUP_INTERVAL": "6h",
        "BACKUP_KEEP": "3",
        "BACKUP_CERTIFICATE": "",
        "BACKUP_RECIPIENTS": "",
        "BACKUP_PROGRAM": (ETCD / "backup.sh").read_text(),
        "BACKUP_UNIT": (ETCD / "etcd-backup.service").read_text(),
        "BACKUP_TIMER": (ETCD / "etcd-backup.timer").read_text(),
        "MEMBERS": (ETCD / "members.sh").read_text(),
        "CLUSTER_NAME": "demo",
        "STACK_NAME": "demo",
        "CONTROL_PLANE_ADDRESSES": ",".join(node.address for node in cluster.control),
        "RESTORE": "",
        "RESTORE_FUNCTIONS": (ETCD / "restore.sh").read_text(),
        "ENVELOPES": cluster.outputs("request", "envelope"),
        **others,
    }


def run(node: Node, commands: str, **values: Input) -> Result:
    """Run commands on a node while its etcd is running.

    ``install_backup`` runs the step ``kvstore/backup`` with the inputs ``values``.
    """
    sandbox: Sandbox = node.sandbox
    script = sandbox.folder / "commands.sh"
    step = f'install_backup() {{ bash "{ETCD}/20-backup.sh"; }}\n'
    script.write_text(PRELUDE + step + commands + END)
    outer = sandbox.folder / "network.sh"
    outer.write_text(f"exec unshare --net bash {script}\n")
    result = sandbox.run(
        outer,
        HEATGEN_ETCD=str(programs()),
        ETCD_BLOCK=str(ETCD),
        HEATGEN_MEMBERS=str(ETCD / "members.sh"),
        **values,
    )
    assert result.status == 0, result.stderr
    return result
