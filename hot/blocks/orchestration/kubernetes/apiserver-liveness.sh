#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start this server's apiserver again when it does not live, as a kubelet does with one that is a static
# pod. One that has lost its etcd member keeps its connections open and says nothing more on its watches:
# who hangs on them (a CoreDNS, an operator) believes for up to an hour what it knew. Started again it
# breaks them, and they go to another server. Where nobody would be better off it is left alone.
set -euo pipefail

PAUSE=5      # seconds; kubeadm's probe asks every ten and gives up after eight
FAILURES=6   # that is half a minute where the answer is no, and three times that where none comes
FORGIVEN=120 # after so many times yes, ten minutes, it is as if it had never been started again
NODES=/var/lib/heatgen/nodes # lines "NAME GROUP ADDRESS"

# ask AUTHORITY URL: what it says; fails if that is not yes.
ask() {
    curl --silent --show-error --fail-with-body --max-time 10 --cacert "/etc/$1/pki/ca.crt" \
        --cert "/etc/$1/pki/health.crt" --key "/etc/$1/pki/health.key" "$2" 2>&1
}

# is_expected: does it run, and is it not its turn to be restarted by a step?
is_expected() {
    systemctl is-active --quiet kube-apiserver.service && ! compgen -G '/run/heatgen-*.rolling' >/dev/null
}

# helps: who would be better off? Its clients, if another server is ready; or itself, if etcd is not to blame.
helps() {
    local address others
    mapfile -t others < <(awk -v own="$NODE_ADDRESS" '$2 == "control" && $3 != own {print $3}' "$NODES")
    for address in "${others[@]}"; do
        if ask kubernetes "https://$address:6443/readyz" >/dev/null; then return; fi
    done
    ask etcd https://127.0.0.1:2379/readyz >/dev/null
}

failures=0 patience=$FAILURES lived=0 told=''
while true; do
    if ! is_expected; then
        failures=0
    elif said=$(ask kubernetes https://127.0.0.1:6443/livez); then
        failures=0 told=''
        ((++lived < FORGIVEN)) || patience=$FAILURES
    elif ((++failures >= patience)); then
        failures=0
        reason=$(grep --max-count 1 '^\[-\]' <<<"$said" || tail -n 1 <<<"$said")
        if helps; then
            echo "kube-apiserver does not live and is started again: $reason"
            # Asked to stop it would wait for requests that wait for etcd (seen: until systemd killed it).
            systemctl kill --signal=KILL kube-apiserver.service
            # What is started again and again gets more time, as from a kubelet: five minutes at most.
            patience=$((patience < 30 ? 2 * patience : 60)) lived=0
        elif [ -z "$told" ]; then
            echo "kube-apiserver does not live, but neither does another, nor etcd: it is left alone: $reason"
            told=1
        fi
    fi
    sleep $PAUSE
done
