# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: rolling restarts of control-plane services.
# heatgen inserts the part after the first blank line in place of the line in step.sh that sources it.
# step.sh sets the variables.
# shellcheck disable=SC2154

# roll_unit NAME CHECK [--link FILE]... FILE...: like start_unit, for services that may restart on one control-plane
# node at a time. A restart, and the links to new programs before it, hold the cluster-wide lock until the function
# CHECK succeeds. A running service is not restarted before the other nodes can serve without it: otherwise retries of
# an update that breaks it would break it on one node after the other.
roll_unit() {
    local unit=$1 check=$2 rolling=/run/heatgen-$1.rolling message
    shift 2
    parse_unit "$unit" "$@"
    if [ ! -e "$rolling" ] && { unit_current "$unit" ||
        { [ ! -e "/run/heatgen-$unit.state" ] && ! systemctl is-active --quiet "$unit.service"; }; }; then
        start_unit "$unit" "$@"
        return
    fi
    lock_cluster "$unit"
    touch "$rolling" # until the service responds, so that a failed step resumes here
    sleep 3          # keepalived sees this file and moves the API address before the service stops
    start_unit "$unit" "$@"
    wait_unit 120 "$unit" "$unit responds after its restart" "$check"
    [ -z "$heatgen_lock" ] || message=$(retry_etcdctl del "/heatgen/restarting/$(node_name)/$unit") ||
        fail "cannot remove the restart marker of $unit from etcd: $(tail -n 1 <<<"$message")"
    rm -f "$rolling"
    unlock_cluster
}

# lock_etcdctl ARGUMENTS...: run etcdctl with the certificate of the steps, which grants access to /heatgen/
# only. It connects to the members on other control-plane nodes, so that the lock survives a restart of the
# local member.
lock_etcdctl() {
    "$heatgen_bin/etcdctl" --endpoints "$heatgen_others" --dial-timeout 3s --command-timeout 5s \
        --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/steps.crt --key /etc/etcd/pki/steps.key "$@"
}

# retry_etcdctl ARGUMENTS...: the same, up to five times: requests fail while the members elect a leader. Print the output.
retry_etcdctl() {
    local attempt message
    for attempt in 1 2 3 4 5; do
        if message=$(lock_etcdctl "$@" 2>&1); then
            printf '%s\n' "$message"
            return 0
        fi
        [ "$attempt" = 5 ] || sleep 3
    done
    printf '%s\n' "$message"
    return 1
}

# lock_cluster NAME: acquire the lock for a restart of this service. There is no lock without other control-plane
# nodes, or if no etcd member responds. A node that does not come back from a restart blocks all further restarts.
lock_cluster() {
    local planned message='' responding='' lease pending end=$((SECONDS + 150 * heatgen_factor))
    heatgen_lock=''
    planned=$(awk -v own="$(node_address)" '$2 == "control" && $3 != own {print "https://" $3 ":2379"}' \
        /var/lib/heatgen/nodes 2>/dev/null) || true
    # Exclude members that are down, and learners, which do not serve these requests.
    for heatgen_others in $planned; do
        if message=$(lock_etcdctl get /heatgen/restarting/ --prefix 2>&1); then responding+=,$heatgen_others; fi
    done
    heatgen_others=${responding#,}
    if [ -z "$heatgen_others" ]; then
        [ -n "$planned" ] || return 0
        await_spare "$1"
        echo "Restarting $1 without the restart lock, because etcd does not respond: $(tail -n 1 <<<"$message")"
        return 0
    fi
    hold_lock "$1"
    while pending=$(restarting_elsewhere); [ -n "$pending" ]; do
        unlock_cluster
        [ $SECONDS -lt $end ] || fail "$1 is not restarted on this node, because ${pending//$'\n'/, }." \
            "Check the services on the other nodes (journalctl --unit etcd --unit kube-apiserver)," \
            "then update the stack"
        sleep 3
        hold_lock "$1"
    done
    await_spare "$1"
    # The marker is removed when the service responds; otherwise it expires.
    message=$(retry_etcdctl lease grant 600) ||
        fail "etcd did not grant a lease for the restart of $1: $(tail -n 1 <<<"$message")"
    lease=$(sed -n 's/^lease \([0-9a-f]*\) granted.*/\1/p' <<<"$message")
    [ -n "$lease" ] || fail "cannot read the lease for the restart of $1: $(tail -n 1 <<<"$message")"
    message=$(retry_etcdctl put --lease "$lease" "/heatgen/restarting/$(node_name)/$1" now) ||
        fail "cannot write the restart marker of $1 to etcd: $(tail -n 1 <<<"$message")"
}

# await_spare NAME: if the service is running, wait until the step's function `spare` reports that the other
# nodes can serve without it.
await_spare() {
    ! systemctl is-active --quiet "$1.service" ||
        wait_for 120 "the other nodes can serve without $1 of this node" spare
}

# restarting_elsewhere: print a reason for each service on another node that has not come back from a restart.
restarting_elsewhere() {
    local markers
    markers=$(lock_etcdctl get /heatgen/restarting/ --prefix --keys-only 2>&1) ||
        { echo "the restart markers cannot be read from etcd: $(tail -n 1 <<<"$markers")" && return; }
    sed -n 's|^/heatgen/restarting/||p' <<<"$markers" | grep -v "^$(node_name)/" |
        sed 's/$/ has not come back from a restart/' || true
}

# hold_lock NAME: acquire the lock; etcdctl holds it as long as the lock file exists and this shell runs. If etcdctl fails,
# try again for a while: the session of its lock expires if etcd is slow, for example during the election of a leader.
hold_lock() {
    local end=$((SECONDS + 400 * heatgen_factor)) last_attempt=$((SECONDS + 90 * heatgen_factor))
    heatgen_lock=/run/heatgen-lock.$BASHPID
    start_lock_holder
    until [ -e "$heatgen_lock" ]; do
        if ! kill -0 $heatgen_holder 2>/dev/null; then
            [ $SECONDS -lt $last_attempt ] ||
                fail "cannot acquire the lock to restart $1: $(tail -n 1 "$heatgen_lock.log")"
            sleep 2
            start_lock_holder
        elif [ $SECONDS -ge $end ]; then
            kill $heatgen_holder
            fail "cannot acquire the lock to restart $1: another node holds the etcd lock /heatgen/restart"
        fi
        sleep 0.2
    done
}
start_lock_holder() {
    # shellcheck disable=SC2016
    (trap - ERR && lock_etcdctl lock --ttl 30 -- /heatgen/restart bash -c \
        ': >"$1"; while [ -e "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 0.2; done' \
        lock "$heatgen_lock" $$) >"$heatgen_lock.log" 2>&1 {heatgen_stderr}>&- &
    heatgen_holder=$!
}

# unlock_cluster: release the lock.
unlock_cluster() {
    [ -n "$heatgen_lock" ] || return 0
    rm -f "$heatgen_lock" "$heatgen_lock.log"
    wait "$heatgen_holder" || true
}
