#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs on the control plane of the plain cluster, as root. `authorities ADDRESS NODE...` creates all keys and
# the files for each node; `start` creates the static pods; `finish COUNT` creates the first objects and waits
# until all nodes are Ready.
set -euo pipefail
K8S=http://203.0.113.1:8080/dl.k8s.io/release/v1.37.2/bin/linux/amd64
ETCD=http://203.0.113.1:8080/github.com/etcd-io/etcd/releases/download/v3.6.16/etcd-v3.6.16-linux-amd64.tar.gz
IMAGE=registry.k8s.io/e2e-test-images/agnhost:2.66.1
COREDNS=registry.k8s.io/coredns/coredns:v1.12.4
OWN=198.51.100.10
API=https://$OWN:7443
etc=/etc/k8s
kubectl="/usr/local/bin/kubectl --kubeconfig $etc/admin.kubeconfig --request-timeout 10s"

# authority NAME
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=${1//\//-}" \
        -keyout "$etc/$1.key" -out "$etc/$1.crt"
}

# certificate AUTHORITY FILE SUBJECT [NAMES]: for servers and clients.
certificate() {
    local extensions="extendedKeyUsage=serverAuth,clientAuth"
    [ -z "${4:-}" ] || extensions+=$'\n'"subjectAltName=$4"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$3" -keyout "$etc/$2.key" \
        -out "/tmp/$$.csr"
    openssl x509 -req -in "/tmp/$$.csr" -CA "$etc/$1.crt" -CAkey "$etc/$1.key" -CAcreateserial -days 365 \
        -extfile <(echo "$extensions") -out "$etc/$2.crt"
    rm "/tmp/$$.csr"
}

# kubeconfig FILE SUBJECT [SERVER]
kubeconfig() {
    certificate ca "$1" "$2"
    local server=${3:-$API}
    sed -e "s|@SERVER@|$server|" -e "s|@AUTHORITY@|$(base64 -w 0 $etc/ca.crt)|" -e "s|@CERTIFICATE@|$(base64 -w 0 "$etc/$1.crt")|" \
        -e "s|@KEY@|$(base64 -w 0 "$etc/$1.key")|" /root/plain/files/kubeconfig.json >"$etc/$1.kubeconfig"
    rm "$etc/$1.crt" "$etc/$1.key"
}

authorities() {
    local outside=$1 node
    shift
    umask 077
    mkdir -p $etc/etcd $etc/for
    curl --fail --silent --show-error "$ETCD" | tar -xz -C /usr/local/bin --strip-components 1 --wildcards '*/etcd' '*/etcdctl'
    for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
        curl --fail --silent --show-error "$K8S/$name" -o /usr/local/bin/$name
        chmod 0755 /usr/local/bin/$name
    done
    if [ ! -s $etc/ca.key ]; then
        authority ca
        authority etcd/authority
        authority front
        certificate etcd/authority etcd/own /CN=plain-control "IP:$OWN,IP:127.0.0.1"
        certificate etcd/authority etcd/apiserver /CN=apiserver
        certificate front front-client /CN=front-proxy-client
        certificate ca apiserver /CN=kube-apiserver \
            "IP:$OWN,IP:127.0.0.1,IP:$outside,IP:10.97.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
        certificate ca apiserver-kubelet /O=system:masters/CN=apiserver-kubelet
        openssl genrsa -out $etc/accounts.key 2048
        openssl rsa -in $etc/accounts.key -pubout -out $etc/accounts.pub
    fi
    kubeconfig admin /O=system:masters/CN=admin "https://$outside:7443"
    kubeconfig controller-manager /CN=system:kube-controller-manager
    kubeconfig scheduler /CN=system:kube-scheduler
    for node in "$@"; do
        kubeconfig kubelet "/O=system:nodes/CN=system:node:$node"
        kubeconfig kproxy /CN=system:kube-proxy
        kubeconfig flannel /CN=flannel
        tar -c -C $etc -f "$etc/for/$node.tar" ca.crt kubelet.kubeconfig kproxy.kubeconfig flannel.kubeconfig
    done
}

