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

services=$(sed -n 's/^SERVICES_CIDR=//p' $etc/control.env 2>/dev/null) || true
unchanged orchestration.services "$services" "$SERVICES_CIDR"
pods=$(sed -n 's/.*"clusterCIDR": *"\([^"]*\)".*/\1/p' $etc/kube-proxy.json 2>/dev/null) || true
unchanged network.pods "$pods" "$PODS_CIDR"
# The link to the program, /opt/heatgen/kubernetes/VERSION/kube-apiserver, has the version that runs.
version=$(readlink "$heatgen_bin/kube-apiserver") || true
version=${version%/*}
version=${version##*/}
[ -z "$version" ] || next_version "$version" "$KUBERNETES_VERSION"

echo "The networks do not change; Kubernetes is ${version:-not installed yet}, to be $KUBERNETES_VERSION."
