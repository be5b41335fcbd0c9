# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Ubuntu 24.04 and 26.04.

system_programs() {
    install_packages "$@"
}

system_trust() {
    trust_store "$1" /usr/local/share/ca-certificates crt update-ca-certificates
}

# 24.04 has systemd-timesyncd, 26.04 has chrony.
system_time() {
    chrony_or_timesyncd "$1"
}

system_names() {
    resolve_without_multicast
}

# unattended-upgrades installs security updates, but does not restart the server. needrestart restarts services whose
# libraries were updated, several of a node and on several nodes at the same time.
system_quiet() {
    local units='heatgen|etcd|containerd|docker|cri-docker|flannel|pod-metadata|kube|apiserver-liveness|keepalived'
    upgrade_without_restart
    leave_interfaces
    install_text "\$nrconf{override_rc}{qr(^($units))} = 0;" /etc/needrestart/conf.d/heatgen.conf
}
