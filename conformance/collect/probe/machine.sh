# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# The host of the node: clock, disks, kernel, units, certificates. Sourced by collect.sh; POSIX sh and busybox
# only.
# shellcheck disable=SC2154

# Printed at the beginning and at the end; the suite compares it with its own clock.
clock() {
    if has date; then host date +%s.%N; else date +%s; fi
}

# File systems of the kubelet, the runtime, etcd and the root, if they exist:
# PATH BLOCK-SIZE BLOCKS FREE INODES FREE-INODES
disks() {
    for path in / /var/lib/kubelet /var/lib/containerd /var/lib/docker /var/lib/etcd; do
        [ -d "/host$path" ] || continue
        printf '%s %s\n' "$path" "$(stat -f -c '%S %b %a %c %d' "/host$path")"
    done
}

# Kernel settings by path below /proc/sys, without those that this kernel does not have.
kernel() {
    for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
        kernel/keys/root_maxkeys kernel/keys/root_maxbytes kernel/pid_max kernel/threads-max \
        kernel/hostname fs/inotify/max_user_instances fs/inotify/max_user_watches \
        net/netfilter/nf_conntrack_count net/netfilter/nf_conntrack_max; do
        if [ -r "/proc/sys/$name" ]; then printf '%s %s\n' "$name" "$(cat "/proc/sys/$name")"; fi
    done
    # The second of RUNNING/ALL.
    awk '{ split($4, tasks, "/"); print "tasks", tasks[2] }' /proc/loadavg
}

# Names of failed units, one per line.
failed_units() {
    found=$(timeout 5 nsenter -t 1 -m "$(host_path systemctl)" list-units --all --state=failed --plain --no-legend) ||
        return
    printf '%s\n' "$found" | awk '{ print $1 }'
}

# validity PATH ARGUMENT...: PATH NOT-BEFORE / PATH NOT-AFTER / PATH SUBJECT of the certificate in the
# arguments, or on standard input.
validity() {
    path=$1
    shift
    host openssl x509 "$@" -noout -subject -startdate -enddate -nameopt RFC2253 2>/dev/null |
        sed -e "s#^#$path #" -e 's/=/ /'
}

# Certificates in files and kubeconfigs; of those in the kubelet's directory the current ones.
validities() {
    existing=''
    for tree in /etc/kubernetes /etc/etcd /etc/front-proxy /var/lib/kubelet/pki; do
        if [ -d "/host$tree" ]; then existing="$existing $tree"; fi
    done
    [ -n "$existing" ] || return 0
    # shellcheck disable=SC2086 # the trees are words
    host find $existing -maxdepth 4 \( -name '*.crt' -o -name '*-current.pem' \) | head -n 60 |
        while read -r path; do validity "$path" -in "$path" </dev/null; done
    for file in /host/etc/kubernetes/*.conf /host/etc/kubernetes/*.kubeconfig; do
        [ -f "$file" ] || continue
        data=$(sed -n 's/^ *client-certificate-data: *//p' "$file" | head -n 1)
        if [ -n "$data" ]; then printf '%s' "$data" | base64 -d | validity "${file#/host}"; fi
    done
}

# generations: the numbers of changes by the agent, in the /etc of the booted ostree version, and in /var.
generations() {
    for file in /host/etc/heatgen/generation /host/var/lib/heatgen/generation; do
        if [ -s "$file" ]; then cat "$file"; else echo -; fi
    done
}

collect_machine() {
    section disks disks
    section kernel kernel
    if has systemctl; then section failed_units failed_units; else absent failed_units "the node has no systemctl"; fi
    if has openssl && has find; then section lives validities; else absent lives "the node has no openssl or no find"; fi
    on_host deployments rpm-ostree status --json
    if [ -s /host/var/lib/heatgen/generation ]; then section generations generations; else
        absent generations "the node has no versions of /etc that heatgen counts"
    fi
}
