#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks that keepalived runs every one or two seconds: endpoint-check alive|ready|holder ADDRESS
set -euo pipefail

# request SECONDS QUERY: return curl's exit status for the readiness of the API server on this node.
request() {
    curl --silent --fail --max-time "$1" --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
        --cert /etc/kubernetes/pki/health.crt --key /etc/kubernetes/pki/health.key \
        "https://127.0.0.1:6443/readyz$2"
}

case $1 in
alive)
    # A step is about to restart etcd or the API server: release the address first.
    ! compgen -G '/run/heatgen-*.rolling' >/dev/null || exit 1
    # The API server listens and is neither starting nor stopping. A slow one (timeout, 28) is alive: all others
    # may be slower, and each move of the address breaks every connection.
    status=0
    request 2 '?exclude=etcd&exclude=etcd-readiness' || status=$?
    [ $status = 0 ] || [ $status = 28 ]
    ;;
ready)
    # It has its storage as well, and responds in time.
    request 2 ''
    ;;
holder)
    [ -n "$(ip -4 -oneline address show to "$2/32")" ]
    ;;
*)
    echo "usage: endpoint-check alive|ready|holder ADDRESS" >&2
    exit 2
    ;;
esac
