# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian 12 and 13.

system_programs() {
    install_packages "$@"
}

system_trust() {
    trust_store "$1" /usr/local/share/ca-certificates crt update-ca-certificates
}

system_time() {
    chrony_or_timesyncd "$1"
}

system_names() {
    resolve_without_multicast
}

# unattended-upgrades installs security updates, but does not restart the server.
system_quiet() {
    upgrade_without_restart
    leave_interfaces
}
