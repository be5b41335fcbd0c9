#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A UDP client that keeps its source port, in the network namespace of the pod-network probe. Called in the
# host probe:
#
#   udp.sh begin RUN ADDRESS PORT ANSWER   send requests until that is the answer, eight seconds at most; continue
#   udp.sh end   RUN ANSWER                wait until that is the answer, fifteen seconds at most
#
# Prints the last answer (- for none). To keep the source port, the socket must stay open, which needs bash on
# the node (busybox cannot). Exit status 127 if the node has no bash.
set -u

mode=$1
run=$2
log=/tmp/udp-$run

# last: print the last answer.
last() {
    tail -n 1 "$log" 2>/dev/null
}

# await ANSWER TENTHS
await() {
    tenths=0
    while [ "$(last)" != "$1" ] && [ $tenths -lt "$2" ]; do
        tenths=$((tenths + 2))
        sleep 0.2
    done
    answer=$(last)
    echo "${answer:--}"
}

begin() {
    pod=$(grep -ls "CONFORMANCE_PROBE=$run" /proc/[0-9]*/environ | head -n 1 | sed 's#/proc/\([0-9]*\)/.*#\1#')
    for bash in /bin/bash /usr/bin/bash; do [ ! -e "/host$bash" ] || break; done
    if [ -z "$pod" ]; then
        echo "no process of the pod-network probe is on this node" >&2
        return 1
    elif [ ! -e "/host$bash" ]; then
        echo "the node has no bash" >&2
        return 127
    fi
    # One request at a time; a datagram must be read with one call. It exits by itself.
    # shellcheck disable=SC2016
    timeout 45 nsenter -t "$pod" -n chroot /host "$bash" -c '
        exec 3<>"/dev/udp/$1/$2" || exit
        while :; do
            printf hostname >&3
            answer=$(timeout 0.4 dd bs=512 count=1 <&3)
            echo "${answer:--}"
            sleep 0.3
        done' bash "$1" "$2" >"$log" 2>/dev/null </dev/null &
    echo $! >"$log.pid"
    await "$3" 80
}

shift 2
case $mode in
    begin) begin "$@" ;;
    end)
        await "$1" 150
        kill "$(cat "$log.pid")"
        ;;
esac
