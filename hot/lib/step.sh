# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The one library of all steps; heatgen puts it in place of the line that sources it.
# The agent gives HEATGEN_STEP, HEATGEN_ROLE, heat_inputs_path and heat_outputs_path.
# shellcheck disable=SC2154

umask 022
heatgen_home=/opt/heatgen
heatgen_bin=$heatgen_home/bin
heatgen_cache=$heatgen_home/cache
mkdir -p "$heatgen_bin" "$heatgen_home/lib" "$heatgen_cache"

# Every failure that fail() did not explain still names its command.
set -E
trap 'echo "line $LINENO: exit status $?: $BASH_COMMAND" >&2' ERR

# fail REASON...: end the step; the agent puts step and node before the reason.
fail() {
    printf '%s' "$*" >"$heat_outputs_path.problem"
    printf '%s\n' "$*" >&2
    exit 1
}

# output NAME VALUE: an output of the deployment.
output() {
    printf '%s' "$2" >"$heat_outputs_path.$1"
}

# input_file NAME: path of an input's text; of a map's folder with one file a key: input_file NAME.d
input_file() {
    printf '%s' "$heat_inputs_path.$1"
}

# wait_for SECONDS WHAT COMMAND...: poll until the command succeeds, else fail with what it said last.
wait_for() {
    local limit=$1 what=$2 said began=$SECONDS
    shift 2
    until said=$("$@" 2>&1); do
        [ $((SECONDS - began)) -lt "$limit" ] ||
            fail "$what: not within $limit s: $(tail -n 3 <<<"$said")"
        pause_since $began
    done
}
# pause_since BEGAN: what takes longer is asked for less often; asking costs what others wait for.
pause_since() {
    if [ $((SECONDS - $1)) -lt 3 ]; then sleep 0.3; else sleep 1; fi
}

# node_name, node_address: what the server is called in Nova, and its fixed IPv4 address.
node_name() {
    hostname
}
node_address() {
    local route
    route=$(ip -4 route get 192.0.2.1 2>/dev/null) || fail "no default route: the node has no address"
    sed -n 's/.* src \([0-9.]*\).*/\1/p' <<<"$route" | head -n 1
}

# outside COMMAND...: run what asks for something from outside the cluster: by the site's proxy, if it
# has one.
outside() {
    local proxy=()
    [ ! -e /etc/heatgen/proxy.env ] || mapfile -t proxy </etc/heatgen/proxy.env
    env "${proxy[@]}" "$@"
}

# shellcheck source=hot/lib/files.sh
source "$HEATGEN_LIB/files.sh"

# shellcheck source=hot/lib/rolling.sh
source "$HEATGEN_LIB/rolling.sh"

# unit_failed NAME: end the step with the last lines of the service.
unit_failed() {
    fail "service $1 does not run:" \
        "$(journalctl --unit "$1.service" --no-pager --output cat --lines 6 2>/dev/null)"
}

# wait_unit SECONDS NAME WHAT COMMAND...: as wait_for, but with the service's last lines.
wait_unit() {
    local limit=$1 unit=$2 what=$3 said began=$SECONDS
    shift 3
    until said=$("$@" 2>&1); do
        [ $((SECONDS - began)) -lt "$limit" ] || fail "$what: not within $limit s: $(tail -n 2 <<<"$said");" \
            "$unit says: $(journalctl --unit "$unit.service" --no-pager --output cat --lines 4)"
        pause_since $began
    done
}

# api_current VERSION COMMAND URL: the apiserver there is ready and of no older minor version. COMMAND asks a URL.
# Nothing may be newer than the apiserver it talks to: https://kubernetes.io/releases/version-skew-policy/
api_current() {
    local told minor=${1#*.}
    "$2" "$3/readyz" >/dev/null || return 1
    told=$("$2" "$3/version") || return 1
    told=$(sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' <<<"$told")
    [ "${told:-0}" -ge "${minor%%.*}" ] || { echo "it is of version 1.$told, older than $1" && return 1; }
}

# kubeconfig SERVER CERTIFICATE: a kubeconfig that points at a certificate and key of this node.
kubeconfig() {
    local pki=/etc/kubernetes/pki
    printf '%s\n' \
        'apiVersion: v1' 'kind: Config' 'current-context: default' \
        'clusters:' "- {name: default, cluster: {server: '$1', certificate-authority: $pki/ca.crt}}" \
        'users:' "- {name: default, user: {client-certificate: $pki/$2.crt, client-key: $pki/$2.key}}" \
        'contexts:' '- {name: default, context: {cluster: default, user: default}}'
}
