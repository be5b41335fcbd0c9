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
    export DEBIAN_FRONTEND=noninteractive
    until said=$( (apt-get -qq update &&
        apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 keepalived) 2>&1); do
        # A new server may be busy with its own updates.
        [[ $said == *"Could not get lock"* ]] && [ $SECONDS -lt 240 ] ||
            fail "the image lacks keepalived and apt-get cannot install it: $(tail -n 2 <<<"$said")." \
                "Give the nodes a way to a Debian mirror, use an image that has the package, or choose" \
                "load_balancer: octavia under control_plane"
        sleep 2
    done
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

check="/usr/bin/curl --silent --fail --max-time 2 --output /dev/null --cacert $pki/ca.crt"
check+=" --cert $pki/health.crt --key $pki/health.key https://127.0.0.1:6443/readyz"
# A dead apiserver is noticed after two checks, a dead server after three advertisements. Nobody takes
# the address back from a server that has it and serves.
lines=(
    'global_defs {'
    '    enable_script_security'
    '    script_user heatgen-health'
    '    vrrp_garp_master_refresh 10'
    '}'
    'vrrp_script apiserver {'
    "    script \"$check\""
    '    interval 1'
    '    timeout 3'
    '    fall 2'
    '    rise 1'
    '    init_fail'
    '}'
    'vrrp_instance api {'
    '    state BACKUP'
    '    nopreempt'
    "    interface $interface"
    '    virtual_router_id 64'
    "    priority $priority"
    '    advert_int 1'
    "    unicast_src_ip $address"
    '    unicast_peer {' "${peers[@]}" '    }'
    '    virtual_ipaddress {' "        $API_HOST/32 dev $interface" '    }'
    '    track_script {' '        apiserver' '    }'
    '}'
)
text=$(printf '%s\n' "${lines[@]}")
install_text "$text" $conf 0600
# Debian's 2.2.7 ends the test of a good configuration by SIGTERM to itself.
status=0
said=$(exec keepalived --config-test --use-file $conf 2>&1) || status=$?
[ $status = 0 ] || [ $status = 143 ] || fail "keepalived refuses $conf: $(tail -n 2 <<<"$said")"
start_unit keepalived $conf

echo "keepalived holds $API_HOST on $interface of whichever of ${#members[@]} servers is ready."
