#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mount the volume for etcd's data. Only an empty volume is formatted.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

data=/var/lib/etcd
label=heatgen-etcd

# Nova sets the serial number of a disk to the volume's id; virtio truncates it to 20 characters.
find_device() {
    local link
    for link in /dev/disk/by-id/*"${ETCD_VOLUME:0:20}"*; do
        if [[ $link != *-part* && -b $link ]]; then
            printf '%s' "$link"
            return
        fi
    done
    echo "no disk has its id as serial number"
    return 1
}
wait_for 120 "the volume $ETCD_VOLUME is attached (/dev/disk/by-id)" find_device
device=$(find_device)

# blkid reports an unreadable disk as empty.
message=$(head --bytes 4096 "$device" 2>&1 >/dev/null) || fail "cannot read the volume $ETCD_VOLUME: $message"
status=0
found=$(blkid --probe --output export "$device") || status=$?
case $status in
    0) ;;
    2) found='' ;;
    *) fail "cannot determine the content of the volume $ETCD_VOLUME (blkid: exit status $status)" ;;
esac

if ! mountpoint --quiet $data; then
    # A mount would hide the data, and this member would start without it.
    [ ! -e $data/member ] ||
        fail "etcd's data is on the server's disk and is not moved to the volume automatically." \
            "If there are other control-plane nodes, replace the servers (openstack stack resource mark unhealthy)" \
            "one at a time"
    if [ $status = 2 ]; then
        message=$(mkfs.ext4 -q -m 0 -L $label "$device" 2>&1) ||
            fail "cannot format the volume $ETCD_VOLUME: $(tail -n 1 <<<"$message")"
    elif ! grep -qx "LABEL=$label" <<<"$found"; then
        fail "the volume $ETCD_VOLUME is not empty ($(tr '\n' ' ' <<<"$found")) and is not formatted:" \
            "replace it (openstack stack resource mark unhealthy)"
    fi
fi

# The unit mounts the volume before etcd starts, also after a boot.
install_text "[Unit]
Description=etcd data
Before=etcd.service

[Mount]
What=$device
Where=$data
Type=ext4
Options=noatime

[Install]
RequiredBy=etcd.service" /etc/systemd/system/var-lib-etcd.mount
systemctl daemon-reload
systemctl enable --quiet var-lib-etcd.mount
systemctl start var-lib-etcd.mount ||
    fail "cannot mount the volume $ETCD_VOLUME:" \
        "$(journalctl --unit var-lib-etcd.mount --no-pager --output cat --lines 3 2>/dev/null)"

# On a replacement server the user may have a different UID.
system_user etcd
[ "$(stat --format %U $data)" = etcd ] || chown --recursive etcd:etcd $data

echo "etcd stores its data on the volume $ETCD_VOLUME ($device)."
