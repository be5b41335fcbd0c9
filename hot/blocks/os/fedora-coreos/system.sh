# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Fedora CoreOS. Ignition disables the updates (zincati.toml), install.sh sets the SELinux type of /opt/heatgen.

system_programs() {
    fail_without_packages "$@"
}

system_trust() {
    trust_store "$1" /etc/pki/ca-trust/source/anchors pem update-ca-trust
}

# chrony.conf of the image includes no directory for more servers.
system_time() {
    local original=/etc/heatgen/chrony.conf.image conf=/etc/chrony.conf
    if [ -n "$1" ]; then
        [ -e $original ] || install -D -m 0644 $conf $original
        install_text "$(chrony_servers "$1")"$'\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync' $conf
    elif [ -e $original ]; then
        install -m 0644 $original $conf
        rm $original
    fi
    ! command -v restorecon >/dev/null || restorecon $conf
    systemctl restart chronyd.service
}

system_names() {
    resolve_without_multicast
}

# Any client of docker.socket would start the Docker of the image, which changes the rules of the packet filter.
system_quiet() {
    leave_interfaces
    mask_units docker.socket
}
