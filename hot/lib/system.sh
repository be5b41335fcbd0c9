# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: what the functions of several operating systems (system.sh of their blocks) do.
# heatgen inserts the part after the first blank line in place of the line in step.sh that sources it.

# trust_store FOLDER STORE SUFFIX COMMAND: replace the certificates that heatgen added to the node's store with those
# of the folder (1.pem and so on), and update the store.
trust_store() {
    local file message
    mkdir -p "$2"
    rm -f "$2"/heatgen-*."$3"
    for file in "$1"/*.pem; do
        # Not moved: the file must have the SELinux type of its directory.
        [ ! -e "$file" ] || install_text "$(<"$file")" "$2/heatgen-$(basename "$file" .pem).$3"
    done
    message=$("$4" 2>&1) || fail "cannot install site.ca_certificates: $(tail -n 1 <<<"$message")"
}

# chrony_or_timesyncd SERVERS: set the time servers of the service that the image contains.
chrony_or_timesyncd() {
    if systemctl cat chrony.service >/dev/null 2>&1; then
        write_or_remove "$(chrony_servers "$1")" /etc/chrony/sources.d/heatgen.sources
        systemctl restart chrony.service
    elif systemctl cat systemd-timesyncd.service >/dev/null 2>&1; then
        timesyncd_servers "$1"
    else
        fail "site.ntp_servers cannot be used: the image contains neither chrony nor systemd-timesyncd"
    fi
}
# chrony_servers SERVERS: print the lines of chrony for time servers, comma-separated.
chrony_servers() {
    printf '%s' "${1:+server ${1//,/$' iburst\nserver '} iburst}"
}
# timesyncd_servers SERVERS: set the time servers of systemd-timesyncd.
timesyncd_servers() {
    write_or_remove "${1:+[Time]
NTP=${1//,/ }}" /etc/systemd/timesyncd.conf.d/90-heatgen.conf
    systemctl restart systemd-timesyncd.service
}

# resolve_without_multicast: LLMNR and multicast DNS exchange queries with any host on the same link, including pods.
resolve_without_multicast() {
    local text=$'[Resolve]\nLLMNR=no\nMulticastDNS=no' file=/etc/systemd/resolved.conf.d/90-heatgen.conf
    if systemctl is-active --quiet systemd-resolved.service && [ "$(cat "$file" 2>/dev/null)" != "$text" ]; then
        install_text "$text" "$file"
        systemctl restart systemd-resolved.service
    fi
}

# leave_interfaces: network managers of the system, which may be restarted by an update, do not change interfaces,
# addresses and routes of flannel, CNI plug-ins, Docker and keepalived.
leave_interfaces() {
    # udev would give these interfaces another MAC address after their creation.
    install_text $'[Match]\nOriginalName=flannel* cni* veth*\n\n[Link]\nMACAddressPolicy=none' \
        /etc/systemd/network/50-heatgen.link
    if systemctl is-active --quiet systemd-networkd.service; then
        install_text $'[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no' \
            /etc/systemd/networkd.conf.d/90-heatgen.conf
        # Before all profiles of the image, some of which match every interface.
        install_text $'[Match]\nName=flannel* cni* veth* docker*\n\n[Link]\nUnmanaged=yes' \
            /etc/systemd/network/05-heatgen.network
    fi
    if systemctl is-active --quiet NetworkManager.service; then
        leave_interfaces_of_network_manager
    fi
}
leave_interfaces_of_network_manager() {
    local file=/etc/NetworkManager/conf.d/90-heatgen.conf text name
    text=$'[keyfile]\nunmanaged-devices+='
    for name in 'flannel*' 'cni*' 'veth*' 'docker*'; do
        text+="interface-name:$name;"
    done
    if [ "$(cat $file 2>/dev/null)" != "$text" ]; then
        install_text "$text" $file
        systemctl reload NetworkManager.service
    fi
}

# upgrade_without_restart: unattended-upgrades, if the image contains it, installs updates, but never restarts the server.
upgrade_without_restart() {
    install_text 'Unattended-Upgrade::Automatic-Reboot "false";' /etc/apt/apt.conf.d/90heatgen-upgrades
}

# mask_units UNIT...: stop units of the image, and prevent their start. A unit of a block has the same name as that of
# the image, and replaces it.
mask_units() {
    local unit
    for unit; do
        if [ ! -f "/etc/systemd/system/$unit" ]; then
            systemctl mask --quiet "$unit"
            systemctl stop --quiet "$unit" 2>/dev/null || true # it may not exist
        fi
    done
}
