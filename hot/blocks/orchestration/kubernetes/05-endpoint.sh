#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run keepalived, which assigns the API address to one control-plane node whose API server is ready.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

address=$(node_address)
conf=/etc/keepalived/keepalived.conf
pki=/etc/kubernetes/pki
interface=$(ip -4 -oneline address show | awk -v own="$address/" 'index($4, own) == 1 && !found++ {print $2}')
[ -n "$interface" ] || fail "no interface has the address $address of this server"

# This unit overrides that of the package, and does not start keepalived without a configuration.
install_text "$KEEPALIVED_UNIT" /etc/systemd/system/keepalived.service 0600
if ! command -v keepalived >/dev/null; then
    systemctl daemon-reload
    install_packages keepalived
fi

# systemd-networkd removes addresses that other programs added when it configures a link again (netplan apply).
profile=$(networkctl status "$interface" 2>/dev/null | sed -n 's/^ *Network File: *\(\/.*\)/\1/p') || true
if [ -n "$profile" ]; then
    install_text $'[Network]\nKeepConfiguration=static' "/etc/systemd/network/${profile##*/}.d/90-heatgen.conf"
fi

peers=()
priority=0
IFS=, read -ra members <<<"$CONTROL_PLANE_ADDRESSES"
for position in "${!members[@]}"; do
    if [ "${members[position]}" = "$address" ]; then
        priority=$((200 - position))
    else
        peers+=("        ${members[position]}")
    fi
done
[ $priority != 0 ] ||
    fail "this server's address $address is not one of the planned addresses $CONTROL_PLANE_ADDRESSES"

# alive: if the API server does not listen or is stopping, the node releases the address (after two checks).
# ready: if it is slow or has no storage, only a better node takes the address, so that one of three slow nodes
# keeps it. holder: the current node is preferred, so that the address does not return to the first node. A lost
# node is detected after three advertisements.
check=$heatgen_home/lib/endpoint-check
lines=(
    'global_defs {'
    '    enable_script_security'
    '    script_user heatgen-health'
    '    vrrp_garp_master_refresh 10'
    '}'
    'vrrp_script alive {'
    "    script \"$check alive $API_HOST\""
    '    interval 1'
    '    timeout 4'
    '    fall 2'
    '    rise 1'
    '    init_fail'
    '}'
    'vrrp_script ready {'
    "    script \"$check ready $API_HOST\""
    '    interval 2'
    '    timeout 4'
    '    fall 3'
    '    rise 1'
    '    weight -50'
    '    init_fail'
    '}'
    'vrrp_script holder {'
    "    script \"$check holder $API_HOST\""
    '    interval 1'
    '    weight 10'
    '    init_fail'
    '}'
    'vrrp_instance api {'
    '    state BACKUP'
    "    interface $interface"
    '    virtual_router_id 64'
    "    priority $priority"
    '    advert_int 1'
    "    unicast_src_ip $address"
    '    unicast_peer {' "${peers[@]}" '    }'
    '    virtual_ipaddress {' "        $API_HOST/32 dev $interface" '    }'
    '    track_script {' '        alive' '        ready' '        holder' '    }'
    '}'
)
text=$(printf '%s\n' "${lines[@]}")
install_text "$text" $conf 0600
install_text "$ENDPOINT_CHECK" "$check" 0755
# keepalived treats a check that it cannot execute as always successful.
runuser --user heatgen-health -- test -x "$check" || fail "the user heatgen-health cannot execute $check"
# Debian's version 2.2.7 sends itself SIGTERM after it has accepted a configuration.
status=0
message=$(exec keepalived --config-test --use-file $conf 2>&1) || status=$?
[ $status = 0 ] || [ $status = 143 ] || fail "keepalived rejects $conf: $(tail -n 2 <<<"$message")"
start_unit keepalived $conf "$check"

echo "keepalived assigns $API_HOST (interface $interface) to one ready node of ${#members[@]}."
