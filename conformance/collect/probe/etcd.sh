# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# The part of collect.sh that looks deeper into this node's etcd member: how fast its disk and its peers are,
# whether its data are those of the others, and every port that it listens on. Sourced by it; POSIX sh, too.
# shellcheck disable=SC2154

# Of etcd's own figures those that are judged; the rest is a thousand lines.
figures() {
    host curl --silent --show-error --fail --max-time 4 --cacert "$ca" --cert "$certificate" --key "$key" "$etcd/metrics" |
        grep -e '^etcd_disk_wal_fsync_duration_seconds' \
            -e '^etcd_disk_backend_commit_duration_seconds' \
            -e '^etcd_server_quota_backend_bytes'
}

# look_again: the member's state and figures at the end, too: what went on between is the difference.
look_again() {
    section etcd_status_later etcdctl endpoint status
    section etcd_figures_later figures
}

# ---- the peers, as this member reaches them ----

# number KEY JSON: the value of the first such key.
number() {
    printf '%s' "$2" | grep -o "\"$1\":[0-9]*" | head -n 1 | sed 's/.*://'
}

# as_peer ARG...: curl with the certificate of a member.
as_peer() {
    host curl --silent --http1.1 --max-time 4 --cacert "$(flag_of etcd peer-trusted-ca-file)" \
        --cert "$(flag_of etcd peer-cert-file)" --key "$(flag_of etcd peer-key-file)" "$@"
}

# copy URL REVISION: URL CODE SECONDS-TO-CONNECT ANSWER. A member that has not got there yet is asked again.
# Its peers' port hashes what a member holds, by the certificate of a member; nothing of it is told.
copy() {
    for _ in 1 2 3; do
        said=$(as_peer --request GET --data "{\"revision\":$2}" --write-out '\n%{http_code} %{time_connect}' \
            "$1/members/hashkv")
        case $said in *'future revision'*) sleep 1 ;; *) break ;; esac
    done
    codes=$(printf '%s\n' "$said" | tail -n 1)
    case $codes in [0-9][0-9][0-9]' '*) ;; *) codes='000 0' said='no answer in time' ;; esac
    printf '%s %s %s %s\n' "$1" "${codes% *}" "$(shortest "$1" "${codes#* }")" "$(printf '%s\n' "$said" | head -n 1)"
}

# shortest URL SECONDS: to connect, the least of a few times if the first took long: a far member is far each
# time, a node that is busy only makes one wait.
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

# The members' data at one revision, each by itself, all at once.
copies() {
    status=$(etcdctl endpoint status) || return 1
    urls=$(etcdctl member list | grep -o '"peerURLs":\["[^"]*"' | sed 's/.*\["//; s/"$//')
    for url in $urls; do copy "$url" "$(number revision "$status")" & done
    wait
}

# ---- ports ----

# ports_of PID: ADDRESS:PORT in the kernel's hexadecimal of every TCP socket that it listens on.
ports_of() {
    # shellcheck disable=SC2012 # the names are numbers
    sockets=$(ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
    awk -v sockets=" $sockets" '$4 == "0A" && index(sockets, " " $10 " ") { print $2 }' /proc/net/tcp /proc/net/tcp6 | sort -u
}

# written HEX: an address as curl wants it. One for all addresses is asked at this node itself; other ones of
# IPv6 than that are left alone.
written() {
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

# ADDRESS:PORT PLAIN STRANGER: the HTTP codes that /version gets over plain HTTP, and over TLS without a
# certificate; 000 is no answer.
entrances() {
    for found in $(ports_of "$(process etcd)"); do
        at=$(written "$found")
        if [ -n "$at" ]; then entrance "$at" & fi
    done
    wait
}

entrance() {
    printf '%s %s %s\n' "$1" "$(knock "http://$1/version")" "$(knock --insecure "https://$1/version")"
}

knock() {
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
    aside section etcd_entrances entrances
    if [ -z "$(flag_of etcd peer-key-file)" ]; then
        absent etcd_copies "etcd's certificate for its peers is not told by its flags"
    elif [ "$(number dbSize "$(etcdctl endpoint status)")" -gt 2147483648 ]; then
        absent etcd_copies "etcd's database is too large to be hashed by the way"
    else
        aside section etcd_copies copies
    fi
}
