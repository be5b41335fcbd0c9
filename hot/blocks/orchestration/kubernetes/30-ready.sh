#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Give each node its turn to apply what waits for it; wait until every expected node is Ready with the version of its
# kubelet, apply the labels and taints of its group, and wait for the cluster DNS.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# shellcheck source=hot/blocks/orchestration/kubernetes/roll.sh
source "$(input_file ROLL)"

# Lines "NAME|TAINTS|LABELS|TAINTS|cordoned=WHY": the current taints of a node, labels and taints set by the previous
# run, and whether a turn has cordoned the node.
NODES='{range .items[*]}{.metadata.name}|{range .spec.taints[*]}{.key}={.value}:{.effect},{end}|'
NODES+='{.metadata.annotations.heatgen/registration}|cordoned={.metadata.annotations.heatgen/cordoned}{"\n"}{end}'
# Lines "NAME|KUBELET VERSION|READY|MESSAGE".
STATES='{range .items[*]}{.metadata.name}|{.status.nodeInfo.kubeletVersion}|'
STATES+='{range .status.conditions[?(@.type=="Ready")]}{.status}|{.message}{end}{"\n"}{end}'
# Lines "SPEC|OBSERVED|PODS|NEW PODS|AVAILABLE PODS" of a Deployment.
ROLLOUT='{.metadata.generation}|{.status.observedGeneration}|{.status.replicas}|{.status.updatedReplicas}|'
ROLLOUT+='{.status.availableReplicas}'
CONTROL_TAINT='node-role.kubernetes.io/control-plane=:NoSchedule'

kubectl() {
    "$heatgen_bin/kubectl" --kubeconfig /etc/kubernetes/bootstrap.kubeconfig --request-timeout 10s "$@"
}

