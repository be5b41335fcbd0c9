#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Approve requests of kubelets for serving certificates. Kubernetes has no approver for them, because it does not
# know the names and addresses of nodes; heatgen does, from Heat (file NODES). A request of a node's kubelet for the
# node's own name and address is approved; other requests are left pending and reported once.
set -euo pipefail

NODES=/var/lib/heatgen/nodes # lines "NAME GROUP ADDRESS"
PAUSE=20                     # seconds; kubelets wait for 15 minutes
SIGNER=kubernetes.io/kubelet-serving
EXTENSIONS=' Attributes: Requested Extensions: X509v3 Subject Alternative Name:'
REQUESTS='{range .items[*]}{.metadata.name}|{.status.conditions[*].type}|{.spec.username}|'
REQUESTS+='{range .spec.groups[*]}{@},{end}|{range .spec.usages[*]}{@},{end}|{.spec.request}{"\n"}{end}'

kubectl() {
    /opt/heatgen/bin/kubectl --kubeconfig /etc/kubernetes/kubelet-approver.kubeconfig \
        --cache-dir "$CACHE_DIRECTORY" --request-timeout 10s "$@"
}

# find_problem USER GROUPS USAGES REQUEST: print the reason for which a request is not approved, if any.
find_problem() {
    local node=${1#system:node:} address request subject extensions
    [[ $1 == system:node:* ]] || { echo "the requester $1 is not a node" && return; }
    address=$(awk -v node="$node" '$1 == node {print $3; exit}' "$NODES")
    [ -n "$address" ] || { echo "the stack has no server $node" && return; }
    [[ ,$2 == *,system:nodes,* ]] || { echo "the requester is not in the group system:nodes" && return; }
    [ "$3" = 'digital signature,server auth,' ] ||
        { echo "the usages are '${3%,}', expected those of a server" && return; }
    request=$(base64 --decode <<<"$4")
    # The exit status is 0 also for a bad signature.
    [[ $(openssl req -noout -verify <<<"$request" 2>&1) == *"verify OK" ]] ||
        { echo "the request is not signed by its own key" && return; }
    subject=$(openssl req -noout -subject -nameopt RFC2253 <<<"$request")
    [ "$subject" = "subject=CN=system:node:$node,O=system:nodes" ] ||
        { echo "the subject is '${subject#subject=}', expected that of the node" && return; }
    extensions=$(openssl req -noout -text -nameopt RFC2253 \
        -reqopt no_header,no_version,no_subject,no_pubkey,no_sigdump <<<"$request" | tr -s ' \n' ' ')
    # Compare the complete text, so that no other extension is approved.
    [ "$extensions" = "$EXTENSIONS DNS:$node, IP Address:$address " ] ||
        echo "the extensions are '$extensions', expected the name $node and the address $address"
}

# process REQUESTS: approve or report every pending request.
process() {
    local name decided user groups usages request problem
    while IFS='|' read -r name decided user groups usages request; do
        [ -n "$name" ] && [ -z "$decided" ] || continue
        problem=$(find_problem "$user" "$groups" "$usages" "$request")
        if [ -n "$problem" ]; then
            [ -n "${reported[$name]:-}" ] || echo "Not approved: $name of $user: $problem" >&2
            reported[$name]=1
        elif kubectl certificate approve "$name" >/dev/null; then
            echo "Approved: $name, serving certificate of ${user#system:node:}"
        fi
    done <<<"$1"
}

declare -A reported=()
while true; do
    # If the API server on this node does not respond, the approvers on other nodes continue.
    if pending=$(kubectl get certificatesigningrequests --field-selector "spec.signerName=$SIGNER" \
        --output "jsonpath=$REQUESTS" 2>/dev/null); then
        process "$pending"
    fi
    sleep $PAUSE
done
