#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the network configuration to etcd, where every flanneld reads it.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

KEY=/coreos.com/network/config
pki=/etc/etcd/pki
etcdctl() {
    "$heatgen_bin/etcdctl" --endpoints https://127.0.0.1:2379 --command-timeout 5s \
        --cacert $pki/ca.crt --cert $pki/flannel.crt --key $pki/flannel.key "$@"
}

# Strip the trailing newline, as `$(...)` strips it from the output of etcdctl.
FLANNEL_NETWORK=$(printf '%s' "$FLANNEL_NETWORK")
wait_for 30 "etcd accepts requests with flannel's certificate" etcdctl get $KEY
current=$(etcdctl get $KEY --print-value-only)
if [ -n "$current" ] && [ "$current" != "$FLANNEL_NETWORK" ]; then
    # Nodes have leases in the current network: a change would disconnect their pods.
    fail "the pod network of a running cluster cannot be changed (from $current to $FLANNEL_NETWORK)"
fi
[ -n "$current" ] || etcdctl put $KEY "$FLANNEL_NETWORK" >/dev/null

echo "The network configuration in etcd is $FLANNEL_NETWORK."
