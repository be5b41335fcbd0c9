#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the CNI configuration of the bridge cni0 from the node's lease (subnet.env). Where Docker runs,
# its bridge docker0 gets the upper half of the lease, so that the two never give one address twice.
set -euo pipefail
FLANNEL_NETWORK='' FLANNEL_SUBNET='' FLANNEL_MTU=''
# shellcheck source=/dev/null
source /run/flannel/subnet.env
# flanneld starts this, and so does the step of a runtime that comes after it.
exec 9>/run/flannel/cni.lock
flock 9

# put TEXT FILE: the file is never half there.
put() {
    (umask 077 && printf '%s\n' "$1" >"$2.new")
    mv "$2.new" "$2"
}

# subnet.env names the bridge's address (10.244.1.1/24), CNI wants the network (10.244.1.0/24).
subnet=${FLANNEL_SUBNET/.1\//.0\/}
if [ -e /etc/systemd/system/docker.service ]; then
    half=${subnet%.0/24}
    [ "$half" != "$subnet" ] || { echo "cannot halve the lease $subnet: it is no /24" >&2 && exit 1; }
    subnet=$half.0/25
    options="DOCKER_NETWORK=\"--bip=$half.129/25 --mtu=$FLANNEL_MTU\""
    if [ "$(cat /run/flannel/docker.env 2>/dev/null)" != "$options" ]; then
        put "$options" /run/flannel/docker.env
        systemctl try-restart --no-block docker.service
    fi
fi

mkdir -p /etc/cni/net.d
bridge='{"type":"bridge","bridge":"cni0","isDefaultGateway":true,"hairpinMode":true,"forceAddress":true'
ipam='"ipam":{"type":"host-local","ranges":[[{"subnet":"'$subnet'"}]],"routes":[{"dst":"'$FLANNEL_NETWORK'"}]}'
portmap='{"type":"portmap","capabilities":{"portMappings":true}}'
plugins="$bridge,\"mtu\":$FLANNEL_MTU,$ipam},$portmap"
put "{\"cniVersion\":\"1.0.0\",\"name\":\"flannel\",\"plugins\":[$plugins]}" /etc/cni/net.d/10-flannel.conflist
