# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# The part of collect.sh that looks at the machine under the node: its clock, disks, kernel, units, and the
# certificates that lie on it. Sourced by it; POSIX sh and busybox, too.
# shellcheck disable=SC2154

# Told at the beginning and at the end: whoever asked knows his own time before and after.
clock() {
    if has date; then host date +%s.%N; else date +%s; fi
}

# What fills up: the kubelet's disk, the runtime's, etcd's, the root.
# PATH BLOCK-SIZE BLOCKS FREE INODES FREE-INODES, each that is there.
disks() {
    for path in / /var/lib/kubelet /var/lib/containerd /var/lib/docker /var/lib/etcd; do
        [ -d "/host$path" ] || continue
        printf '%s %s\n' "$path" "$(stat -f -c '%S %b %a %c %d' "/host$path")"
    done
}

# Settings of the kernel by their path below /proc/sys, without those that this kernel has not got.
kernel() {
    for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
        kernel/keys/root_maxkeys kernel/keys/root_maxbytes kernel/pid_max kernel/threads-max \
        fs/inotify/max_user_instances fs/inotify/max_user_watches \
        net/netfilter/nf_conntrack_count net/netfilter/nf_conntrack_max; do
        if [ -r "/proc/sys/$name" ]; then printf '%s %s\n' "$name" "$(cat "/proc/sys/$name")"; fi
    done
    # The second of RUNNING/ALL.
    awk '{ split($4, tasks, "/"); print "tasks", tasks[2] }' /proc/loadavg
}

# UNIT, one a line, of all that systemd calls failed.
failed_units() {
    found=$(timeout 5 nsenter -t 1 -m "$(host_path systemctl)" list-units --all --state=failed --plain --no-legend) ||
        return
    printf '%s\n' "$found" | awk '{ print $1 }'
}

# life PATH ARGUMENT...: PATH NOT-BEFORE / PATH NOT-AFTER / PATH SUBJECT of the certificate that the
# arguments name, else of that on standard input.
life() {
    path=$1
    shift
    host openssl x509 "$@" -noout -subject -startdate -enddate -nameopt RFC2253 2>/dev/null |
        sed -e "s#^#$path #" -e 's/=/ /'
}

# Certificates as files, and within kubeconfigs; of a kubelet's own those that it goes by now.
lives() {
    there=''
    for tree in /etc/kubernetes /etc/etcd /etc/front-proxy /var/lib/kubelet/pki; do
        if [ -d "/host$tree" ]; then there="$there $tree"; fi
    done
    [ -n "$there" ] || return 0
    # shellcheck disable=SC2086 # the trees are words
    host find $there -maxdepth 4 \( -name '*.crt' -o -name '*-current.pem' \) | head -n 60 |
        while read -r path; do life "$path" -in "$path" </dev/null; done
    for file in /host/etc/kubernetes/*.conf /host/etc/kubernetes/*.kubeconfig; do
        [ -f "$file" ] || continue
        data=$(sed -n 's/^ *client-certificate-data: *//p' "$file" | head -n 1)
        if [ -n "$data" ]; then printf '%s' "$data" | base64 -d | life "${file#/host}"; fi
    done
}

collect_machine() {
    section disks disks
    section kernel kernel
    if has systemctl; then section failed_units failed_units; else absent failed_units "the node has no systemctl"; fi
    if has openssl && has find; then section lives lives; else absent lives "the node has no openssl or no find"; fi
    on_host deployments rpm-ostree status --json
}
