#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A client by UDP that keeps its port, in the network of the pod that answers by the environment of
# this run. Called in the host probe:
#
#   udp.sh begin RUN ADDRESS PORT ANSWER   ask until that is the answer, eight seconds at most; ask on
#   udp.sh end   RUN ANSWER                wait until that is the answer, fifteen seconds at most
#
# Prints the last answer (- for none). A socket that stays open is what keeps the port, and busybox has
# none by UDP; the node's bash has. Exit status 127 where it has no bash.
set -u

mode=$1
run=$2
log=/tmp/udp-$run

# last: the last answer. What is not a whole line is still being written.
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
    said=$(last)
    echo "${said:--}"
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
    # One question at a time; a datagram must be read at once. It ends by itself.
    # shellcheck disable=SC2016
    timeout 45 nsenter -t "$pod" -n chroot /host "$bash" -c '
        exec 3<>"/dev/udp/$1/$2" || exit
        while :; do
            printf hostname >&3
            said=$(timeout 0.4 dd bs=512 count=1 <&3)
            echo "${said:--}"
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
