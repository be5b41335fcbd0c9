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

# Unless the window for updates is "never", Zincati downloads updates, and sends a request to the maintenance program, at a
# local port, before it restarts the server. Its file here takes precedence over that of Ignition.
# Any client of docker.socket would start the Docker of the image, which changes the rules of the packet filter.
system_quiet() {
    local conf=/etc/zincati/config.d/95-heatgen.toml units=/etc/systemd/system text=''
    local name=heatgen-fleet-lock address=127.0.0.1:24370
    leave_interfaces
    mask_units docker.socket
    if [ "${1:-never}" != never ]; then
        text="[updates]
enabled = true
strategy = \"fleet_lock\"

[updates.fleet_lock]
base_url = \"http://$address/\""
    fi
    [ "$text" != "$(cat $conf 2>/dev/null)" ] || return 0
    if [ -n "$text" ]; then
        install_text "[Unit]
Description=Requests of Zincati before restarts

[Socket]
ListenStream=$address
Accept=yes
MaxConnections=8

[Install]
WantedBy=sockets.target" $units/$name.socket
        install_text "[Unit]
Description=Answer to a request of Zincati
CollectMode=inactive-or-failed

[Service]
ExecStart=/opt/heatgen/lib/maintenance fleet-lock
StandardInput=socket
StandardOutput=socket
StandardError=journal
RuntimeMaxSec=60" $units/$name@.service
        systemctl daemon-reload
        systemctl enable --quiet --now $name.socket
    else
        systemctl disable --quiet --now $name.socket
        rm -f $units/$name.socket $units/$name@.service
        systemctl daemon-reload
    fi
    write_or_remove "$text" $conf
    systemctl try-restart zincati.service
}