# static NAME WORD...: create a static pod that runs a program of the host, in the only available image.
static() {
    local name=$1 words
    shift
    words=$(printf ', "%s"' "$@")
    sed -e "s|NAME|$name|g" -e "s|IMAGE|$IMAGE|" -e "s|WORDS|${words#, }|" /root/plain/files/static.json >"/tmp/$name.json"
    mv "/tmp/$name.json" "$etc/manifests/$name.json"
}

start() {
    local bin=/usr/local/bin
    static etcd $bin/etcd --name=plain-control --data-dir=/var/lib/plain-etcd --client-cert-auth --peer-client-cert-auth \
        --listen-client-urls=https://$OWN:4001,https://127.0.0.1:4001 --advertise-client-urls=https://$OWN:4001 \
        --listen-peer-urls=https://$OWN:4002 --initial-advertise-peer-urls=https://$OWN:4002 \
        --initial-cluster=plain-control=https://$OWN:4002 --listen-metrics-urls=http://127.0.0.1:4003 \
        --cert-file=$etc/etcd/own.crt --key-file=$etc/etcd/own.key --trusted-ca-file=$etc/etcd/authority.crt \
        --peer-cert-file=$etc/etcd/own.crt --peer-key-file=$etc/etcd/own.key --peer-trusted-ca-file=$etc/etcd/authority.crt
    static kube-apiserver $bin/kube-apiserver --secure-port=7443 --advertise-address=$OWN --allow-privileged=true \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --client-ca-file=$etc/ca.crt \
        --etcd-servers=https://127.0.0.1:4001 --etcd-cafile=$etc/etcd/authority.crt \
        --etcd-certfile=$etc/etcd/apiserver.crt --etcd-keyfile=$etc/etcd/apiserver.key \
        --tls-cert-file=$etc/apiserver.crt --tls-private-key-file=$etc/apiserver.key \
        --kubelet-client-certificate=$etc/apiserver-kubelet.crt --kubelet-client-key=$etc/apiserver-kubelet.key \
        --kubelet-preferred-address-types=InternalIP --service-cluster-ip-range=10.97.0.0/16 \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file=$etc/accounts.pub --service-account-signing-key-file=$etc/accounts.key \
        --requestheader-client-ca-file=$etc/front.crt --requestheader-allowed-names=front-proxy-client \
        --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
        --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file=$etc/front-client.crt \
        --proxy-client-key-file=$etc/front-client.key
    static kube-controller-manager $bin/kube-controller-manager --kubeconfig=$etc/controller-manager.kubeconfig \
        --use-service-account-credentials --service-account-private-key-file=$etc/accounts.key --root-ca-file=$etc/ca.crt \
        --cluster-signing-cert-file=$etc/ca.crt --cluster-signing-key-file=$etc/ca.key --bind-address=127.0.0.1 \
        --allocate-node-cidrs --cluster-cidr=10.42.0.0/16 --service-cluster-ip-range=10.97.0.0/16
    static kube-scheduler $bin/kube-scheduler --kubeconfig=$etc/scheduler.kubeconfig --bind-address=127.0.0.1
    for _ in $(seq 90); do
        [ "$($kubectl get --raw /readyz 2>/dev/null)" = ok ] && return 0
        sleep 2
    done
    echo "the API is not ready" >&2
    journalctl -u kubelet -n 20 --no-pager >&2
    return 1
}

finish() {
    $kubectl apply -f /root/plain/files/flannel-rights.json
    sed -e "s|image: ''|image: $COREDNS|" -e "s|clusterIP: ''|clusterIP: 10.97.0.10|" -e 's|replicas: 2|replicas: 1|' \
        /root/plain/coredns.yaml | $kubectl apply -f -
    for _ in $(seq 90); do
        ready=$($kubectl get nodes --no-headers 2>/dev/null | grep -cw Ready || true)
        [ "$ready" != "$1" ] || break
        sleep 2
    done
    $kubectl label --overwrite node plain-control node-role.kubernetes.io/control-plane=
    $kubectl taint --overwrite node plain-control node-role.kubernetes.io/control-plane:NoSchedule
    $kubectl rollout status -n kube-system deployment/coredns --timeout 120s
    $kubectl get nodes -o wide
    [ "$ready" = "$1" ]
}

"$@"
