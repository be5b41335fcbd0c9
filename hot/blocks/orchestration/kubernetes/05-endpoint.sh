#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Have the API's address on one of the control-plane servers whose apiserver is ready (keepalived).
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

address=$(node_address)
conf=/etc/keepalived/keepalived.conf
pki=/etc/kubernetes/pki
interface=$(ip -4 -oneline address show | awk -v own="$address/" 'index($4, own) == 1 {print $2; exit}')
[ -n "$interface" ] || fail "no interface has this server's address $address"

# This unit takes the place of the package's, and starts nothing without a configuration.
install_text "$KEEPALIVED_UNIT" /etc/systemd/system/keepalived.service 0600
if ! command -v keepalived >/dev/null; then
    systemctl daemon-reload
    install_packages keepalived
fi

peers=()
priority=0
IFS=, read -ra members <<<"$CONTROL_PLANE_ADDRESSES"
for place in "${!members[@]}"; do
    if [ "${members[place]}" = "$address" ]; then
        priority=$((200 - place))
    else
        peers+=("        ${members[place]}")
    fi
done
[ $priority != 0 ] || fail "this server's address $address is not planned ($CONTROL_PLANE_ADDRESSES)"

# Dead (nothing listens, or it stops): the server gives the address away, noticed after two checks. Slow
# or without storage: only to one that is better, so that of three slow ones one keeps it. Whoever has
# it is preferred, else it would go back to the first server. A dead server is noticed after three
# advertisements.
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
# Of a check that it may not run keepalived makes one that is always good.
runuser --user heatgen-health -- test -x "$check" || fail "the user heatgen-health may not run $check"
# Debian's 2.2.7 ends the test of a good configuration by SIGTERM to itself.
status=0
said=$(exec keepalived --config-test --use-file $conf 2>&1) || status=$?
[ $status = 0 ] || [ $status = 143 ] || fail "keepalived refuses $conf: $(tail -n 2 <<<"$said")"
start_unit keepalived $conf "$check"

echo "keepalived holds $API_HOST on $interface of whichever of ${#members[@]} servers is ready."
