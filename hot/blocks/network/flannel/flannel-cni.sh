#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the CNI configuration of the bridge cni0 from the node's lease (subnet.env). If Docker is installed, its
# bridge docker0 gets the upper half of the lease, so that the two bridges never assign the same address.
set -euo pipefail
FLANNEL_NETWORK='' FLANNEL_SUBNET='' FLANNEL_MTU=''
# shellcheck source=/dev/null
source /run/flannel/subnet.env
# Started by flanneld, and by the step of a runtime that is installed later.
exec 9>/run/flannel/cni.lock
flock 9

# write_file TEXT FILE: write a file atomically.
write_file() {
    (umask 077 && printf '%s\n' "$1" >"$2.new")
    mv "$2.new" "$2"
}

# abandon_pods: delete the bridge, and end the sandboxes of all pods with a network of their own, so that the kubelet
# recreates them. The process "pause" is the first one of a sandbox in every runtime.
abandon_pods() {
    local process own
    own=$(readlink /proc/self/ns/net)
    ip link delete cni0
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = pause ] || continue
        [ "$(readlink "$process/ns/net")" = "$own" ] || kill -KILL "${process#/proc/}" || true
    done
}

# subnet.env contains the address of the bridge (10.244.1.1/24), CNI needs the network (10.244.1.0/24).
subnet=${FLANNEL_SUBNET/.1\//.0\/}
if [ -e /etc/systemd/system/docker.service ]; then
    half=${subnet%.0/24}
    [ "$half" != "$subnet" ] || { echo "cannot split the lease $subnet: it is not a /24 network" >&2 && exit 1; }
    subnet=$half.0/25
    options="DOCKER_NETWORK=\"--bip=$half.129/25 --mtu=$FLANNEL_MTU\""
    if [ "$(cat /run/flannel/docker.env 2>/dev/null)" != "$options" ]; then
        write_file "$options" /run/flannel/docker.env
        systemctl try-restart --no-block docker.service
    fi
fi

mkdir -p /etc/cni/net.d
before=$(sed -n 's/.*"subnet":"\([^"]*\)".*/\1/p' /etc/cni/net.d/10-flannel.conflist 2>/dev/null) || true
bridge='{"type":"bridge","bridge":"cni0","isDefaultGateway":true,"hairpinMode":true,"forceAddress":true'
ipam='"ipam":{"type":"host-local","ranges":[[{"subnet":"'$subnet'"}]],"routes":[{"dst":"'$FLANNEL_NETWORK'"}]}'
portmap='{"type":"portmap","capabilities":{"portMappings":true}}'
plugins="$bridge,\"mtu\":$FLANNEL_MTU,$ipam},$portmap"
write_file "{\"cniVersion\":\"1.0.0\",\"name\":\"flannel\",\"plugins\":[$plugins]}" /etc/cni/net.d/10-flannel.conflist

# A lease expires after a day, and another node may lease the subnet of a node that was suspended for longer. Pods that
# are still running, such as those of DaemonSets, then have addresses to which other nodes do not route. Only the
# network's address is compared: with Docker, pods use a part of the lease.
if [ -n "$before" ] && [ "${before%/*}" != "${subnet%/*}" ] && ip link show cni0 >/dev/null 2>&1; then
    echo "the lease has changed from $before to $subnet: pods are recreated"
    abandon_pods
fi
