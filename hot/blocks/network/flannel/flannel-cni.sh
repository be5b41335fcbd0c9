#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the CNI configuration of the bridge cni0 from the node's lease (subnet.env).
set -euo pipefail
FLANNEL_NETWORK='' FLANNEL_SUBNET='' FLANNEL_MTU=''
# shellcheck source=/dev/null
source /run/flannel/subnet.env
mkdir -p /etc/cni/net.d
file=/etc/cni/net.d/10-flannel.conflist
# subnet.env names the bridge's address (10.244.1.1/24), CNI wants the network (10.244.1.0/24).
subnet=${FLANNEL_SUBNET/.1\//.0\/}
bridge='{"type":"bridge","bridge":"cni0","isDefaultGateway":true,"hairpinMode":true,"forceAddress":true'
ipam='"ipam":{"type":"host-local","ranges":[[{"subnet":"'$subnet'"}]],"routes":[{"dst":"'$FLANNEL_NETWORK'"}]}'
portmap='{"type":"portmap","capabilities":{"portMappings":true}}'
printf '{"cniVersion":"1.0.0","name":"flannel","plugins":[%s,"mtu":%s,%s},%s]}\n' \
    "$bridge" "$FLANNEL_MTU" "$ipam" "$portmap" >$file.new
mv $file.new $file
