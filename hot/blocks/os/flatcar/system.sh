# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Flatcar Container Linux. Ignition disables restarts for updates (update.conf), Docker and containerd of the image.

system_programs() {
    fail_without_packages "$@"
}

# The names of the files in this directory are hashes after the update; update-ca-certificates keeps others.
system_trust() {
    trust_store "$1" /etc/ssl/certs pem update-ca-certificates
}

system_time() {
    timesyncd_servers "$1"
}

system_names() {
    resolve_without_multicast
}

system_quiet() {
    leave_interfaces
    mask_units docker.socket
}
