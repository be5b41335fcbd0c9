#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Restart this server in its maintenance window if an update of the system requires it. Never while the agent runs a step,
# and never two control-plane nodes at the same time; another control-plane node must be healthy.
#
# "maintenance MINUTES" waits for a restart to be possible, until the window ends; "maintenance booted" ends the restart
# for the other control-plane nodes. "maintenance fleet-lock" answers one request of Zincati, which restarts Fedora
# CoreOS itself, on stdin: https://coreos.github.io/zincati/development/fleetlock/protocol/
set -uo pipefail

# shellcheck source=hot/lib/step.sh
heat_outputs_path=/run/heatgen-maintenance source "${HEATGEN_LIB:-/opt/heatgen/lib}/step.sh"
heat_outputs_path=/run/heatgen-maintenance
trap - ERR

AGENT=/var/lib/heatgen-agent
NODES=/var/lib/heatgen/nodes # lines "NAME GROUP ADDRESS"
MINUTE=60                    # seconds
SLOT=10                      # minutes for the restart of a server
QUIET=10                     # minutes without a step: an update of the stack may continue with the next one
PAUSE=60                     # seconds between attempts
PATIENCE=600                 # seconds until a restart that was requested is given up
GRANTED=/run/heatgen-restart # exists while Zincati may restart the server

# restart_required: succeed if an installed update needs a restart.
restart_required() {
    if command -v rpm-ostree >/dev/null; then
        rpm-ostree status --json 2>/dev/null | jq -e '[.deployments[]? | select(.staged == true)] != []' >/dev/null
    elif command -v update_engine_client >/dev/null; then
        grep -q '^CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT' <<<"$(update_engine_client -status 2>/dev/null)"
    else
        [ -e /run/reboot-required ]
    fi
}

# activity: print what must not be interrupted; fail if there is nothing. An agent of an older version does not hold the
# lock, but the directories of its deployments show whether one is running.
activity() {
    local folder unit
    for folder in "$AGENT"/*@*; do
        if [ -d "$folder" ] && [ ! -e "$folder/done" ]; then
            folder=${folder##*/}
            echo "the step ${folder%@*} has not ended"
            return
        fi
    done
    if [ -n "$(find $AGENT -mindepth 2 -maxdepth 2 -name 'done' -mmin -$QUIET -print -quit 2>/dev/null)" ]; then
        echo "a step ended less than $QUIET minutes ago"
        return
    fi
    for unit in apt-daily-upgrade.service rpm-ostreed-automatic.service; do
        if systemctl is-active --quiet $unit || [ "$(systemctl is-active $unit 2>/dev/null)" = activating ]; then
            echo "$unit installs updates"
            return
        fi
    done
    return 1
}

# control_plane: succeed on a control-plane node.
control_plane() {
    [ -e /etc/etcd/pki/steps.crt ]
}

# other_addresses: print the addresses of the other control-plane nodes.
other_addresses() {
    awk -v own="$(node_address)" '$2 == "control" && $3 != own {print $3}' $NODES
}

