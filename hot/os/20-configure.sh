#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Load kernel modules, apply kernel settings, install programs that stock images may not contain, and configure restarts
# for updates of the system.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# shellcheck source=hot/blocks/os/debian/system.sh
source "$(input_file SYSTEM)"

# Programs that kube-proxy, flannel and kubelet call. kube-proxy does not need conntrack since version 1.32.
missing=()
for command in ethtool iptables mount; do
    command -v "$command" >/dev/null || missing+=("$command")
done
[ ${#missing[@]} = 0 ] || system_programs "${missing[@]}"

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

system_names

# Restarts for updates of the system: "never", or "DAYS HH:MM/MINUTESm" in UTC.
units=(heatgen-maintenance.timer heatgen-booted.service)
if [ "$UPDATE_WINDOW" = never ]; then
    if [ -e /etc/heatgen/maintenance.env ]; then
        systemctl disable --quiet --now "${units[@]}"
        rm -f "${units[@]/#//etc/systemd/system/}" /etc/systemd/system/heatgen-maintenance.service \
            /etc/heatgen/maintenance.env
        systemctl daemon-reload
    fi
else
    read -r days window <<<"$UPDATE_WINDOW"
    [ "$days" != daily ] || days=''
    install_text "$MAINTENANCE" $heatgen_home/lib/maintenance 0755
    # shellcheck disable=SC2016 # a variable of systemd
    install_text '[Unit]
Description=Restart of the server for updates of the system, in its maintenance window

[Service]
Type=exec
EnvironmentFile=/etc/heatgen/maintenance.env
ExecStart=/opt/heatgen/lib/maintenance ${MINUTES}' /etc/systemd/system/heatgen-maintenance.service
    install_text '[Unit]
Description=End of the restart of a control-plane node for updates of the system
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=/opt/heatgen/lib/maintenance booted

[Install]
WantedBy=multi-user.target' /etc/systemd/system/heatgen-booted.service
    install_text "[Unit]
Description=Maintenance window for updates of the system

[Timer]
OnCalendar=${days:+$days }*-*-* ${window%/*}:00 UTC
AccuracySec=1s

[Install]
WantedBy=timers.target" /etc/systemd/system/heatgen-maintenance.timer
    window=${window#*/}
    install_text "MINUTES=${window%m}" /etc/heatgen/maintenance.env
    systemctl daemon-reload
    systemctl enable --quiet "${units[@]}"
    systemctl restart heatgen-maintenance.timer
fi
system_quiet "$UPDATE_WINDOW"

echo "The kernel settings for Kubernetes are applied (Linux $(uname -r))."
