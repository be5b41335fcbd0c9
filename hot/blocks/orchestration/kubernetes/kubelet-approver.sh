#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Approve the requests of kubelets for serving certificates, for ever. Kubernetes leaves that to whoever
# knows the nodes: here that is Heat, whose servers are listed in the file NODES. A node gets what its
# own kubelet asks for in its own name and address; anything else stays as it is, and is told once.
set -euo pipefail

NODES=/var/lib/heatgen/nodes # lines "NAME GROUP ADDRESS"
PAUSE=20                     # seconds; kubelets wait a quarter of an hour
SIGNER=kubernetes.io/kubelet-serving
EXTENSIONS=' Attributes: Requested Extensions: X509v3 Subject Alternative Name:'
REQUESTS='{range .items[*]}{.metadata.name}|{.status.conditions[*].type}|{.spec.username}|'
REQUESTS+='{range .spec.groups[*]}{@},{end}|{range .spec.usages[*]}{@},{end}|{.spec.request}{"\n"}{end}'

kubectl() {
    /opt/heatgen/bin/kubectl --kubeconfig /etc/kubernetes/kubelet-approver.kubeconfig \
        --cache-dir "$CACHE_DIRECTORY" --request-timeout 10s "$@"
}

# refusal USER GROUPS USAGES REQUEST: say why the request is not approved; silent if nothing is wrong.
refusal() {
    local node=${1#system:node:} address request subject asked
    [[ $1 == system:node:* ]] || { echo "the requester $1 is no node" && return; }
    address=$(awk -v node="$node" '$1 == node {print $3; exit}' "$NODES")
    [ -n "$address" ] || { echo "Heat knows no server $node" && return; }
    [[ ,$2 == *,system:nodes,* ]] || { echo "the requester is not of the group system:nodes" && return; }
    [ "$3" = 'digital signature,server auth,' ] ||
        { echo "the usages are '${3%,}', not those of a server" && return; }
    request=$(base64 --decode <<<"$4")
    # Its exit status is 0 for a bad signature, too.
    [[ $(openssl req -noout -verify <<<"$request" 2>&1) == *"verify OK" ]] ||
        { echo "the request is not signed by its own key" && return; }
    subject=$(openssl req -noout -subject -nameopt RFC2253 <<<"$request")
    [ "$subject" = "subject=CN=system:node:$node,O=system:nodes" ] ||
        { echo "the subject is '${subject#subject=}', not the node's" && return; }
    asked=$(openssl req -noout -text -nameopt RFC2253 \
        -reqopt no_header,no_version,no_subject,no_pubkey,no_sigdump <<<"$request" | tr -s ' \n' ' ')
    # The whole of it is compared, so nothing can hide in it.
    [ "$asked" = "$EXTENSIONS DNS:$node, IP Address:$address " ] ||
        echo "it asks for '$asked', not for the name $node and the address $address"
}

# settle: look at every request that nobody has decided on.
settle() {
    local name decided user groups usages request problem
    while IFS='|' read -r name decided user groups usages request; do
        [ -n "$name" ] && [ -z "$decided" ] || continue
        problem=$(refusal "$user" "$groups" "$usages" "$request")
        if [ -n "$problem" ]; then
            [ -n "${told[$name]:-}" ] || echo "Not approved: $name of $user: $problem" >&2
            told[$name]=1
        elif kubectl certificate approve "$name" >/dev/null; then
            echo "Approved: $name, serving certificate of ${user#system:node:}"
        fi
    done <<<"$1"
}

declare -A told=()
while true; do
    # While this server's apiserver is away, the approvers of the others do the work.
    if waiting=$(kubectl get certificatesigningrequests --field-selector "spec.signerName=$SIGNER" \
        --output "jsonpath=$REQUESTS" 2>/dev/null); then
        settle "$waiting"
    fi
    sleep $PAUSE
done
