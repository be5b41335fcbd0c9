#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Refuse changes that a running cluster does not survive, before any step changes certificates or components.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

etc=/etc/kubernetes

# unchanged NAME CURRENT NEW: fail if the network of a running cluster would change.
unchanged() {
    if [ -z "$2" ] || [ "$2" = "$3" ]; then return; fi
    fail "$1 of a running cluster cannot be changed (from $2 to $3): nodes, pods and certificates have addresses" \
        "of this network. Set $1 to $2 again and update the stack"
}

# next_version CURRENT NEW: fail unless the new version has the same minor version or the next one.
next_version() {
    local current=${1#*.} new=${2#*.}
    current=${current%%.*} new=${new%%.*}
    if [ "${1%%.*}" = "${2%%.*}" ] && [ "$new" -ge "$current" ] && [ "$new" -le $((current + 1)) ]; then return; fi
    fail "orchestration.version of a running cluster cannot be changed from $1 to $2: Kubernetes supports an" \
        "update to the next minor version only, and no return to an older one." \
        "Set a version ${1%%.*}.$current.x or ${1%%.*}.$((current + 1)).x and update the stack"
}

# minor VERSION: print the number of the minor version.
minor() {
    local rest=${1#*.}
    printf '%s' "${rest%%.*}"
}

# request PATH: send a GET request to the API server of this node, with the certificate of the steps.
request() {
    curl --fail --silent --show-error --max-time 15 --cacert $etc/pki/ca.crt --cert $etc/pki/bootstrap.crt \
        --key $etc/pki/bootstrap.key "https://127.0.0.1:6443$1"
}

# supported_kubelets MINOR: fail if a kubelet is more than three minor versions older: it would lose its connection.
supported_kubelets() {
    local name version old=()
    while read -r name version; do
        [ -z "$version" ] || [ $((10#$(minor "$version") + 3)) -ge "$1" ] || old+=("$name ($version)")
    done < <("$heatgen_bin/kubectl" --kubeconfig $etc/bootstrap.kubeconfig --request-timeout 10s get nodes \
        --output 'jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion}{"\n"}{end}')
    [ ${#old[@]} = 0 ] || fail "Kubernetes $KUBERNETES_VERSION does not support kubelets that are more than three" \
        "minor versions older: $(printf '%s, ' "${old[@]:0:5}")${#old[@]} in total. Update these nodes first"
}

# removed_apis MINOR: print the APIs that clients have used and that this minor version does not have any more. API
# servers count such requests since their start.
removed_apis() {
    local group version resource removed
    while IFS='|' read -r group version resource removed; do
        [ "$(minor "$removed")" -gt "$1" ] || echo "$resource of ${group:-core}/$version (removed in $removed)"
    done < <(sed -n '/^apiserver_requested_deprecated_apis{/p' | sed -n -E '
        s/.*[{,]group="([^"]*)".*/&|\1/
        s/^([^|]*[{,]version="([^"]*)".*)/\1|\2/
        s/^([^|]*[{,]resource="([^"]*)".*)/\1|\2/
        s/^([^|]*[{,]removed_release="([0-9][^"]*)".*)/\1|\2/
        s/^[^|]*\|(.*\|.*\|.*\|.*)$/\1/p')
}

services=$(sed -n 's/^SERVICES_CIDR=//p' $etc/control.env 2>/dev/null) || true
unchanged orchestration.services "$services" "$SERVICES_CIDR"
pods=$(sed -n 's/.*"clusterCIDR": *"\([^"]*\)".*/\1/p' $etc/kube-proxy.json 2>/dev/null) || true
unchanged network.pods "$pods" "$PODS_CIDR"
# The link to the program, /opt/heatgen/kubernetes/VERSION/kube-apiserver, has the version that runs.
version=$(readlink "$heatgen_bin/kube-apiserver") || true
version=${version%/*}
version=${version##*/}
[ -z "$version" ] || next_version "$version" "$KUBERNETES_VERSION"
# If the API server does not respond, the update may be the repair.
if [ -n "$version" ] && [ "$(minor "$version")" -lt "$(minor "$KUBERNETES_VERSION")" ] &&
    metrics=$(request /metrics 2>/dev/null); then
    supported_kubelets "$(minor "$KUBERNETES_VERSION")"
    removed=$(removed_apis "$(minor "$KUBERNETES_VERSION")" <<<"$metrics")
    [ -z "$removed" ] || fail "Kubernetes $KUBERNETES_VERSION does not have APIs that clients of this cluster use:" \
        "${removed//$'\n'/, }. The audit log of the API server names the clients" \
        "(/var/log/kubernetes/audit/audit.log). Change them, restart kube-apiserver on this node, which forgets" \
        "former requests, and update the stack"
fi

echo "The networks do not change; Kubernetes is ${version:-not installed yet}, to be $KUBERNETES_VERSION."
