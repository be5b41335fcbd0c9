#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Throughput between nodes: between the hosts, and between their pods. In the host probe:
#
#   throughput.sh take RUN PORT             receive in both networks; exits by itself
#   throughput.sh send RUN PORT HOST POD    send to both, twice, in turn: lines of host|pod MILLISECONDS, or
#                                           host|pod - REASON
#
# The sender waits until the receiver has read all data. A small amount is sent between the hosts first, to
# choose an amount that takes a third of a second, at most 64 MiB.
set -u

readonly BLOCK=65536 LITTLE=64 MOST=1024 AIM=300

mode=$1
run=$2
port=$3
pod=$(grep -ls "CONFORMANCE_PROBE=$run" /proc/[0-9]*/environ | head -n 1 | sed 's#/proc/\([0-9]*\)/.*#\1#')
[ -n "$pod" ] || { echo "no process of the pod-network probe is on this node" >&2 && exit 1; }

milliseconds() {
    read -r up _ </proc/uptime
    printf '%s0' "${up%.*}${up#*.}"
}

# take COUNT COMMAND...: accept a number of connections, one after another
take() {
    count=$1
    shift
    while [ "$count" -gt 0 ]; do
        count=$((count - 1))
        timeout 20 "$@" busybox nc -l -p "$port" -e sh -c 'cat >/dev/null'
    done
}

# send BLOCKS KIND ADDRESS COMMAND...
send() {
    blocks=$1
    kind=$2
    address=$3
    shift 3
    tries=0
    while [ $tries -lt 10 ]; do
        start=$(milliseconds)
        if problem=$(dd if=/dev/zero bs=$BLOCK count="$blocks" 2>/dev/null |
            timeout 10 "$@" busybox nc -w 4 "$address" "$port" 2>&1 >/dev/null); then
            spent=$(($(milliseconds) - start))
            printf '%s %s\n' "$kind" $spent
            return
        fi
        # The receiver does not listen yet. After a long wait, packets are dropped: do not retry.
        [ $(($(milliseconds) - start)) -lt 2000 ] || break
        tries=$((tries + 1))
        sleep 0.3
    done
    printf '%s - %s\n' "$kind" "${problem:-not within 10 s}"
    return 1
}

send_all() {
    send $LITTLE little "$1" env || return 0
    much=$((LITTLE * AIM / (spent + 1)))
    [ $much -ge $LITTLE ] || much=$LITTLE
    [ $much -le $MOST ] || much=$MOST
    for _ in 1 2; do
        send $much host "$1" env
        send $much pod "$2" nsenter -t "$pod" -n
    done
}

case $mode in
    take)
        # Runs in the background; exec would wait for processes that have its output open.
        (exec >/dev/null 2>&1 </dev/null && take 3 env) &
        (exec >/dev/null 2>&1 </dev/null && take 2 nsenter -t "$pod" -n) &
        ;;
    send) send_all "$4" "$5" ;;
esac
exit 0
