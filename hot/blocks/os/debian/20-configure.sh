#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Load kernel modules, apply kernel settings, and install packages that stock images may not contain.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

# Programs that kube-proxy, flannel and kubelet call, and their Debian packages.
declare -A package_of=([iptables]=iptables [conntrack]=conntrack [ethtool]=ethtool [mount]=mount)
missing=()
for command in "${!package_of[@]}"; do
    command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
done
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"

install_text $'overlay\nbr_netfilter' /etc/modules-load.d/heatgen.conf
for module in overlay br_netfilter; do
    modprobe "$module" 2>/dev/null || true # may be built in; checked below
done
grep -qw overlay /proc/filesystems || fail "the kernel does not support the overlay file system (module overlay)"
[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ||
    fail "the kernel cannot pass bridged traffic to iptables (module br_netfilter)"

install_text "$SYSCTL" /etc/sysctl.d/90-heatgen.conf
while IFS='= ' read -r key value; do
    case $key in '' | '#'*) continue ;; esac
    file=/proc/sys/${key//.//}
    [ "$(cat "$file")" = "$value" ] || echo "$value" 2>/dev/null >"$file" ||
        fail "cannot set kernel setting $key to $value (it is $(cat "$file"))"
done </etc/sysctl.d/90-heatgen.conf

# LLMNR and multicast DNS exchange queries with any host on the same link, including pods.
resolved=$'[Resolve]\nLLMNR=no\nMulticastDNS=no' drop_in=/etc/systemd/resolved.conf.d/90-heatgen.conf
if systemctl is-active --quiet systemd-resolved.service && [ "$(cat "$drop_in" 2>/dev/null)" != "$resolved" ]; then
    install_text "$resolved" "$drop_in"
    systemctl restart systemd-resolved.service
fi

# systemd-networkd removes routes that other programs added when it configures a link again (netplan apply).
if systemctl is-active --quiet systemd-networkd.service; then
    install_text $'[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no' \
        /etc/systemd/networkd.conf.d/90-heatgen.conf
fi

echo "The kernel settings for Kubernetes are applied (Linux $(uname -r))."
