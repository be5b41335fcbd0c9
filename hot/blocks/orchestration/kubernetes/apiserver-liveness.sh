#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Restart the API server on this node when its liveness check fails, as the kubelet does for a static pod. An API
# server that has lost its etcd member keeps its connections open and sends no more watch events, so that clients
# (CoreDNS, operators) use stale data for up to an hour. A restart closes the connections, and the clients connect
# to another API server. It is not restarted if that would help neither its clients nor itself.
set -euo pipefail

PAUSE=5      # seconds; kubeadm's probe runs every ten seconds and fails after eight failures
FAILURES=6   # half a minute if requests fail at once, three times as long if they time out
FORGIVEN=120 # successful checks (ten minutes) after which FAILURES applies again
NODES=/var/lib/heatgen/nodes # lines "NAME GROUP ADDRESS"

# request AUTHORITY URL: print the response; fail unless its status is a success.
request() {
    curl --silent --show-error --fail-with-body --max-time 10 --cacert "/etc/$1/pki/ca.crt" \
        --cert "/etc/$1/pki/health.crt" --key "/etc/$1/pki/health.key" "$2" 2>&1
}

# must_run: succeed if the service is active and no step is restarting it.
must_run() {
    systemctl is-active --quiet kube-apiserver.service && ! compgen -G '/run/heatgen-*.rolling' >/dev/null
}

# restart_helps: succeed if another API server is ready to serve the clients, or if etcd is not the cause.
restart_helps() {
    local address others
    mapfile -t others < <(awk -v own="$NODE_ADDRESS" '$2 == "control" && $3 != own {print $3}' "$NODES")
    for address in "${others[@]}"; do
        if request kubernetes "https://$address:6443/readyz" >/dev/null; then return; fi
    done
    request etcd https://127.0.0.1:2379/readyz >/dev/null
}

failures=0 limit=$FAILURES successes=0 reported=''
while true; do
    if ! must_run; then
        failures=0
    elif response=$(request kubernetes https://127.0.0.1:6443/livez); then
        failures=0 reported=''
        ((++successes < FORGIVEN)) || limit=$FAILURES
    elif ((++failures >= limit)); then
        failures=0
        reason=$(grep --max-count 1 '^\[-\]' <<<"$response" || tail -n 1 <<<"$response")
        if restart_helps; then
            echo "kube-apiserver is unhealthy; restarting it: $reason"
            # On SIGTERM it would wait for requests that wait for etcd (observed: until systemd killed it).
            systemctl kill --signal=KILL kube-apiserver.service
            # Back off after each restart, as the kubelet does, up to five minutes.
            limit=$((limit < 30 ? 2 * limit : 60)) successes=0
        elif [ -z "$reported" ]; then
            echo "kube-apiserver is unhealthy, but so are etcd and all other API servers; not restarting it: $reason"
            reported=1
        fi
    fi
    sleep $PAUSE
done
