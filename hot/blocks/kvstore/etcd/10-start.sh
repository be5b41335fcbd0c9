#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start this node's etcd member, in a new or an existing cluster, and wait until it is healthy.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# shellcheck source=hot/blocks/kvstore/etcd/members.sh
source "$(input_file MEMBERS)"
# shellcheck source=hot/blocks/kvstore/etcd/users.sh
source "$(input_file USERS)"

# TLS 1.2 with forward secrecy and authenticated encryption; TLS 1.3 has no others.
CIPHERS=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
CIPHERS+=,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256

[ ! -e /var/lib/heatgen/restoring ] ||
    fail "a restore of etcd is in progress: run 'heatgen restore' with the same backup again"
address=$(node_address)
pki=/etc/etcd/pki
home=/var/lib/heatgen
root_home=$(mktemp -d /run/heatgen-etcd.XXXXXX)
trap 'rm -rf "$root_home"' EXIT

# Members are named after their index in the plan: control-0 and so on.
name='' index='' cluster='' others=''
IFS=, read -ra members <<<"$CONTROL_PLANE_ADDRESSES"
for position in "${!members[@]}"; do
    member=${members[position]}
    cluster+=,control-$position=https://$member:2380
    if [ "$member" = "$address" ]; then index=$position; else others+=,https://$member:2379; fi
done
[ -n "$index" ] ||
    fail "this server's address $address is not one of the planned addresses $CONTROL_PLANE_ADDRESSES"
name=control-$index cluster=${cluster#,} others=${others#,}

[ ! -e /var/lib/etcd/member/wal ] || supported_version "$(cluster_version)"
folder=$(unpack "$ETCD_ARTIFACT" etcd "$ETCD_VERSION" 1)
require_programs "$folder/etcd"
# Clients of the cluster; only the server has a turn.
link_program "$folder"/{etcdctl,etcdutl}
system_user etcd
install -d -m 0700 -o etcd -g etcd /var/lib/etcd

# Heartbeat and election timeout are chosen for virtual disks of a shared cloud; ratio 1:10 as in etcd's tuning guide.
settings=(
    "# Restart etcd when the trusted authorities change: $TRUST_REVISION"
    ETCD_NAME="$name"
    ETCD_DATA_DIR=/var/lib/etcd
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
    ETCD_TLS_MIN_VERSION=TLS1.2
    ETCD_CIPHER_SUITES="$CIPHERS"
    ETCD_AUTO_COMPACTION_MODE=periodic
    ETCD_AUTO_COMPACTION_RETENTION=5m
    ETCD_HEARTBEAT_INTERVAL=250
    ETCD_ELECTION_TIMEOUT=2500
    ETCD_LOGGER=zap
    ETCD_LOG_LEVEL=warn
)
install_text "$(printf '%s\n' "${settings[@]}")" /etc/etcd/etcd.env 0600
install_text "$ETCD_UNIT" /etc/systemd/system/etcd.service 0600
healthy() {
    client $pki/health https://127.0.0.1:2379 endpoint health 2>&1
}
# A learner serves no other requests.
responds() {
    learner || healthy
}
# spare: succeed if the other members are a healthy majority of all members.
spare() {
    local other healthy_count=0
    for other in ${others//,/ }; do
        ! client $pki/health "$other" endpoint health >/dev/null 2>&1 || healthy_count=$((healthy_count + 1))
    done
    [ $healthy_count -gt $((${#members[@]} / 2)) ] ||
        { echo "only $healthy_count of the $((${#members[@]} - 1)) other etcd members are healthy" && return 1; }
}
files=(--link "$folder/etcd" /etc/etcd/etcd.env "$heatgen_bin/etcd")
if [ -e /var/lib/etcd/member/wal ]; then
    roll_unit etcd responds "${files[@]}"
else
    joins=''
    # Set if this node joins an existing cluster, or was a member and has lost its data.
    if [[ $ETCD_JOINING == *,$index,* ]] || [ -e $home/etcd-member ]; then joins=joins; fi
    find_cluster "$joins"
    install_text "ETCD_INITIAL_CLUSTER=$cluster
ETCD_INITIAL_CLUSTER_TOKEN=$CLUSTER_NAME
ETCD_INITIAL_CLUSTER_STATE=$cluster_state
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380" /etc/etcd/cluster.env 0600
    start_unit etcd "${files[@]}"
fi
promote
wait_unit 90 etcd "etcd is healthy" healthy
touch $home/etcd-member

# On the first node only, before any step that requires etcd.
if [ "$index" = 0 ] && [ "$(cat $home/etcd-users 2>/dev/null)" != "$etcd_users" ]; then
    create_users
    install_text "$etcd_users" $home/etcd-users
fi
output health "$(healthy)"

echo "etcd $ETCD_VERSION is running as $name, one of ${#members[@]} members."
