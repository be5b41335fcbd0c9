#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start flanneld, which leases this node's subnet of the pod network, and configure CNI from the lease; deny pods
# access to the metadata service.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

# device: print the name of the network device that flanneld creates; nothing for host-gw, which only sets routes.
device() {
    case $BACKEND in
        vxlan) echo "flannel.$VXLAN_VNI" ;;
        wireguard) echo flannel-wg ;;
    esac
}

# The kernel loads the module when a device is created. Do not touch the device of a running flanneld.
if [ "$BACKEND" = wireguard ] && ! ip link show flannel-wg >/dev/null 2>&1; then
    ip link delete heatgen-wg 2>/dev/null || true
    message=$(ip link add heatgen-wg type wireguard 2>&1) ||
        fail "the kernel $(uname -r) does not support WireGuard (module wireguard: $message): use an image whose" \
            "kernel has this module, or create the cluster with network.backend: vxlan"
    ip link delete heatgen-wg
fi

# On a node that is in use the lease does not change.
[ ! -e /run/flannel/subnet.env ] || output lease "$(cat /run/flannel/subnet.env)"
by_turn "$FLANNEL_ARTIFACT" "$CNI_ARTIFACT"

# Before pods can have a network.
filter=/etc/heatgen/pod-metadata.nft unit=/etc/systemd/system/pod-metadata.service
if [ "$METADATA_SERVICE" = deny ]; then
    command -v nft >/dev/null || install_packages nftables
    install_text "$METADATA_FILTER" $filter
    install_text "$METADATA_UNIT" $unit
    start_unit pod-metadata $filter
elif [ -e $unit ]; then
    systemctl disable --now --quiet pod-metadata.service
    ! nft list table inet heatgen-metadata >/dev/null 2>&1 || nft delete table inet heatgen-metadata
    rm -f $filter $unit
    systemctl daemon-reload
fi

address=$(node_address)
pki=/etc/etcd/pki

flanneld=$(unpack "$FLANNEL_ARTIFACT" flannel "$FLANNEL_VERSION")/flanneld || exit 1
folder=$(unpack "$CNI_ARTIFACT" cni "$CNI_VERSION")
mkdir -p /opt/cni/bin
for plugin in bridge host-local loopback portmap; do
    [ -x "$folder/$plugin" ] || fail "the CNI archive does not contain the plug-in $plugin"
    ln -sfn "$folder/$plugin" /opt/cni/bin/$plugin
done

settings=(
    "# Restart flanneld when certificates or authorities change: $TRUST_GENERATIONS${RESTORED:+, restore $RESTORED}"
    FLANNELD_ETCD_ENDPOINTS="https://${CONTROL_PLANE_ADDRESSES//,/:2379,https://}:2379"
    FLANNELD_ETCD_PREFIX=/coreos.com/network
    FLANNELD_ETCD_CAFILE="$pki/ca.crt"
    FLANNELD_ETCD_CERTFILE="$pki/flannel.crt"
    FLANNELD_ETCD_KEYFILE="$pki/flannel.key"
    # By address, because interface names differ between clouds.
    FLANNELD_IFACE="$address"
    FLANNELD_IP_MASQ=true
    FLANNELD_SUBNET_FILE=/run/flannel/subnet.env
)
install_text "$(printf '%s\n' "${settings[@]}")" /etc/flannel/flanneld.env
install_text "$CNI_PROGRAM" "$heatgen_home/lib/flannel-cni" 0755
install_text "$FLANNEL_UNIT" /etc/systemd/system/flanneld.service
install_text "$RESYNC_PROGRAM" "$heatgen_home/lib/flannel-resync" 0755
install_text "$RESYNC_UNIT" /etc/systemd/system/flannel-resync.service
# If two nodes choose the same subnet at the same time, one of them gets it from etcd. flanneld 0.28 on the other
# node exits instead of choosing another subnet, so restart it.
until (start_unit flanneld --link "$flanneld" /etc/flannel/flanneld.env "$heatgen_home/lib/flannel-cni" \
    "$heatgen_bin/flanneld"); do
    grep -q 'subnet already exists' <<<"$(journalctl --unit flanneld.service --no-pager --output cat --lines 6)" &&
        [ $SECONDS -lt 90 ] || exit 1
    sleep 0.5
done
start_unit flannel-resync "$heatgen_home/lib/flannel-resync"

device=$(device)
[ -z "$device" ] || wait_unit 60 flanneld "the interface $device exists" ip link show "$device"
wait_unit 30 flanneld "the CNI configuration is written" test -s /etc/cni/net.d/10-flannel.conflist
output lease "$(cat /run/flannel/subnet.env)"

echo "flannel $FLANNEL_VERSION leased $(sed -n 's/^FLANNEL_SUBNET=//p' /run/flannel/subnet.env) for $(node_name) ($BACKEND)."
