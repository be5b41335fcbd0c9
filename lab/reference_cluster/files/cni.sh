#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Write the CNI configuration of the plain cluster from the values in flannel's subnet.env. Stop waiting if
# flannel has ended, because its node had no network yet: systemd restarts it.
set -euo pipefail
until [ -s /run/flannel/subnet.env ]; do
    kill -0 "$MAINPID"
    sleep 1
done
# shellcheck source=/dev/null
source /run/flannel/subnet.env
bridge='"type":"bridge","bridge":"cni0","isDefaultGateway":true,"hairpinMode":true'
ipam='"ipam":{"type":"host-local","ranges":[[{"subnet":"'${FLANNEL_SUBNET/.1\//.0\/}'"}]],"routes":[{"dst":"'$FLANNEL_NETWORK'"}]}'
plugins='{'$bridge',"mtu":'$FLANNEL_MTU','$ipam'},{"type":"portmap","capabilities":{"portMappings":true}}'
printf '{"cniVersion":"1.0.0","name":"plain","plugins":[%s]}\n' "$plugins" >/etc/cni/net.d/10-plain.conflist.new
mv /etc/cni/net.d/10-plain.conflist.new /etc/cni/net.d/10-plain.conflist
