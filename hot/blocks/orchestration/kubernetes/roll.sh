# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Give each node its turn to apply the steps that wait for it (hot/lib/turns.sh). Sourced by the step
# orchestration/ready on the first control-plane node, which defines kubectl.
#
# Order: nodes on which a turn was interrupted or has failed; control-plane nodes one after the other; then each group
# of workers, its first node alone, then in batches. A failure ends the step before another node is touched, so that a
# repeated update with a broken version stops at the same node again.
# shellcheck disable=SC2034,SC2154

TURN_LIMIT=300      # seconds until a node has run its steps
GATE_LIMIT=120      # seconds until node and cluster are healthy after a turn
RECORD=heatgen-roll # ConfigMap in kube-system: what nodes have applied, and the progress
SOFT_TAINT=heatgen/roll=:PreferNoSchedule
# Fields of a Node: READY|KUBELET VERSION|CORDONED|OWN CORDON|APPLIED|PROBLEM
NODE_STATE='{.status.conditions[?(@.type=="Ready")].status}|{.status.nodeInfo.kubeletVersion}|{.spec.unschedulable}|'
NODE_STATE+='{.metadata.annotations.heatgen/cordoned}|{.metadata.annotations.heatgen/applied}|'
NODE_STATE+='{.metadata.annotations.heatgen/problem}'

