#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dracut module: Ignition writes to the /var of the ostree deployment.

check() {
    return 255 # only if requested
}

depends() {
    echo ignition ostree
}

# dracut sets these variables.
# shellcheck disable=SC2154
install() {
    local unit=lab-mount-var.service
    inst_multiple cp mount rm umount systemd-tmpfiles
    inst_simple "$moddir/setfiles" /usr/sbin/setfiles
    cp -r "$moddir/selinux" "$initdir/usr/lib/lab-selinux"
    inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
    mkdir -p "$initdir/$systemdsystemunitdir/initrd.target.wants"
    ln_r "$systemdsystemunitdir/$unit" "$systemdsystemunitdir/initrd.target.wants/$unit"
}
