#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Kernel modules, kernel settings and the packages that stock images may lack.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

# Programs and the Debian packages that hold them: kube-proxy, flannel and kubelet call these.
declare -A package_of=([iptables]=iptables [conntrack]=conntrack [ethtool]=ethtool [mount]=mount)
missing=()
for needed in "${!package_of[@]}"; do
    command -v "$needed" >/dev/null || missing+=("${package_of[$needed]}")
done
if [ ${#missing[@]} -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    until said=$( (outside apt-get -qq update &&
        outside apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}") 2>&1); do
        # A new server may be busy with its own updates.
        [[ $said == *"Could not get lock"* ]] && [ $SECONDS -lt 240 ] ||
            fail "the image lacks ${missing[*]} and apt-get cannot install them: $(tail -n 2 <<<"$said")"
        sleep 2
    done
fi

install_text $'overlay\nbr_netfilter' /etc/modules-load.d/heatgen.conf
for module in overlay br_netfilter; do
    modprobe "$module" 2>/dev/null || true # built in, or told below
done
grep -qw overlay /proc/filesystems || fail "the kernel has no overlay file system (module overlay)"
[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] ||
    fail "the kernel does not pass bridged traffic to iptables (module br_netfilter)"

install_text "$SYSCTL" /etc/sysctl.d/90-heatgen.conf
while IFS='= ' read -r key value; do
    case $key in '' | '#'*) continue ;; esac
    file=/proc/sys/${key//.//}
    [ "$(cat "$file")" = "$value" ] || echo "$value" 2>/dev/null >"$file" ||
        fail "kernel setting $key is $(cat "$file"), not $value, and cannot be set"
done </etc/sysctl.d/90-heatgen.conf

# LLMNR and multicast DNS ask, and answer, whoever is on the same link: pods are, too.
resolved=$'[Resolve]\nLLMNR=no\nMulticastDNS=no' drop_in=/etc/systemd/resolved.conf.d/90-heatgen.conf
if systemctl is-active --quiet systemd-resolved.service && [ "$(cat "$drop_in" 2>/dev/null)" != "$resolved" ]; then
    install_text "$resolved" "$drop_in"
    systemctl restart systemd-resolved.service
fi

echo "Kernel settings are as Kubernetes needs them (Linux $(uname -r))."