# roll_nodes SETTINGS DIRECTORY: give every node with waiting steps its turn. SETTINGS are lines "GROUP BATCH DRAIN
# DRAIN_SECONDS VERSION", the directory has files STEP/GROUP/INDEX with the digests of the steps that wait. Set
# roll_summary, a part of the step's message.
roll_nodes() {
    local pending=() record group node wanted
    roll_summary='' roll_settings=$1 roll_waiting=$2
    # Nothing waits when a cluster is created, or servers are added: no request is necessary.
    [ -n "$(find "$roll_waiting" -type f -size +0 -print -quit)" ] || return 0
    own_roll
    record=$(roll_record) || fail "cannot read the ConfigMap $RECORD: $record"
    while read -r group node wanted; do
        [ "$(sed -n "s/^$node //p" <<<"$record")" = "$wanted" ] || pending+=("$group $node $wanted")
    done < <(planned_turns)
    [ ${#pending[@]} != 0 ] || return 0
    roll_total=${#pending[@]} roll_done=0 roll_results=$(mktemp -d)
    sort_turns "${pending[@]}"
    kubectl taint nodes "${roll_names[@]}" $SOFT_TAINT --overwrite >/dev/null ||
        fail "cannot taint the nodes that have not had their turn"
    roll_problems=$(cluster_problems) || fail "cannot read the state of the cluster before the first turn"
    for group in "${roll_groups[@]}"; do
        roll_group "$group"
    done
    roll_progress "all $roll_total nodes have had their turn"
    roll_summary="; $roll_total nodes have had their turn"
}

# planned_turns: print lines "GROUP NODE STEP=DIGEST,..." of the nodes for which steps wait, in the order of the plan.
planned_turns() {
    local group folder file node wanted layer
    while read -r group _; do
        for file in $(cd "$(input_file NAMES.d)/$group" 2>/dev/null && printf '%s\n' * | sort -n); do
            [ -e "$(input_file NAMES.d)/$group/$file" ] || continue
            node=$(name_of_server "$(<"$(input_file NAMES.d)/$group/$file")" "$group-$file")
            wanted=''
            for layer in os runtime kvstore network orchestration; do
                for folder in "$roll_waiting/$layer"-*; do
                    [ ! -s "$folder/$group/$file" ] ||
                        wanted+=,$(basename "$folder")=$(<"$folder/$group/$file")
                done
            done
            [ -z "$wanted" ] || echo "$group $node ${wanted#,}"
        done
    done <<<"$roll_settings"
}

# roll_record: print lines "NODE STEP=DIGEST,..." of the nodes that have had their turn.
roll_record() {
    # shellcheck disable=SC2016 # variables of the template
    kubectl --namespace kube-system get configmap $RECORD --ignore-not-found --output \
        'go-template={{range $node, $applied := .data}}{{$node}} {{$applied}}{{"\n"}}{{end}}' 2>&1
}
# write_record KEY VALUE: set a key of the ConfigMap.
write_record() {
    local message
    message=$(kubectl apply --server-side --force-conflicts --field-manager "heatgen-$1" -f - 2>&1 >/dev/null <<EOT
apiVersion: v1
kind: ConfigMap
metadata: {name: $RECORD, namespace: kube-system}
data: {"$1": "$2"}
EOT
    ) || fail "cannot write the ConfigMap $RECORD: $(tail -n 1 <<<"$message")"
}
# roll_progress TEXT: show the progress in the ConfigMap and in the journal of this node.
roll_progress() {
    # Only characters that need no quotes in JSON: a reason comes from a node.
    write_record progress "$(date --utc +%H:%M:%SZ) $(LC_ALL=C tr -cd ' !#-[]-~' <<<"${1//$'\n'/ }")"
    logger --tag heatgen-roll "$1" 2>/dev/null || true
}

# sort_turns TURN...: set roll_groups, "interrupted" and the groups of the plan, roll_turns, the turns of each, and
# roll_names, the names of all nodes.
sort_turns() {
    local turn group node wanted state missing=()
    declare -gA roll_turns=()
    roll_groups=(interrupted) roll_names=()
    for turn; do
        read -r group node wanted <<<"$turn"
        roll_names+=("$node")
        state=$(kubectl get node "$node" --ignore-not-found --output "jsonpath=$NODE_STATE") ||
            fail "cannot read the state of node $node"
        [ -n "$state" ] || missing+=("$node")
        if [ -n "$(cut -d '|' -f 4,6- <<<"$state" | tr -d '|')" ]; then
            roll_turns[interrupted]+="$turn"$'\n'
        else
            roll_turns[$group]+="$turn"$'\n'
            [[ " ${roll_groups[*]} " == *" $group "* ]] || roll_groups+=("$group")
        fi
    done
    [ ${#missing[@]} = 0 ] || fail "these nodes are not registered, and cannot have their turn: ${missing[*]}." \
        "Start or replace their servers, then update the stack"
}

# roll_group GROUP: give the nodes of a group their turns; end the step if one fails.
roll_group() {
    local batch=1 turn started=0 active=0
    [ "$1" = interrupted ] || [ "$1" = control ] || batch=$(setting "$1" 2)
    while read -r turn; do
        [ -n "$turn" ] || continue
        # shellcheck disable=SC2086 # three words
        begin_turn $turn
        started=$((started + 1)) active=$((active + 1))
        # The first one alone.
        if [ $started = 1 ] || [ $active = "$batch" ]; then
            end_turns
            active=0
        fi
    done <<<"${roll_turns[$1]:-}"
    [ $active = 0 ] || end_turns
}
# setting GROUP FIELD: print a field of the group's line in roll_settings.
setting() {
    awk -v group="$1" -v field="$2" '$1 == group {print $field}' <<<"$roll_settings"
}

# begin_turn GROUP NODE WANTED: start a turn. A failure leaves its reason in roll_results/NODE.problem.
begin_turn() {
    roll_progress "$roll_done of $roll_total nodes have had their turn; $2 has its turn"
    roll_active+=("$2")
    # shellcheck disable=SC2030,SC2031
    (
        heat_outputs_path=$roll_results/$2
        turn "$@"
        touch "$roll_results/$2.done"
    ) &
}
roll_active=()

# end_turns: wait for the turns that have begun; if one failed, end the step.
end_turns() {
    local node problems=() remaining message
    wait
    own_roll_still || fail "another run of this step has taken over"
    for node in "${roll_active[@]}"; do
        if [ -e "$roll_results/$node.done" ]; then
            roll_done=$((roll_done + 1))
        else
            message=$(cat "$roll_results/$node.problem" 2>/dev/null) || true
            problems+=("node $node ${message:-has ended its turn for an unknown reason}")
        fi
    done
    roll_active=()
    [ ${#problems[@]} != 0 ] || message=$(healthier "$node" 2>&1) || problems=("$message")
    [ ${#problems[@]} != 0 ] || return 0
    remaining=$(printf '; %s' "${problems[@]}")
    kubectl taint nodes "${roll_names[@]}" "$SOFT_TAINT-" >/dev/null 2>&1 || true
    roll_progress "$roll_done of $roll_total nodes have had their turn; stopped$remaining"
    fail "${remaining#; }. $roll_done of $roll_total nodes have had their turn, the others are unchanged." \
        "Remove the cause, then update the stack"
}

# turn GROUP NODE WANTED: one node's turn; runs in a process of its own.
turn() {
    local group=$1 node=$2 wanted=$3 state ready version cordoned own applied lease pods
    state=$(kubectl get node "$node" --output "jsonpath=$NODE_STATE") || fail "cannot be read"
    IFS='|' read -r ready version cordoned own applied _ <<<"$state"
    pods=$(waiting_pods "$node") || fail "cannot be checked: its pods cannot be read"
    if [ "${applied%@*}" != "$wanted" ]; then
        if [ "$cordoned" != true ]; then
            kubectl annotate node "$node" heatgen/cordoned=roll --overwrite >/dev/null || fail "cannot be annotated"
            own=roll
            kubectl cordon "$node" >/dev/null || fail "cannot be cordoned"
        fi
        if needs_drain "$group" "$ready" "$version" "$wanted" && ! drain "$node" "$(setting "$group" 4)"; then
            # Nothing has changed there.
            [ -z "$own" ] || release "$node"
            fail "cannot be drained: $(<"$roll_results/$node.drain")"
        fi
        # From now on the node has neither the former nor the new version.
        write_record "$node" ''
        kubectl annotate node "$node" heatgen/applied- heatgen/problem- "heatgen/turn=$wanted@$(date +%s%N)" \
            --overwrite >/dev/null || fail "cannot be given its turn"
        wait_for $TURN_LIMIT "it has run the steps that wait for its turn (journalctl --unit heatgen-switch there)" \
            answered "$node" "$wanted"
        own_roll_still || fail "is in its turn, which another run of this step continues"
        state=$(kubectl get node "$node" --output "jsonpath=$NODE_STATE") || fail "cannot be read"
        applied=$(cut -d '|' -f 6- <<<"$state")
        [ -z "$applied" ] || fail "${applied#* }"
    fi
    lease=$(lease_of "$node") || lease=''
    wait_for $GATE_LIMIT "it is healthy after its turn" node_healthy "$node" "$lease" "$pods" \
        "$(setting "$group" 5)"
    [ -z "$own" ] || release "$node" || fail "cannot be uncordoned"
    kubectl taint nodes "$node" "$SOFT_TAINT-" >/dev/null 2>&1 || true
    write_record "$node" "$wanted"
}

# needs_drain GROUP READY KUBELET WANTED: succeed if pods must be evicted before the turn.
needs_drain() {
    local current=${3#v*.} new
    new=$(setting "$1" 5)
    new=${new#*.}
    # Pods of a node that is not Ready cannot end.
    [ "$2" = True ] || return 1
    case $(setting "$1" 3) in
        always) return 0 ;;
        never) return 1 ;;
    esac
    [ "${current%%.*}" != "${new%%.*}" ] || [[ $4 == *.evict* ]]
}

# drain NODE SECONDS: evict all pods; on failure leave the reason in roll_results/NODE.drain.
drain() {
    local message pod limit=$(($2 * heatgen_factor))
    message=$(kubectl drain "$1" --ignore-daemonsets --delete-emptydir-data --timeout "${limit}s" 2>&1) && return
    pod=$(sed -n 's/.*evicting pods\{0,1\}\/"\([^"]*\)" -n "\([^"]*\)".*/\2 \1/p' <<<"$message" | tail -n 1)
    if [ -n "$pod" ]; then
        # shellcheck disable=SC2086 # two words
        printf 'the pod %s was not evicted within %s s: %s' "${pod/ //}" "$limit" "$(budget $pod)"
    else
        grep -m 1 -E 'declare no controller|waiting for pod' <<<"$message" || tail -n 1 <<<"$message"
    fi >"$roll_results/$1.drain"
    return 1
}
# budget NAMESPACE POD: print why a pod cannot be evicted. kubectl does not print the name of the disruption budget.
budget() {
    local reply pki=/etc/kubernetes/pki url
    url=$(sed -n "s/.*server: '\([^']*\)'.*/\1/p" /etc/kubernetes/bootstrap.kubeconfig)
    reply=$(curl --silent --max-time 10 --cacert $pki/ca.crt --cert $pki/bootstrap.crt --key $pki/bootstrap.key \
        --header 'Content-Type: application/json' --data "{\"apiVersion\": \"policy/v1\", \"kind\": \"Eviction\",
        \"metadata\": {\"name\": \"$2\"}, \"deleteOptions\": {\"dryRun\": [\"All\"]}}" \
        "$url/api/v1/namespaces/$1/pods/$2/eviction") || true
    reply=$(grep -o '"message": *"[^"]*"' <<<"$reply" | sed 's/^"message": *"//; s/"$//' | tail -n 1) || true
    printf '%s' "${reply:-it does not end}"
}

# answered NODE WANTED: succeed if the node has applied its steps, or reports a problem.
answered() {
    local state applied problem
    own_roll_still || return 0
    state=$(kubectl get node "$1" --output "jsonpath=$NODE_STATE") || return 1
    applied=$(cut -d '|' -f 5 <<<"$state") problem=$(cut -d '|' -f 6- <<<"$state")
    [ "${applied%@*}" = "$2" ] || [ -n "$problem" ]
}

# release NODE: let pods be scheduled on this node again.
release() {
    kubectl uncordon "$1" >/dev/null && kubectl annotate node "$1" heatgen/cordoned- >/dev/null
}

# lease_of NODE: print when the kubelet renewed its lease.
lease_of() {
    kubectl --namespace kube-node-lease get lease "$1" --output 'jsonpath={.spec.renewTime}'
}
# waiting_pods NODE: print how many pods of DaemonSets on this node are not ready.
waiting_pods() {
    local pods columns='{.metadata.ownerReferences[0].kind} {.status.conditions[?(@.type=="Ready")].status}'
    pods=$(kubectl get pods --all-namespaces --field-selector "spec.nodeName=$1" \
        --output "jsonpath={range .items[*]}$columns{\"\n\"}{end}") || return 1
    grep -c '^DaemonSet \(False\|Unknown\|\)$' <<<"$pods" || true
}

# of_version FOUND VERSION: succeed if a kubelet has the version, or is a build of it, such as v1.37.2-site.1.
of_version() {
    [[ $1 == "v$2" || $1 == "v$2"[+-]* ]]
}

# node_healthy NODE LEASE PODS VERSION: succeed if the kubelet of the version runs, is Ready and has renewed its lease
# since LEASE, and no more than PODS pods of DaemonSets are not ready.
node_healthy() {
    local state ready version pods
    state=$(kubectl get node "$1" --output "jsonpath=$NODE_STATE") || return 1
    IFS='|' read -r ready version _ <<<"$state"
    [ "$ready" = True ] || { echo "it is not Ready" && return 1; }
    of_version "$version" "$4" ||
        { echo "its kubelet has version ${version#v}" && return 1; }
    [ "$(lease_of "$1")" != "$2" ] || { echo "its kubelet has not renewed its lease" && return 1; }
    pods=$(waiting_pods "$1") || return 1
    [ "$pods" -le "$3" ] || { echo "$pods pods of DaemonSets are not ready, before it were $3" && return 1; }
}

# cluster_problems: print the number of nodes that are not Ready, and of replicas in kube-system that are not available.
cluster_problems() {
    local nodes replicas
    nodes=$(kubectl get nodes \
        --output 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || return 1
    replicas=$(kubectl --namespace kube-system get deployments \
        --output 'jsonpath={range .items[*]}{.status.unavailableReplicas}{"\n"}{end}') || return 1
    echo "$(grep -cvE '^(True)?$' <<<"$nodes") $(awk '{sum += $1} END {print sum + 0}' <<<"$replicas")"
}
# healthier NODE: wait until the cluster has not more problems than before the first turn.
healthier() {
    wait_for $GATE_LIMIT "the cluster is as healthy after the turn of $1 as before the first one" not_worse
}
not_worse() {
    local now
    now=$(cluster_problems) || return 1
    [ "${now% *}" -le "${roll_problems% *}" ] ||
        { echo "${now% *} nodes are not Ready, before it were ${roll_problems% *}" && return 1; }
    [ "${now#* }" -le "${roll_problems#* }" ] ||
        { echo "${now#* } replicas in kube-system are not available, before it were ${roll_problems#* }" && return 1; }
}

# own_roll: become the only process that gives turns. After a timeout of the stack, the former one may still run: it
# ends at its next check, and the turn that it has begun is continued.
own_roll() {
    echo "$$" >/run/heatgen-roll.owner
    exec {heatgen_roll}>/run/heatgen-roll.lock
    flock --timeout $((4200 * heatgen_factor)) "$heatgen_roll" ||
        fail "a former run of this step still gives turns: journalctl --tag heatgen-roll"
}
# own_roll_still: fail also in a turn whose step was killed.
own_roll_still() {
    local program=''
    # Empty for a process that has ended, also before its parent has noticed.
    { read -r -d '' program </proc/$$/cmdline; } 2>/dev/null
    [ "$(cat /run/heatgen-roll.owner)" = "$$" ] && [ -n "$program" ]
}
