# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: restarts of control-plane services, one server after the other.
# heatgen puts what follows the first blank line in place of the line in step.sh that sources it.
# The variables are those of step.sh.
# shellcheck disable=SC2154

# roll_unit NAME CHECK FILE...: as start_unit, for services of which one control-plane server after the
# other may restart. A restart holds the cluster's lock until the function CHECK succeeds. A service that
# runs is not touched before the others can do without it: else an update that breaks it would, tried
# again, break it on one server after the other.
roll_unit() {
    local unit=$1 check=$2 rolling=/run/heatgen-$1.rolling
    shift 2
    if [ ! -e "$rolling" ] && { unit_current "$unit" "$@" ||
        { [ ! -e "/run/heatgen-$unit.state" ] && ! systemctl is-active --quiet "$unit.service"; }; }; then
        start_unit "$unit" "$@"
        return
    fi
    lock_cluster "$unit"
    touch "$rolling" # until it answers: a step that fails here goes on here
    sleep 3          # keepalived sees the mark, and the API's address moves before the service stops
    start_unit "$unit" "$@"
    wait_unit 120 "$unit" "$unit answers after its restart" "$check"
    [ -z "$heatgen_lock" ] || lock_etcdctl del "/heatgen/restarting/$(node_name)/$unit" >/dev/null ||
        fail "cannot tell etcd that $unit is back"
    rm -f "$rolling"
    unlock_cluster
}

# lock_etcdctl ARGUMENTS...: etcdctl with the steps' certificate, which is good for /heatgen/ alone, at
# the members of the other control-plane servers: so a lock outlives the restart of this one's member.
lock_etcdctl() {
    "$heatgen_bin/etcdctl" --endpoints "$heatgen_others" --dial-timeout 3s --command-timeout 5s \
        --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/steps.crt --key /etc/etcd/pki/steps.key "$@"
}

# lock_cluster WHAT: wait for this server's turn to restart. Without another server there is nothing to wait
# for, and when etcd does not answer no turn. A server that did not come back ends everybody's turn.
lock_cluster() {
    local planned said='' able='' lease broken end=$((SECONDS + 150))
    heatgen_lock=''
    planned=$(awk -v own="$(node_address)" '$2 == "control" && $3 != own {print "https://" $3 ":2379"}' \
        /var/lib/heatgen/nodes 2>/dev/null) || true
    # Those who can be asked: one that is gone cannot, nor one that has just come and does not vote yet.
    for heatgen_others in $planned; do
        if said=$(lock_etcdctl get /heatgen/restarting/ --prefix 2>&1); then able+=,$heatgen_others; fi
    done
    heatgen_others=${able#,}
    if [ -z "$heatgen_others" ]; then
        [ -n "$planned" ] || return 0
        await_spare "$1"
        echo "$1 restarts without waiting its turn, etcd does not answer: $(tail -n 1 <<<"$said")"
        return 0
    fi
    hold_lock "$1"
    while broken=$(restarting_elsewhere); [ -n "$broken" ]; do
        unlock_cluster
        [ $SECONDS -lt $end ] || fail "${broken//$'\n'/, } did not come back from a restart, so $1 is not restarted here." \
            "Look at the services there (journalctl --unit etcd --unit kube-apiserver), then update the stack"
        sleep 3
        hold_lock "$1"
    done
    await_spare "$1"
    # The mark goes when this server is back, or by itself after a while.
    lease=$(lock_etcdctl lease grant 600 | awk '{print $2}') || fail "etcd grants no lease: $lease"
    lock_etcdctl put --lease "$lease" "/heatgen/restarting/$(node_name)/$1" now >/dev/null ||
        fail "cannot mark the restart of $1 in etcd"
}

# await_spare NAME: if the service runs, wait until the others can do without it, as the step's function
# `spare` says.
await_spare() {
    ! systemctl is-active --quiet "$1.service" ||
        wait_for 120 "the cluster can do without this server's $1" spare
}

# restarting_elsewhere: "SERVER/SERVICE" of the other servers that are not back yet.
restarting_elsewhere() {
    local marks
    marks=$(lock_etcdctl get /heatgen/restarting/ --prefix --keys-only 2>/dev/null) ||
        { echo "etcd, which knows of the others," && return; }
    sed -n 's|^/heatgen/restarting/||p' <<<"$marks" | grep -v "^$(node_name)/" || true
}

# hold_lock WHAT: get the lock; etcdctl holds it while the file is there and this shell lives.
hold_lock() {
    local end=$((SECONDS + 400))
    heatgen_lock=/run/heatgen-lock.$BASHPID
    # shellcheck disable=SC2016
    (trap - ERR && lock_etcdctl lock -- /heatgen/restart bash -c \
        ': >"$1"; while [ -e "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 0.2; done' \
        lock "$heatgen_lock" $$) >"$heatgen_lock.log" 2>&1 &
    heatgen_holder=$!
    until [ -e "$heatgen_lock" ]; do
        kill -0 $heatgen_holder 2>/dev/null ||
            fail "$1 did not get its turn to restart: $(tail -n 1 "$heatgen_lock.log")"
        if [ $SECONDS -ge $end ]; then
            kill $heatgen_holder
            fail "$1 did not get its turn to restart: another server holds etcd's lock /heatgen/restart"
        fi
        sleep 0.2
    done
}

# unlock_cluster: this server is back; let the next one have its turn.
unlock_cluster() {
    [ -n "$heatgen_lock" ] || return 0
    rm -f "$heatgen_lock" "$heatgen_lock.log"
    wait "$heatgen_holder" || true
}