# other_problem: print why this node must not restart now; fail if all other control-plane nodes are healthy.
other_problem() {
    local address message
    for address in $(other_addresses); do
        if ! message=$(heatgen_others=https://$address:2379 lock_etcdctl get /heatgen/restarting/ --prefix 2>&1); then
            echo "etcd on $address does not respond: $(tail -n 1 <<<"$message")"
            return
        fi
        if ! message=$(curl --silent --show-error --fail --max-time 5 --cacert /etc/kubernetes/pki/ca.crt \
            --cert /etc/kubernetes/pki/health.crt --key /etc/kubernetes/pki/health.key \
            "https://$address:6443/readyz" 2>&1 >/dev/null); then
            echo "the API server on $address is not ready: $(tail -n 1 <<<"$message")"
            return
        fi
    done
    return 1
}

# forget_restart: remove the marker of this node's restart, after which other control-plane nodes may restart.
forget_restart() {
    heatgen_others=$(other_addresses | sed 's|.*|https://&:2379|' | paste -sd ,)
    [ -z "$heatgen_others" ] || lock_etcdctl del "/heatgen/restarting/$(node_name)/system" >/dev/null
}

# shellcheck disable=SC2030 # a subshell on purpose
# attempt SECONDS: restart the server if nothing prevents it, else return. A subshell, because `fail` ends it; then all
# locks are released.
attempt() (
    heatgen_lock=''
    stopped=''
    trap release EXIT
    if reason=$(activity); then report "$reason"; fi
    if control_plane && [ -n "$(other_addresses)" ]; then
        if reason=$(other_problem); then report "$reason"; fi
        lock_cluster system
        [ -n "$heatgen_lock" ] || report "the lock in etcd is not available"
        # Another node may have restarted in the meantime.
        if reason=$(other_problem); then
            forget_restart
            report "$reason"
        fi
    fi
    # No step begins while this lock is held. Then the agent can be stopped: with it, processes that wait for the lock.
    [ -d $AGENT ] || install -d -m 0700 $AGENT
    exec {steps}>>$AGENT/lock
    if ! flock --exclusive --nonblock "$steps" || reason=$(activity); then
        ! control_plane || forget_restart
        report "${reason:-a step is running}"
    fi
    echo "restarting the server to complete an update of the system"
    stopped=yes
    systemctl kill --signal=KILL heatgen-agent.service 2>/dev/null
    systemctl stop heatgen-agent.service
    if reason=$(restart "$1"); then reason="the server has not restarted"; fi
    ! control_plane || forget_restart
    report "$reason"
)

# shellcheck disable=SC2031 # called by the subshell
# release: undo what an attempt has done; a server that shuts down does not start the agent any more.
release() {
    rm -f $GRANTED
    [ -z "$heatgen_lock" ] || rm -f "$heatgen_lock" "$heatgen_lock.log"
    [ -z "$stopped" ] || systemctl start --no-block heatgen-agent.service
}

# restart SECONDS: restart the server, except if a program inhibits it, and wait. On Fedora CoreOS, let Zincati restart
# it in these seconds: it unlocks the new version first. If the server cannot restart, print the reason and fail.
restart() {
    if command -v rpm-ostree >/dev/null; then
        : >$GRANTED
        sleep "$1"
    elif systemctl reboot --check-inhibitors=yes 2>&1; then
        sleep $PATIENCE
    else
        return 1
    fi
}

# report REASON: end an attempt.
report() {
    printf '%s' "$1" >$heat_outputs_path.problem
    exit 1
}

# window MINUTES: attempt a restart until the window ends. Workers have no lock in etcd; each has a part of the window,
# chosen by its index.
window() {
    local slots=$(($1 / SLOT)) name index=0 begin=0 end=$(($1 * MINUTE)) reason='' previous='' rest
    if ! control_plane; then
        name=$(node_name)
        [[ ! $name =~ -([0-9]+)$ ]] || index=$((10#${BASH_REMATCH[1]}))
        [ $slots -gt 0 ] || slots=1
        begin=$((index % slots * SLOT * MINUTE))
        [ $((begin + SLOT * MINUTE)) -gt $end ] || end=$((begin + SLOT * MINUTE))
        echo "this server may restart from $((begin / MINUTE)) to $((end / MINUTE)) minutes after the start of the window"
        sleep $begin
    fi
    while [ $SECONDS -lt $end ]; do
        if restart_required; then
            rest=$((end - SECONDS))
            attempt $((rest > MINUTE ? rest : MINUTE)) || reason=$(cat $heat_outputs_path.problem 2>/dev/null)
            [ "$reason" = "$previous" ] || echo "not restarting now: $reason"
            previous=$reason
        fi
        sleep $PAUSE
    done
    if restart_required; then
        echo "the window has ended; the server still needs a restart${reason:+: $reason}"
    else
        echo "the window has ended; no restart is required"
    fi
}

# booted: when this control-plane node serves again, allow other nodes to restart. Otherwise the marker expires, but
# nodes do not restart while another one is not healthy.
booted() {
    if ! control_plane; then return; fi
    until curl --silent --fail --max-time 5 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt \
        --cert /etc/kubernetes/pki/health.crt --key /etc/kubernetes/pki/health.key https://127.0.0.1:6443/readyz; do
        [ $SECONDS -lt $PATIENCE ] || return 0
        sleep 5
    done
    forget_restart || echo "cannot remove the marker of the restart from etcd; it expires"
}

# fleet_lock: answer one request.
fleet_lock() {
    local method path line length=0 status='404 Not Found' body='{"kind":"not_found","value":"unknown path"}'
    read -rt 10 method path _ || return 0
    while read -rt 10 line && [ -n "${line%$'\r'}" ]; do
        [[ ! ${line,,} =~ ^content-length:\ *([0-9]{1,5}) ]] || length=${BASH_REMATCH[1]}
    done
    [ "$length" = 0 ] || read -rt 10 -N "$length" line || true
    case "$method $path" in
        'POST /v1/steady-state') status='200 OK' body='{}' ;;
        'POST /v1/pre-reboot')
            status='423 Locked' body='{"kind":"locked","value":"heatgen does not allow a restart now"}'
            [ ! -e $GRANTED ] || status='200 OK' body='{}'
            ;;
    esac
    printf 'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
        "$status" "${#body}" "$body"
}

case ${1-} in
    booted) booted ;;
    fleet-lock) fleet_lock ;;
    [1-9]*) window "$1" ;;
    *) echo 'usage: maintenance MINUTES | booted | fleet-lock' >&2 && exit 2 ;;
esac
