#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mount the volume for etcd's data. Only a volume that holds nothing at all is formatted.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

data=/var/lib/etcd
label=heatgen-etcd

# Nova gives a disk its volume's id as serial number; virtio keeps the first 20 characters.
find_device() {
    local link
    for link in /dev/disk/by-id/*"${ETCD_VOLUME:0:20}"*; do
        if [[ $link != *-part* && -b $link ]]; then
            printf '%s' "$link"
            return
        fi
    done
    echo "nothing there has its id as serial number"
    return 1
}
wait_for 120 "the volume $ETCD_VOLUME is in /dev/disk/by-id" find_device
device=$(find_device)

# A disk that cannot be read looks as empty to blkid as an empty one.
said=$(head --bytes 4096 "$device" 2>&1 >/dev/null) || fail "cannot read the volume $ETCD_VOLUME: $said"
status=0
found=$(blkid --probe --output export "$device") || status=$?
case $status in
    0) ;;
    2) found='' ;;
    *) fail "cannot tell what is on the volume $ETCD_VOLUME (blkid: status $status)" ;;
esac

if ! mountpoint --quiet $data; then
    # Mounted over, the data would be hidden, and this member would begin anew.
    [ ! -e $data/member ] ||
        fail "etcd's data lies on the server's own disk: it does not move to a volume by itself." \
            "Replace the server (openstack stack resource mark unhealthy), one at a time, if there are others"
    if [ $status = 2 ]; then
        said=$(mkfs.ext4 -q -m 0 -L $label "$device" 2>&1) ||
            fail "cannot format the volume $ETCD_VOLUME: $(tail -n 1 <<<"$said")"
    elif ! grep -qx "LABEL=$label" <<<"$found"; then
        fail "the volume $ETCD_VOLUME holds something else ($(tr '\n' ' ' <<<"$found")):" \
            "it is not formatted over. Replace it (openstack stack resource mark unhealthy)"
    fi
fi

# By its unit the volume is there before etcd starts, also after a boot.
install_text "[Unit]
Description=Data of etcd
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

# On a server that took another's place the user may have another number.
system_user etcd
[ "$(stat --format %U $data)" = etcd ] || chown --recursive etcd:etcd $data

echo "etcd's data lies on the volume $ETCD_VOLUME ($device)."
