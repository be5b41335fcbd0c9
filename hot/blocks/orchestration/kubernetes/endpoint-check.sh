#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What keepalived asks every other second: endpoint-check alive|ready|holder ADDRESS
set -euo pipefail

# ask SECONDS QUERY: curl's exit status for this server's own apiserver.
ask() {
    curl --silent --fail --max-time "$1" --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
        --cert /etc/kubernetes/pki/health.crt --key /etc/kubernetes/pki/health.key \
        "https://127.0.0.1:6443/readyz$2"
}

case $1 in
alive)
    # A step restarts etcd or the apiserver here, in this server's turn: the address goes before they do.
    ! compgen -G '/run/heatgen-*.rolling' >/dev/null || exit 1
    # It listens, and does not say that it starts or stops. A slow one is alive: on a busy server it may
    # still be the best there is, and each move of the address breaks every connection.
    status=0
    ask 2 '?exclude=etcd&exclude=etcd-readiness' || status=$?
    [ $status = 0 ] || [ $status = 28 ]
    ;;
ready)
    # It has its storage, too, and answers soon.
    ask 2 ''
    ;;
holder)
    [ -n "$(ip -4 -oneline address show to "$2/32")" ]
    ;;
*)
    echo "usage: endpoint-check alive|ready|holder ADDRESS" >&2
    exit 2
    ;;
esac
