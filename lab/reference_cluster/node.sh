#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs on every server of the plain cluster, as root: `prepare` installs runtime, CNI and programs, `join`
# starts kubelet, flannel and kube-proxy with the files from the control plane in /etc/k8s.
set -euo pipefail
MIRROR=http://203.0.113.1:8080
REGISTRY=http://203.0.113.1:5000
K8S=$MIRROR/dl.k8s.io/release/v1.37.2/bin/linux/amd64
GITHUB=$MIRROR/github.com
files=/root/plain/files
units=/etc/systemd/system

fetch() {
    curl --fail --silent --show-error --retry 3 "$1"
}

# program URL NAME
program() {
    fetch "$1" >"/usr/local/bin/$2.new"
    chmod 0755 "/usr/local/bin/$2.new"
    mv "/usr/local/bin/$2.new" "/usr/local/bin/$2"
}

# unit NAME: enable and start a unit, without waiting: flannel waits for the API, which the kubelet starts.
unit() {
    install -m 0644 "$files/$1.service" $units/
    systemctl daemon-reload
    systemctl enable --quiet "$1.service"
    systemctl start --no-block "$1.service"
}

prepare() {
    mkdir -p /etc/k8s/manifests /etc/containerd/certs.d/registry.k8s.io /opt/cni/bin /etc/cni/net.d
    fetch $GITHUB/containerd/containerd/releases/download/v2.4.2/containerd-2.4.2-linux-amd64.tar.gz | tar -xz -C /usr/local
    fetch $GITHUB/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz | tar -xz -C /opt/cni/bin
    fetch $GITHUB/flannel-io/flannel/releases/download/v0.28.10/flannel-v0.28.10-linux-amd64.tar.gz |
        tar -xz -C /usr/local/bin flanneld
    program $GITHUB/opencontainers/runc/releases/download/v1.5.2/runc.amd64 runc
    for name in kubelet kube-proxy; do program $K8S/$name $name; done
    install -m 0644 $files/containerd.toml /etc/containerd/config.toml
    printf '[host."%s"]\n  capabilities = ["pull", "resolve"]\n' $REGISTRY >/etc/containerd/certs.d/registry.k8s.io/hosts.toml
    install -m 0644 $files/kubelet.json $files/kube-proxy.json $files/net-conf.json /etc/k8s/
    install -m 0755 $files/cni.sh /usr/local/bin/plain-cni
    printf 'net.ipv4.ip_forward = 1\n' >/etc/sysctl.d/50-plain.conf
    sysctl -q -w net.ipv4.ip_forward=1
    modprobe br_netfilter 2>/dev/null || true
    sysctl -q -w net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
    unit containerd
}

join() {
    address=$(hostname -I | tr ' ' '\n' | grep '^198\.51\.100\.')
    printf 'ADDRESS=%s\nNODE_NAME=%s\n' "$address" "$(hostname)" >/etc/k8s/node.env
    unit kubelet
    unit flannel
    unit kproxy
}

"$1"
