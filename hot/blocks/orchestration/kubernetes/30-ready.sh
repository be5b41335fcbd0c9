#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wait until every expected node is Ready and the cluster's DNS is there.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

kubectl() {
    "$heatgen_bin/kubectl" --kubeconfig /etc/kubernetes/bootstrap.kubeconfig --request-timeout 10s "$@"
}

# node_ready NODE: succeed if it is Ready, else say why not.
node_ready() {
    local state
    state=$(kubectl get node "$1" --output \
        'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.message}{end}') || return 1
    [[ $state == True* ]] || { echo "$state" && return 1; }
}

# dns_ready: succeed if CoreDNS is available, else say what its pods wait for.
dns_ready() {
    kubectl --namespace kube-system rollout status deployment/coredns --timeout 2s && return 0
    kubectl --namespace kube-system get pods --selector k8s-app=kube-dns --no-headers
    return 1
}

count=0
for role in control worker; do
    label=node-role.kubernetes.io/$([ $role = control ] && echo control-plane || echo worker)
    for file in "$(input_file "NAMES_${role^^}.d")"/*; do
        [ -e "$file" ] || continue
        node=$(<"$file")
        wait_for 180 "node $node is Ready" node_ready "$node"
        kubectl label node "$node" "$label=" --overwrite >/dev/null
        count=$((count + 1))
    done
done
wait_for 180 "the cluster's DNS is available" dns_ready

echo "$count nodes are Ready, the cluster's DNS is available."
