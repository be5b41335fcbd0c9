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

# next_version CURRENT NEW: fail unless the control plane can change to this version, and to the version as which it
# behaves (effective, new_effective): neither may skip a minor version. Only the behavior may not become older: a
# control plane that behaves as an older version stores nothing that this version cannot read.
next_version() {
    local current new newest shown=$1
    current=$(minor "$effective") new=$(minor "$new_effective") newest=$(($(minor "$1") + 1))
    if [ "${1%%.*}" = "${2%%.*}" ] && [ "$new" -ge "$current" ] && [ "$new" -le $((current + 1)) ] &&
        [ "$(minor "$2")" -ge "$new" ] && [ "$(minor "$2")" -le $newest ]; then return; fi
    [ "$(minor "$1")" = "$current" ] || shown+=" (which behaves as $effective)"
    [ -z "$EMULATED_VERSION" ] || set -- "$1" "$2 with orchestration.emulate $EMULATED_VERSION"
    fail "orchestration.version of a running cluster cannot be changed from $shown to $2: Kubernetes supports an" \
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
    [ ${#old[@]} = 0 ] || fail "Kubernetes $new_effective does not support kubelets that are more than three" \
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
# The control step writes as which version the control plane behaves.
effective=$(sed -n 's/^EFFECTIVE_VERSION=//p' $etc/control.env 2>/dev/null) || true
effective=${effective:-$version}
new_effective=${EMULATED_VERSION:-$KUBERNETES_VERSION}
[ -z "$version" ] || next_version "$version" "$KUBERNETES_VERSION"
# If the API server does not respond, the update may be the repair.
if [ -n "$version" ] && [ "$(minor "$effective")" -lt "$(minor "$new_effective")" ] &&
    metrics=$(request /metrics 2>/dev/null); then
    supported_kubelets "$(minor "$new_effective")"
    removed=$(removed_apis "$(minor "$new_effective")" <<<"$metrics")
    [ -z "$removed" ] || fail "Kubernetes $new_effective does not have APIs that clients of this cluster use:" \
        "${removed//$'\n'/, }. The audit log of the API server names the clients" \
        "(/var/log/kubernetes/audit/audit.log). Change them, restart kube-apiserver on this node, which forgets" \
        "former requests, and update the stack"
fi

echo "The networks do not change; Kubernetes is ${version:-not installed yet}, to be $KUBERNETES_VERSION${EMULATED_VERSION:+ behaving as $EMULATED_VERSION}."
