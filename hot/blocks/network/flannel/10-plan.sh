#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the network's plan to etcd, where every flanneld reads it.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

KEY=/coreos.com/network/config
pki=/etc/etcd/pki
etcdctl() {
    "$heatgen_bin/etcdctl" --endpoints https://127.0.0.1:2379 --command-timeout 5s \
        --cacert $pki/ca.crt --cert $pki/flannel.crt --key $pki/flannel.key "$@"
}

# Without the newline at its end, which `$(...)` takes from what etcd tells.
FLANNEL_NETWORK=$(printf '%s' "$FLANNEL_NETWORK")
wait_for 30 "etcd answers flannel's certificate" etcdctl get $KEY
planned=$(etcdctl get $KEY --print-value-only)
if [ -n "$planned" ] && [ "$planned" != "$FLANNEL_NETWORK" ]; then
    # Nodes hold leases of the old network: a changed plan would cut their pods off.
    fail "etcd already plans the network $planned; it cannot become $FLANNEL_NETWORK in a running cluster"
fi
[ -n "$planned" ] || etcdctl put $KEY "$FLANNEL_NETWORK" >/dev/null

echo "The network's plan stands in etcd: $FLANNEL_NETWORK."
