#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wait until every expected node is Ready, has its group's labels and taints, and the cluster's DNS runs.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

# What a node has, and had from earlier runs: name|taints|labels|taints.
NODES='{range .items[*]}{.metadata.name}|{range .spec.taints[*]}{.key}={.value}:{.effect},{end}|'
NODES+='{.metadata.annotations.heatgen/registration}{"\n"}{end}'
CONTROL_TAINT='node-role.kubernetes.io/control-plane=:NoSchedule'

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

# dropped OLD NEW: items of the first comma-separated list that the second lacks.
dropped() {
    comm -23 <(tr ',' '\n' <<<"$1" | sort -u) <(tr ',' '\n' <<<"$2" | sort -u) | sed '/^$/d'
}

# described NODE GROUP REGISTRATION: the node's labels as an object to apply.
described() {
    local role=worker label
    [ "$2" != control ] || role=control-plane
    printf '%s\n' '- apiVersion: v1' '  kind: Node' '  metadata:' "    name: '$1'" \
        "    annotations: {heatgen/registration: '$3'}" '    labels:' \
        "      heatgen/group: '$2'" "      node-role.kubernetes.io/$role: ''"
    while read -r label; do
        [ -z "$label" ] || printf "      %s: '%s'\n" "${label%%=*}" "${label#*=}"
    done <<<"$(tr ',' '\n' <<<"${3%%|*}")"
}

# adjust NODE REGISTRATION: take away what the group has no more, and give the taints that are missing.
adjust() {
    local taints old item
    taints=$(awk -F'|' -v node="$1" '$1 == node {print $2}' <<<"$nodes")
    old=$(awk -F'|' -v node="$1" '$1 == node {print $3 "|" $4}' <<<"$nodes")
    while read -r item; do
        [ -z "$item" ] || kubectl label node "$1" "${item%%=*}-" >/dev/null
    done <<<"$(comm -23 <(dropped "${old%%|*}" '' | cut -d= -f1 | sort -u) \
        <(dropped "${2%%|*}" '' | cut -d= -f1 | sort -u))"
    while read -r item; do
        [[ -z $item || ,$taints, != *",$item,"* ]] || kubectl taint node "$1" "$item-" >/dev/null
    done <<<"$(dropped "${old#*|}" "${2#*|}")"
    while read -r item; do
        [ -z "$item" ] || kubectl taint node "$1" "$item" --overwrite >/dev/null
    done <<<"$(dropped "${2#*|}" "$taints")"
}

# remove NODE: of a server that Heat has taken away nobody else removes the node, and its pods would stay
# Terminating. Nobody stops them any more either: as long as they are listed, Services lead to them (seen: a
# third of the requests lost for a minute).
remove() {
    kubectl delete node "$1" --ignore-not-found --wait=false &&
        kubectl delete pods --all-namespaces --field-selector "spec.nodeName=$1" --grace-period 0 --force \
            --wait=false
}

# dns_ready: succeed if CoreDNS is available, else say what its pods wait for.
dns_ready() {
    local free
    kubectl --namespace kube-system rollout status deployment/coredns --timeout 2s && return 0
    # Two never run on one node; if no other would have it, one must do.
    free=$(kubectl get nodes --output "jsonpath=$NODES" | cut -d'|' -f2 | sed "s|$CONTROL_TAINT,||" |
        grep -vcE ':No(Schedule|Execute),') || true
    [ "$free" != 1 ] || [ -z "$(kubectl --namespace kube-system get deployment coredns \
        --output 'jsonpath={.status.availableReplicas}')" ] || return 0
    kubectl --namespace kube-system get pods --selector k8s-app=kube-dns --no-headers
    return 1
}

# told_authorities: pods find the authorities of today in their folder.
told_authorities() {
    local told
    told=$(kubectl --namespace kube-system get configmap kube-root-ca.crt --output 'jsonpath={.data.ca\.crt}')
    [ "$told" = "$(</etc/kubernetes/pki/ca.crt)" ] || { echo "ConfigMap kube-root-ca.crt is not yet the bundle" && return 1; }
}

count=0
objects=''
declare -A registrations=()
for folder in "$(input_file NAMES.d)"/*/; do
    group=$(basename "$folder")
    for file in "$folder"*; do
        [ -e "$file" ] || continue
        node=$(<"$file")
        wait_for 240 "node $node is Ready" node_ready "$node"
        registrations[$node]=$(cat "$(input_file REGISTRATIONS.d)/$group/${file##*/}")
        objects+=$(described "$node" "$group" "${registrations[$node]}")$'\n'
        count=$((count + 1))
    done
done
nodes=$(kubectl get nodes --output "jsonpath=$NODES")
for node in "${!registrations[@]}"; do
    adjust "$node" "${registrations[$node]}"
done
said=$(printf 'apiVersion: v1\nkind: List\nitems:\n%s' "$objects" |
    kubectl apply --server-side --force-conflicts --field-manager heatgen -f - 2>&1) ||
    fail "cannot label the nodes: $(tail -n 2 <<<"$said")"

for node in $(kubectl get nodes --selector heatgen/group --output 'jsonpath={.items[*].metadata.name}'); do
    [ -n "${registrations[$node]+known}" ] || said=$(remove "$node" 2>&1) ||
        fail "cannot remove node $node, whose server is gone: $(tail -n 2 <<<"$said")"
done

# CoreDNS reads the authorities once, when it starts.
authorities=$(openssl dgst -sha256 -r /etc/kubernetes/pki/ca.crt)
authorities=${authorities%% *}
known=$(kubectl --namespace kube-system get deployment coredns \
    --output 'jsonpath={.metadata.annotations.heatgen/authorities}')
if [ -n "$known" ] && [ "$known" != "$authorities" ]; then
    wait_for 120 "pods are told the cluster's authorities" told_authorities
    kubectl --namespace kube-system rollout restart deployment/coredns >/dev/null
fi
wait_for 180 "the cluster's DNS is available" dns_ready
[ "$known" = "$authorities" ] || kubectl --namespace kube-system annotate deployment coredns \
    "heatgen/authorities=$authorities" --overwrite >/dev/null
output trust "$CONTROL_TRUST_REVISION"

echo "$count nodes are Ready, the cluster's DNS is available."
