# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Details of this node's etcd member: latency of its disk and peers, a hash of each member's data, and all
# listeners. Sourced by collect.sh; POSIX sh and busybox only.
# shellcheck disable=SC2154

# The metrics that checks use.
figures() {
    host curl --silent --show-error --fail --max-time 4 --cacert "$ca" --cert "$certificate" --key "$key" "$etcd/metrics" |
        grep -e '^etcd_disk_wal_fsync_duration_seconds' \
            -e '^etcd_disk_backend_commit_duration_seconds' \
            -e '^etcd_server_quota_backend_bytes'
}

# collect_etcd_later: the status and metrics again, at the end of the probe.
collect_etcd_later() {
    section etcd_status_later etcdctl endpoint status
    section etcd_figures_later figures
}

# print_backups: the node's time, and the status of its backups; status 2 if it does not exist.
print_backups() {
    [ -e "/host$backup" ] || { echo "no such file: $backup" >&2 && return 2; }
    date +%s
    cat "/host$backup"
}

# ---- peers ----

# number KEY JSON: print the value of the first such key.
number() {
    printf '%s' "$2" | grep -o "\"$1\":[0-9]*" | head -n 1 | sed 's/.*://'
}

# as_peer ARGUMENT...: curl with this member's peer certificate.
as_peer() {
    host curl --silent --http1.1 --max-time 4 --cacert "$(flag_of etcd peer-trusted-ca-file)" \
        --cert "$(flag_of etcd peer-cert-file)" --key "$(flag_of etcd peer-key-file)" "$@"
}

# copy URL REVISION: URL CODE SECONDS-TO-CONNECT ANSWER. Repeated if the member has not reached the revision.
# The peer port returns a hash of the member's data, and no data.
copy() {
    for _ in 1 2 3; do
        output=$(as_peer --request GET --data "{\"revision\":$2}" --write-out '\n%{http_code} %{time_connect}' \
            "$1/members/hashkv")
        case $output in *'future revision'*) sleep 1 ;; *) break ;; esac
    done
    codes=$(printf '%s\n' "$output" | tail -n 1)
    case $codes in [0-9][0-9][0-9]' '*) ;; *) codes='000 0' output='no answer in time' ;; esac
    printf '%s %s %s %s\n' "$1" "${codes% *}" "$(shortest "$1" "${codes#* }")" "$(printf '%s\n' "$output" | head -n 1)"
}

# shortest URL SECONDS: if the first connection took long, the minimum of a few: the latency of a path delays
# each of them, a busy node only some.
shortest() {
    least=$2
    for _ in 1 2 3 4; do
        case $least in 0 | 0.0[0-4]*) break ;; esac
        sleep 0.2
        again=$(as_peer --output /dev/null --write-out '%{time_connect}' "$1/version") || continue
        least=$(printf '%s\n' "$least" "$again" | sort -n | head -n 1)
    done
    printf '%s' "$least"
}

# The hash of each member's data at one revision, in parallel.
copies() {
    status=$(etcdctl endpoint status) || return 1
    urls=$(etcdctl member list | grep -o '"peerURLs":\["[^"]*"' | sed 's/.*\["//; s/"$//')
    for url in $urls; do copy "$url" "$(number revision "$status")" & done
    wait
}

# ---- ports ----

# ports_of PID: print ADDRESS:PORT of its listening TCP sockets, in the kernel's hexadecimal.
ports_of() {
    # shellcheck disable=SC2012 # the names are numbers
    sockets=$(ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
    awk -v sockets=" $sockets" '$4 == "0A" && index(sockets, " " $10 " ") { print $2 }' /proc/net/tcp /proc/net/tcp6 | sort -u
}

# printable HEX: print an address for curl: localhost for the unspecified address, nothing for other IPv6
# addresses.
printable() {
    case ${1%:*} in
        00000000 | 00000000000000000000000000000000) address=127.0.0.1 ;;
        ????????)
            hex=${1%:*}
            address=$(printf '%d.%d.%d.%d' "0x${hex#??????}" "0x$(printf '%.2s' "${hex#????}")" \
                "0x$(printf '%.2s' "${hex#??}")" "0x$(printf '%.2s' "$hex")")
            ;;
        *) return 0 ;;
    esac
    printf '%s:%d' "$address" "0x${1##*:}"
}

# ADDRESS:PORT PLAIN ANONYMOUS: the HTTP codes of /version over plain HTTP, and over TLS without a certificate;
# 000: no answer.
listener_codes() {
    for found in $(ports_of "$(process etcd)"); do
        at=$(printable "$found")
        if [ -n "$at" ]; then codes_of_listener "$at" & fi
    done
    wait
}

codes_of_listener() {
    printf '%s %s %s\n' "$1" "$(code_only "http://$1/version")" "$(code_only --insecure "https://$1/version")"
}

code_only() {
    host curl --silent --output /dev/null --write-out '%{http_code}' --max-time 3 "$@"
}

collect_store() {
    if ! has curl; then
        absent etcd_figures "the node has no curl"
        absent etcd_copies "the node has no curl"
        absent etcd_entrances "the node has no curl"
        return 0
    fi
    aside section etcd_figures figures
    aside section etcd_entrances listener_codes
    if [ -z "$(flag_of etcd peer-key-file)" ]; then
        absent etcd_copies "etcd's flags contain no peer certificate"
    elif [ "$(number dbSize "$(etcdctl endpoint status)")" -gt 2147483648 ]; then
        absent etcd_copies "etcd's database is too large to compute its hash in a check"
    else
        aside section etcd_copies copies
    fi
}
