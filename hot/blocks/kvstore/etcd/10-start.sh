#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start this server's etcd member and wait until the cluster answers.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

address=$(node_address)
pki=/etc/etcd/pki

# Members are called by their place in the plan, control-0 and so on.
name='' cluster=''
index=0
IFS=, read -ra members <<<"$CONTROL_PLANE_ADDRESSES"
for member in "${members[@]}"; do
    cluster+=,control-$index=https://$member:2380
    [ "$member" != "$address" ] || name=control-$index
    index=$((index + 1))
done
[ -n "$name" ] || fail "this server's address $address is not planned ($CONTROL_PLANE_ADDRESSES)"

folder=$(unpack "$ETCD_ARTEFACT" etcd "$ETCD_VERSION" 1)
link_program "$folder"/{etcd,etcdctl,etcdutl}
system_user etcd
install -d -m 0700 -o etcd -g etcd /var/lib/etcd

# Heartbeat and election suit virtual disks of a shared cloud, within etcd's tuning guide (1:10).
settings=(
    ETCD_NAME="$name"
    ETCD_DATA_DIR=/var/lib/etcd
    ETCD_INITIAL_CLUSTER="${cluster#,}"
    ETCD_INITIAL_CLUSTER_TOKEN="$CLUSTER_NAME"
    ETCD_INITIAL_CLUSTER_STATE=new
    ETCD_INITIAL_ADVERTISE_PEER_URLS="https://$address:2380"
    ETCD_LISTEN_PEER_URLS="https://$address:2380"
    ETCD_ADVERTISE_CLIENT_URLS="https://$address:2379"
    ETCD_LISTEN_CLIENT_URLS="https://127.0.0.1:2379,https://$address:2379"
    ETCD_LISTEN_METRICS_URLS=http://127.0.0.1:2381
    ETCD_CLIENT_CERT_AUTH=true
    ETCD_TRUSTED_CA_FILE="$pki/ca.crt"
    ETCD_CERT_FILE="$pki/server.crt"
    ETCD_KEY_FILE="$pki/server.key"
    ETCD_PEER_CLIENT_CERT_AUTH=true
    ETCD_PEER_CERT_ALLOWED_CN=etcd-peer
    ETCD_PEER_TRUSTED_CA_FILE="$pki/ca.crt"
    ETCD_PEER_CERT_FILE="$pki/peer.crt"
    ETCD_PEER_KEY_FILE="$pki/peer.key"
    ETCD_AUTO_COMPACTION_MODE=periodic
    ETCD_AUTO_COMPACTION_RETENTION=5m
    ETCD_HEARTBEAT_INTERVAL=250
    ETCD_ELECTION_TIMEOUT=2500
    ETCD_LOGGER=zap
    ETCD_LOG_LEVEL=warn
)
install_text "$(printf '%s\n' "${settings[@]}")" /etc/etcd/etcd.env
install_text "$ETCD_UNIT" /etc/systemd/system/etcd.service
start_unit etcd /etc/etcd/etcd.env $pki/ca.crt "$heatgen_bin/etcd"

etcdctl() {
    "$heatgen_bin/etcdctl" --endpoints https://127.0.0.1:2379 --command-timeout 3s \
        --cacert $pki/ca.crt --cert $pki/health.crt --key $pki/health.key "$@"
}
wait_unit 90 etcd "etcd is healthy" etcdctl endpoint health
output health "$(etcdctl endpoint health 2>&1)"

echo "etcd $ETCD_VERSION runs as member $name of ${#members[@]}."
