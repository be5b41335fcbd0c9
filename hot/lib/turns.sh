# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: steps that restart what pods need wait, on a node that is in use, for the node's turn.
# heatgen inserts the part after the first blank line in place of the line in step.sh that sources it.
# step.sh sets the variables.
# shellcheck disable=SC2154

# by_turn [--evict] ARTIFACT...: on a node that is in use, fetch the artifacts, keep this step for the node's turn, and
# end it. Steps call it before their first change. heatgen-switch runs the step again at the turn, which orchestration/ready
# gives to one node after the other; then this function returns. It also returns at once on a node that is not in use
# yet, and if neither script nor inputs have changed.
#
# Output turn: what the node applies at its turn, with the suffix ".evict" if pods have to be evicted before (--evict);
# empty if nothing waits.
by_turn() {
    local step=${HEATGEN_STEP/\//-} digest artifact evict=''
    if [ "${1:-}" = --evict ]; then evict=.evict && shift; fi
    digest=$(turn_digest)
    if [ -z "${HEATGEN_TURN:-}" ]; then
        if [ "$digest" != "$(cat "$heatgen_applied/$step" 2>/dev/null)" ] && node_in_use "$step"; then
            for artifact; do fetch "$artifact" >/dev/null; done
            stage_step "$step" "$digest"
            output turn "$digest$evict"
            echo "The step $HEATGEN_STEP waits for the turn of $(node_name)."
            exit 0
        fi
        rm -rf "${heatgen_staged:?}/$step"
        output turn ''
    fi
    # shellcheck disable=SC2064 # the values of now
    trap "step_ended \$? '$step' '$digest'" EXIT
}
heatgen_staged=/var/lib/heatgen/staged   # a directory for each step that waits
heatgen_applied=/var/lib/heatgen/applied # digest of the last successful run of each step, or "unfinished"

# step_ended STATUS STEP DIGEST: record a successful run.
step_ended() {
    [ "$1" != 0 ] || install_text "$3" "$heatgen_applied/$2"
}

# program_changes NAME VERSION: succeed if another version of this program is linked, or none.
program_changes() {
    [[ $(readlink "$heatgen_bin/$1" || true) != */"$2"/* ]]
}

# turn_digest: print a digest of the running script and its inputs. Certificates, labels, taints and a restore of etcd are
# not part of it: they do not wait for a turn. Of an artifact only its checksum counts, not from where it is fetched.
turn_digest() {
    local file name
    {
        cat "$0"
        for file in "$heat_inputs_path".*; do
            name=${file#"$heat_inputs_path".}
            case $name in
                *.d | deploy_* | HEATGEN_TIMEOUT*) ;;
                TRUST_REVISION | TRUST_GENERATIONS | SIGNING | GROUP_LABELS | GROUP_TAINTS | RESTORED) ;;
                *_ARTIFACT) printf '%s %s\n' "$name" "$(sed 's/.* //' "$file")" ;;
                *) printf '%s ' "$name" && cat "$file" ;;
            esac
        done
    } | openssl dgst -sha256 -r | cut -c 1-16
}

# node_in_use STEP: succeed if this step may interrupt pods. Steps of a new node run side by side: the one that runs for
# the first time interrupts nothing, even if the kubelet runs already. Nodes of a cluster that an older version of
# heatgen created have no record of any step: then the kubelet is active, and the node is registered.
node_in_use() {
    [ ! -e $heatgen_former ] || return 0
    if [ -n "$(ls "$heatgen_applied" 2>/dev/null)" ]; then
        [ -e "$heatgen_applied/orchestration-node" ] && [ -e "$heatgen_applied/$1" ]
        return
    fi
    systemctl is-active --quiet kubelet.service || return 1
    [ "$(node_api --output /dev/null --write-out '%{http_code}')" != 404 ] || return 1
    install_text 'created by an older version of heatgen' $heatgen_former
}
heatgen_former=/var/lib/heatgen/without-turns

# stage_step STEP DIGEST: keep the running script with its inputs, and start the service that waits for the turn.
stage_step() {
    local new=$heatgen_staged/.$1 file
    # Not while the switch runs the former version of a step, at most for the timeout of that step.
    exec 8>/run/heatgen-turn.lock
    flock --timeout 900 8 || fail "the former version of a step is still running: journalctl --unit heatgen-switch"
    rm -rf "$new"
    mkdir -p "$new"
    chmod 0700 "$heatgen_staged"
    cp "$0" "$new/script"
    chmod 0700 "$new/script"
    for file in "$heat_inputs_path".*; do
        cp -r "$file" "$new/inputs.${file#"$heat_inputs_path".}"
    done
    env -0 >"$new/environment"
    printf '%s' "$2" >"$new/digest"
    rm -rf "${heatgen_staged:?}/$1"
    mv "$new" "$heatgen_staged/$1"
    exec 8>&-
    install_text '#!/bin/bash
# Runs the steps that wait for the turn of this node.
heat_outputs_path=/run/heatgen-switch
source /opt/heatgen/lib/step.sh
serve_turns' "$heatgen_home/lib/switch" 0755
    install_text "[Unit]
Description=Runs steps of the stack that wait for the turn of this node
After=network-online.target
Wants=network-online.target
ConditionDirectoryNotEmpty=$heatgen_staged

[Service]
Environment=HEATGEN_LIB=/opt/heatgen/lib
ExecStart=$heatgen_home/lib/switch
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target" /etc/systemd/system/heatgen-switch.service
    systemctl daemon-reload
    systemctl enable --quiet --now heatgen-switch.service
}

# serve_turns: wait for turns, run the steps, and report the results as annotations of the own Node, until nothing is
# left. An annotation heatgen/turn is "STEP=DIGEST,...@ATTEMPT"; the answer is heatgen/applied with the same value, or
# heatgen/problem with this value and the reason.
serve_turns() {
    local turn began=$SECONDS
    trap - ERR
    # One process for each node: systemd does not start the service twice, an administrator may.
    exec 8>/run/heatgen-switch.lock
    flock --nonblock 8 || { echo "another heatgen-switch is running" && return 0; }
    exec 7>/run/heatgen-turn.lock
    while [ -n "$(ls -A "$heatgen_staged" 2>/dev/null)" ]; do
        if [ -e $heatgen_staged/answer ]; then
            # The API server may not be reachable for a while, as during a change of the API address.
            if answer_turn; then rm $heatgen_staged/answer; else sleep 3; fi
            continue
        fi
        turn=$(own_annotation turn)
        if [ -n "$turn" ] && [ "$turn" != "$(cat $heatgen_answered 2>/dev/null)" ]; then
            flock 7
            take_turn "$turn"
            flock --unlock 7
        else
            # Less often if the turn does not come soon, as after a failure on another node.
            sleep $((SECONDS - began < 900 ? 3 : 15))
        fi
    done
}
heatgen_answered=/var/lib/heatgen/turn-answered # the last turn that this node has answered

# take_turn TURN: run the steps of this turn, and write the answer.
take_turn() {
    local entry step digest problem='' wanted=${1%@*}
    echo "The turn has come: $1"
    for entry in ${wanted//,/ }; do
        step=${entry%=*} digest=${entry#*=}
        digest=${digest%.evict}
        if [ "$digest" = "$(cat "$heatgen_staged/$step/digest" 2>/dev/null)" ]; then
            problem=$(run_staged "$step") || { problem=${problem:-${step/-//} failed without a message} && break; }
        elif [ "$digest" != "$(cat "$heatgen_applied/$step" 2>/dev/null)" ]; then
            problem="the node does not have this version of the step ${step/-//}; update the stack again"
            break
        fi
    done
    [ -z "$problem" ] || echo "$problem"
    printf '%s\n%s\n' "$1" "$problem" >"$heatgen_staged/.answer"
    mv "$heatgen_staged/.answer" "$heatgen_staged/answer"
}

# run_staged STEP: run a step like the agent; on failure print the reason.
run_staged() {
    local folder=$heatgen_staged/$1 outputs limit variables=()
    outputs=$(mktemp -d /run/heatgen-turn.XXXXXX)
    mapfile -d '' -t variables <"$folder/environment"
    limit=$(cat "$folder/inputs.HEATGEN_TIMEOUT" 2>/dev/null)
    count_generation
    mkdir -p $heatgen_applied
    echo unfinished >"$heatgen_applied/$1"
    # Shared lock: no program restarts the server meanwhile. The step gets no open files.
    if (cd / && umask 077 && flock --shared --close "$heatgen_agent/lock" \
        timeout --kill-after 10 "${limit:-900}" env -i "${variables[@]}" HEATGEN_TURN=1 \
        heat_inputs_path="$folder/inputs" heat_outputs_path="$outputs/outputs" \
        "$folder/script" </dev/null >"$outputs/stdout" 2>"$outputs/stderr" 7>&- 8>&-); then
        tail -n 1 "$outputs/stdout" >&2
        rm -rf "$folder" "$outputs"
        return 0
    fi
    cat "$outputs/outputs.problem" 2>/dev/null || tail -n 3 "$outputs/stderr" | tr '\n' ';'
    rm -rf "$outputs"
    return 1
}
heatgen_agent=/var/lib/heatgen-agent

# count_generation: on systems of ostree, record that /etc changes (doc/reference/agent.rst).
count_generation() {
    local here latest file
    [ -e /run/ostree-booted ] || return 0
    here=$(cat /etc/heatgen/generation 2>/dev/null) latest=$(cat /var/lib/heatgen/generation 2>/dev/null)
    here=${here:-0} latest=${latest:-0}
    file=/etc/heatgen/generation
    [ "$here" -ge "$latest" ] || file=/var/lib/heatgen/generation # an older /etc stays older
    for file in $file /var/lib/heatgen/generation; do
        install_text $(((here > latest ? here : latest) + 1)) "$file"
    done
}

# answer_turn: set the annotations of the own Node to the answer; succeed if the API server has accepted it.
answer_turn() {
    local turn problem key=applied value other=problem
    { read -r turn && IFS= read -r problem; } <$heatgen_staged/answer
    # Only characters that need no quotes in JSON.
    problem=$(LC_ALL=C tr -cd ' !#-[]-~' <<<"$problem" | cut -c 1-600)
    value=$turn
    if [ -n "$problem" ]; then key=problem other=applied value="$turn $problem"; fi
    node_api --fail --output /dev/null --request PATCH --header 'Content-Type: application/merge-patch+json' \
        --data "{\"metadata\":{\"annotations\":{\"heatgen/$key\":\"$value\",\"heatgen/$other\":null}}}" || return 1
    printf '%s' "$turn" >$heatgen_answered
}

# own_annotation NAME: print an annotation heatgen/NAME of the own Node.
own_annotation() {
    node_api --fail --header 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' |
        grep -o "\"heatgen/$1\": *\"[^\"]*\"" | sed -n 1p | sed 's/^"[^"]*": *"//; s/"$//'
}

# node_api OPTION...: send a request for the own Node with the certificate of the kubelet, which may read and annotate
# its own Node only. The kubelet need not run.
node_api() {
    local own=/var/lib/kubelet/pki/kubelet-client-current.pem pki=/etc/kubernetes/pki url key=''
    if [ -e $own ] && openssl x509 -in $own -noout -checkend 60 >/dev/null 2>&1; then
        key=$own
    fi
    url=$(sed -n "s/.*server: '\([^']*\)'.*/\1/p" /etc/kubernetes/kubelet.kubeconfig 2>/dev/null)
    curl --silent --show-error --max-time 10 --cacert $pki/ca.crt --cert "${key:-$pki/kubelet-client.crt}" \
        --key "${key:-$pki/kubelet-client.key}" "$@" "$url/api/v1/nodes/$(node_name)"
}
