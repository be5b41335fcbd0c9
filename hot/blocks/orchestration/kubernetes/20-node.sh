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
program "$KUBELET_ARTIFACT" kubernetes "$KUBERNETES_VERSION" kubelet
program "$KUBE_PROXY_ARTIFACT" kubernetes "$KUBERNETES_VERSION" kube-proxy

# When another authority signs, the kubelet starts anew for the stack's certificates, long before the old
# authority is gone: the API would refuse the kubelet's own ones from that moment.
install_text "# Authorities that are trusted: $TRUST_REVISION, their generations: $SIGNING
NODE_ADDRESS=$(node_address)
NODE_LABELS=$GROUP_LABELS
NODE_TAINTS=$GROUP_TAINTS" $etc/kubelet.env 0600
# The kubelet changes its certificate itself, and must ask for the next one with the one it has.
install_text "$(kubeconfig "$API_URL" kubelet-client |
    sed "s|$pki/kubelet-client\.[a-z]*|/var/lib/kubelet/pki/kubelet-client-current.pem|g")" $etc/kubelet.kubeconfig 0600
install_text "$(kubeconfig "$API_URL" kube-proxy)" $etc/kube-proxy.kubeconfig 0600
install_text "$KUBELET_CONFIG" $etc/kubelet.json 0600
install_text "$KUBE_PROXY_CONFIG" $etc/kube-proxy.json 0600
install_text "$KUBELET_CERTIFICATES" "$heatgen_home/lib/kubelet-certificates" 0755
install_text "$KUBELET_UNIT" $units/kubelet.service 0600
install_text "$KUBE_PROXY_UNIT" $units/kube-proxy.service 0600

# ask URL: with the node's own certificate.
ask() {
    curl --fail --silent --show-error --max-time 5 --cacert $pki/ca.crt \
        --cert $pki/kubelet-client.crt --key $pki/kubelet-client.key "$1"
}
# A kubelet that meets no API tries again ever more rarely: it starts when the API is there.
wait_for 600 "the API at $API_URL answers and is not older than the kubelet" \
    api_current "$KUBERNETES_VERSION" ask "$API_URL"
# Not for a renewed certificate: the kubelet renews its own, kube-proxy reads it again.
start_unit kubelet $etc/kubelet.json $etc/kubelet.env $etc/kubelet.kubeconfig $pki/ca.crt \
    "$heatgen_home/lib/kubelet-certificates" "$heatgen_bin/kubelet"
start_unit kube-proxy $etc/kube-proxy.json $etc/kube-proxy.kubeconfig $pki/ca.crt "$heatgen_bin/kube-proxy"
wait_unit 60 kubelet "the kubelet is healthy" curl --fail --silent --show-error http://127.0.0.1:10248/healthz
wait_unit 60 kubelet "the API knows node $node" ask "$API_URL/api/v1/nodes/$node"
wait_unit 60 kube-proxy "kube-proxy is healthy" curl --fail --silent --show-error http://127.0.0.1:10256/healthz
output registration "$GROUP_LABELS|$GROUP_TAINTS"

echo "$node has joined the cluster."
