#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start kubelet and kube-proxy and wait until the API knows this node.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

node=$(node_name)
pki=/etc/kubernetes/pki
etc=/etc/kubernetes
units=/etc/systemd/system
program "$KUBELET_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kubelet
program "$KUBE_PROXY_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kube-proxy

taints=''
[ "$HEATGEN_ROLE" = worker ] || taints="node-role.kubernetes.io/control-plane=:NoSchedule"
install_text "NODE_NAME=$node
NODE_ADDRESS=$(node_address)
NODE_TAINTS=$taints" $etc/kubelet.env
install_text "$(kubeconfig "$API_URL" kubelet-client)" $etc/kubelet.kubeconfig 0600
install_text "$(kubeconfig "$API_URL" kube-proxy)" $etc/kube-proxy.kubeconfig 0600
install_text "$KUBELET_CONFIG" $etc/kubelet.json
install_text "$KUBE_PROXY_CONFIG" $etc/kube-proxy.json
install_text "$KUBELET_UNIT" $units/kubelet.service
install_text "$KUBE_PROXY_UNIT" $units/kube-proxy.service

api() {
    curl --fail --silent --show-error --max-time 5 --output /dev/null --cacert $pki/ca.crt \
        --cert $pki/kubelet-client.crt --key $pki/kubelet-client.key "$API_URL$1"
}
# A kubelet that meets no API tries again ever more rarely: it starts when the API is there.
wait_for 400 "the API at $API_URL answers" api /readyz
start_unit kubelet $etc/kubelet.json $etc/kubelet.env $etc/kubelet.kubeconfig $pki/kubelet.crt \
    $pki/kubelet-client.crt "$heatgen_bin/kubelet"
start_unit kube-proxy $etc/kube-proxy.json $etc/kube-proxy.kubeconfig $pki/kube-proxy.crt "$heatgen_bin/kube-proxy"
wait_unit 60 kubelet "the kubelet is healthy" curl --fail --silent --show-error http://127.0.0.1:10248/healthz
wait_unit 60 kubelet "the API knows node $node" api "/api/v1/nodes/$node"
wait_unit 60 kube-proxy "kube-proxy is healthy" curl --fail --silent --show-error http://127.0.0.1:10256/healthz

echo "$node has joined the cluster."