# nodes_ready NODE...: succeed if the kubelets of all nodes are Ready and have the version of their group, else print
# the names of up to five others and what is wrong with them.
nodes_ready() {
    local states node version ready message reasons=() state
    states=$(kubectl get nodes --output "jsonpath=$STATES") || return 1
    for node; do
        state=$(awk -F'|' -v node="$node" '$1 == node' <<<"$states")
        IFS='|' read -r _ version ready message <<<"$state"
        if [ -z "$state" ]; then
            reasons+=("$node is not registered")
        elif [ "$ready" != True ]; then
            reasons+=("$node is not Ready${message:+ ($message)}")
        elif ! of_version "$version" "${versions[$node]}"; then
            reasons+=("the kubelet of $node has version ${version#v}")
        fi
    done
    [ ${#reasons[@]} = 0 ] && return
    printf '%s' "${#reasons[@]} of $#: ${reasons[0]}"
    [ ${#reasons[@]} = 1 ] || printf '; %s' "${reasons[@]:1:4}"
    [ ${#reasons[@]} -le 5 ] || printf '; and %s more' $((${#reasons[@]} - 5))
    return 1
}

# removed OLD NEW: print the items of the first comma-separated list that are not in the second.
removed() {
    comm -23 <(tr ',' '\n' <<<"$1" | sort -u) <(tr ',' '\n' <<<"$2" | sort -u) | sed '/^$/d'
}

# node_manifest NODE GROUP REGISTRATION: print an object with the node's labels.
node_manifest() {
    local role=worker label
    [ "$2" != control ] || role=control-plane
    printf '%s\n' '- apiVersion: v1' '  kind: Node' '  metadata:' "    name: '$1'" \
        "    annotations: {heatgen/registration: '$3'}" '    labels:' \
        "      heatgen/group: '$2'" "      node-role.kubernetes.io/$role: ''"
    while read -r label; do
        [ -z "$label" ] || printf "      %s: '%s'\n" "${label%%=*}" "${label#*=}"
    done <<<"$(tr ',' '\n' <<<"${3%%|*}")"
}

# adjust NODE REGISTRATION: remove labels and taints that the group no longer has, and add missing taints.
adjust() {
    local taints old item
    taints=$(awk -F'|' -v node="$1" '$1 == node {print $2}' <<<"$nodes")
    old=$(awk -F'|' -v node="$1" '$1 == node {print $3 "|" $4}' <<<"$nodes")
    while read -r item; do
        [ -z "$item" ] || kubectl label node "$1" "${item%%=*}-" >/dev/null
    done <<<"$(comm -23 <(removed "${old%%|*}" '' | cut -d= -f1 | sort -u) \
        <(removed "${2%%|*}" '' | cut -d= -f1 | sort -u))"
    while read -r item; do
        [[ -z $item || ,$taints, != *",$item,"* ]] || kubectl taint node "$1" "$item-" >/dev/null
    done <<<"$(removed "${old#*|}" "${2#*|}")"
    while read -r item; do
        [ -z "$item" ] || kubectl taint node "$1" "$item" --overwrite >/dev/null
    done <<<"$(removed "${2#*|}" "$taints")"
}

# remove NODE: delete the node of a server that Heat has deleted, and its pods. No kubelet terminates these pods, so
# they would stay Terminating, and Services would route to them (observed: a third of the requests lost for a minute).
remove() {
    kubectl delete node "$1" --ignore-not-found --wait=false &&
        kubectl delete pods --all-namespaces --field-selector "spec.nodeName=$1" --grace-period 0 --force \
            --wait=false
}

# dns_ready: succeed if CoreDNS is available in the version of the manifest, else print its pods.
dns_ready() {
    local schedulable image wanted
    wanted=$(sed -n 's/.*"image": *"\([^"]*\)".*/\1/p' "$(input_file COREDNS_MANIFEST)")
    image=$(kubectl --namespace kube-system get deployment coredns \
        --output 'jsonpath={.spec.template.spec.containers[0].image}') || return 1
    [ "$image" = "$wanted" ] || { echo "the Deployment coredns has the image $image, not $wanted" && return 1; }
    # It also waits until the Deployment controller has observed the latest specification.
    kubectl --namespace kube-system rollout status deployment/coredns --timeout 2s && return 0
    # With only one schedulable node the second replica may stay pending; one is enough.
    schedulable=$(kubectl get nodes --output "jsonpath=$NODES" | cut -d'|' -f2 | sed "s|$CONTROL_TAINT,||" |
        grep -vcE ':No(Schedule|Execute),') || true
    [ "$schedulable" != 1 ] || ! new_replica_available || return 0
    kubectl --namespace kube-system get pods --selector k8s-app=kube-dns --no-headers
    kubectl --namespace kube-system logs --selector k8s-app=kube-dns --tail 1 | grep -E 'FATAL|Error' | sed -n 1p
    return 1
}

# new_replica_available: succeed if CoreDNS has only pods of the latest specification, and one of them is available.
new_replica_available() {
    local spec observed pods new available
    IFS='|' read -r spec observed pods new available < <(kubectl --namespace kube-system get deployment coredns \
        --output "jsonpath=$ROLLOUT")
    [ "$spec" = "$observed" ] && [ "$pods" = "$new" ] && [ "${available:-0}" -ge 1 ]
}

# crashing_replicas: print the names of CoreDNS pods that have crashed and are not ready.
crashing_replicas() {
    local columns='{.metadata.name} {.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}'
    kubectl --namespace kube-system get pods --selector k8s-app=kube-dns \
        --output "jsonpath={range .items[*]}$columns{\"\n\"}{end}" | awk '$2 == "false" && $3 > 0 { print $1 }'
}

# authorities_published: succeed if the ConfigMap that is mounted into pods contains the current authorities.
authorities_published() {
    local published
    published=$(kubectl --namespace kube-system get configmap kube-root-ca.crt --output 'jsonpath={.data.ca\.crt}')
    [ "$published" = "$(</etc/kubernetes/pki/ca.crt)" ] ||
        { echo "ConfigMap kube-root-ca.crt does not contain the current authorities yet" && return 1; }
}

expected=()
declare -A versions=()
objects=''
declare -A registrations=()
for folder in "$(input_file NAMES.d)"/*/; do
    group=$(basename "$folder")
    for file in "$folder"*; do
        [ -e "$file" ] || continue
        node=$(name_of_server "$(<"$file")" "$group-${file##*/}")
        registrations[$node]=$(cat "$(input_file REGISTRATIONS.d)/$group/${file##*/}")
        objects+=$(node_manifest "$node" "$group" "${registrations[$node]}")$'\n'
        expected+=("$node")
        versions[$node]=$(awk -v group="$group" '$1 == group {print $5}' <<<"$ROLLS")
    done
done
roll_nodes "$ROLLS" "$(input_file TURNS.d)"
wait_for 240 "all nodes are Ready with the kubelet of their version" nodes_ready "${expected[@]}"
nodes=$(kubectl get nodes --output "jsonpath=$NODES")
for node in "${!registrations[@]}"; do
    adjust "$node" "${registrations[$node]}"
done
message=$(printf 'apiVersion: v1\nkind: List\nitems:\n%s' "$objects" |
    kubectl apply --server-side --force-conflicts --field-manager heatgen -f - 2>&1) ||
    fail "cannot label the nodes: $(tail -n 2 <<<"$message")"

# A turn that was interrupted, on a node that has been repaired or replaced since.
while read -r node; do
    [ -z "$node" ] || release "$node" || fail "cannot uncordon node $node"
done <<<"$(sed -n 's/^\([^|]*\)|.*|cordoned=..*/\1/p' <<<"$nodes")"

for node in $(kubectl get nodes --selector heatgen/group --output 'jsonpath={.items[*].metadata.name}'); do
    [ -n "${registrations[$node]+known}" ] || message=$(remove "$node" 2>&1) ||
        fail "cannot remove node $node, whose server no longer exists: $(tail -n 2 <<<"$message")"
done

# CoreDNS reads the authorities only at its start.
authorities=$(openssl dgst -sha256 -r /etc/kubernetes/pki/ca.crt)
authorities=${authorities%% *}
known=$(kubectl --namespace kube-system get deployment coredns \
    --output 'jsonpath={.metadata.annotations.heatgen/authorities}')
if [ -n "$known" ] && [ "$known" != "$authorities" ]; then
    wait_for 120 "the current authorities are published to pods" authorities_published
    kubectl --namespace kube-system rollout restart deployment/coredns >/dev/null
fi
# A pod keeps the name servers with which it was created. Recreate replicas that crash because they forwarded queries
# to themselves before the kubelet used another resolver file.
for pod in $(crashing_replicas); do
    kubectl --namespace kube-system delete pod "$pod" --ignore-not-found --wait=false >/dev/null || true
done
wait_for 180 "the cluster DNS is available" dns_ready
[ "$known" = "$authorities" ] || kubectl --namespace kube-system annotate deployment coredns \
    "heatgen/authorities=$authorities" --overwrite >/dev/null
output trust "$CONTROL_TRUST_REVISION"
output restored "$RESTORED"

echo "Kubernetes $KUBERNETES_VERSION: ${#expected[@]} nodes are Ready, and the cluster DNS is available$roll_summary."
