# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Restore etcd from a backup, in phases that 'heatgen restore' requests one after the other with the stack's parameter
# `restore`: "ID PHASE [NODE FILE SHA256]". A phase begins when all control-plane nodes have ended the one before, so
# that no two sets of data are in use at the same time. Sourced by the step, after members.sh.
#
# list    nothing but the output `backups`
# check   NODE verifies the backup: nothing is changed
# stop    stop etcd and everything that uses it on this node, and move the data aside
# start   NODE starts a new cluster from the backup; the others join it as new members; then start the rest
# done    nothing: a restore is not repeated, also not on a replaced server
# shellcheck disable=SC2034,SC2154 # name, address, cluster and others are for members.sh

restore_home=/var/lib/heatgen
in_progress=$restore_home/restoring # has the ID; other steps do not start etcd while it exists
etcd_data=/var/lib/etcd
data_of=$restore_home/restore-data # has the ID of the restore to which the data of etcd belongs
# Stopped first to last, started last to first; the timer first, because a backup would fail.
restore_units=(
    etcd-backup.timer apiserver-liveness.service kubelet-approver.service kube-scheduler.service
    kube-controller-manager.service kube-apiserver.service etcd.service
)

# restore_phase REQUEST ADDRESSES: execute a phase unless this node has done so; set $executed to "ID PHASE". ADDRESSES
# are those of all control-plane nodes, comma-separated.
restore_phase() {
    local id phase node file sum recorded
    planned=$2 executed=''
    recorded=$(cat $restore_home/restore 2>/dev/null) || true
    read -r id phase node file sum <<<"$1"
    [ -n "$id" ] || return 0
    executed="$id $phase"
    [ "$recorded" != "$executed" ] || return 0
    case $phase in
        check) [ "$node" != "$(node_name)" ] || check_backup "$file" "$sum" ;;
        stop) stop_cluster "$id" ;;
        start)
            # A server that was created later has nothing to start.
            [ "$(cat $in_progress 2>/dev/null)" != "$id" ] || start_cluster "$id" "$node" "$file" "$sum"
            ;;
    esac
    install_text "$executed" $restore_home/restore
}

# check_backup FILE SUM: fail unless the cluster can be restored from this backup.
check_backup() {
    local message
    message=$("$heatgen_home/lib/etcd-backup" check "/var/backups/etcd/$1" "$2" 2>&1) || fail "$(tail -n 1 <<<"$message")"
    echo "$message"
}

# stop_cluster ID: stop etcd and what uses it, also after a restart of the server, and move its data aside.
stop_cluster() {
    local unit aside=$etcd_data/before-$1
    install_text "$1" $in_progress
    for unit in "${restore_units[@]}"; do
        if systemctl cat "$unit" >/dev/null 2>&1; then
            systemctl disable --quiet "$unit"
            systemctl stop "$unit" || fail "cannot stop $unit"
        fi
    done
    if systemctl is-active --quiet etcd.service; then fail "etcd does not stop"; fi
    if [ -e $etcd_data/member ]; then
        # Only the data of the last restore is kept: it takes space.
        rm -rf $etcd_data/before-* $etcd_data/restored
        mv $etcd_data/member "$aside"
        sync $etcd_data
        echo "moved the data of etcd to $aside"
    fi
}

# read_addresses: set what members.sh needs.
read_addresses() {
    local position member list
    address=$(node_address) name='' cluster='' others=''
    IFS=, read -ra list <<<"$planned"
    for position in "${!list[@]}"; do
        member=${list[position]}
        cluster+=,control-$position=https://$member:2380
        if [ "$member" = "$address" ]; then name=control-$position; else others+=,https://$member:2379; fi
    done
    [ -n "$name" ] || fail "this server's address $address is not one of $planned"
    cluster=${cluster#,} others=${others#,}
}

# own_healthy: succeed if this node's member commits a proposal.
own_healthy() {
    client /etc/etcd/pki/health https://127.0.0.1:2379 endpoint health 2>&1
}
# own_responds: the same; a learner serves no such request.
own_responds() {
    learner || own_healthy
}

# start_cluster ID NODE FILE SUM: start etcd on this node, then the other services.
start_cluster() {
    root_home=$(mktemp -d /run/heatgen-etcd.XXXXXX)
    trap 'rm -rf "$root_home"' EXIT
    read_addresses
    [ "$(cat $data_of 2>/dev/null)" = "$1" ] || systemctl stop etcd.service
    if [ "$2" = "$(node_name)" ]; then start_first "$1" "$3" "$4"; else join_first "$1"; fi
    start_others
    rm -f $in_progress
}

# start_first ID FILE SUM: restore the data, and start etcd as the only member of a new cluster.
start_first() {
    local message
    # Data without the mark was not started: either the last run was interrupted before it, or it is not of a restore.
    if [ "$(cat $data_of 2>/dev/null)" != "$1" ]; then
        rm -rf $etcd_data/restored $etcd_data/member
        message=$("$heatgen_home/lib/etcd-backup" restore "/var/backups/etcd/$2" "$3" $etcd_data/restored "$name" \
            "https://$address:2380" "$CLUSTER_NAME-$1" 2>&1) || fail "$(tail -n 1 <<<"$message")"
        chown --recursive etcd:etcd $etcd_data/restored
        find $etcd_data/restored -exec sync {} +
        mv $etcd_data/restored/member $etcd_data/member
        rm -rf $etcd_data/restored
        sync $etcd_data
        install_text "$1" $data_of
    fi
    start_service etcd.service
    wait_unit 180 etcd "etcd is healthy with the restored data" own_healthy
    # Locks and markers of the time of the backup.
    message=$(as_root https://127.0.0.1:2379 del --prefix /heatgen/ 2>&1) ||
        fail "cannot delete the locks that the backup contains: $(tail -n 1 <<<"$message")"
    echo "etcd runs with the data of $2"
}

# join_first ID: join the cluster that the other node has started, as a new member.
join_first() {
    if [ "$(cat $data_of 2>/dev/null)" != "$1" ]; then
        rm -rf $etcd_data/member
        install_text "$1" $data_of
    fi
    if [ ! -e $etcd_data/member/wal ]; then
        find_cluster joins
        [ "$cluster_state" = existing ] ||
            fail "the restored cluster lists this node already, but it has no data: run 'heatgen restore' again"
        install_text "ETCD_INITIAL_CLUSTER=$cluster
ETCD_INITIAL_CLUSTER_TOKEN=$CLUSTER_NAME
ETCD_INITIAL_CLUSTER_STATE=$cluster_state
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380" /etc/etcd/cluster.env 0600
    fi
    start_service etcd.service
    wait_unit 180 etcd "etcd responds" own_responds
    promote
    wait_unit 120 etcd "etcd is healthy" own_healthy
    echo "etcd has joined the restored cluster as $name"
}

# start_service UNIT: enable and start a unit.
start_service() {
    systemctl reset-failed "$1" 2>/dev/null || true
    systemctl enable --quiet "$1"
    systemctl start "$1" ||
        fail "service $1 is not running: $(journalctl --unit "$1" --no-pager --output cat --lines 6 2>/dev/null)"
}

# start_others: start the services that were stopped with etcd.
start_others() {
    local position
    for ((position = ${#restore_units[@]} - 2; position >= 0; position--)); do
        if systemctl cat "${restore_units[position]}" >/dev/null 2>&1; then
            start_service "${restore_units[position]}"
        fi
    done
}
