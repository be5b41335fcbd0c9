# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The step library; heatgen inserts it in place of the line that sources it.
# The agent sets HEATGEN_STEP, HEATGEN_ROLE, heat_inputs_path and heat_outputs_path.
# shellcheck disable=SC2154

umask 022
heatgen_home=/opt/heatgen
heatgen_bin=$heatgen_home/bin
heatgen_cache=$heatgen_home/cache
mkdir -p "$heatgen_bin" "$heatgen_home/lib" "$heatgen_cache"
heatgen_factor=${HEATGEN_TIMEOUT_FACTOR:-1} # site.timeout_factor: multiplies the limits of waits

# Report the command of every failure that does not go through fail(), on the stderr of the step: not in a file
# or variable in which the messages of the failed command are captured.
exec {heatgen_stderr}>&2
set -E
trap 'echo "line $LINENO: exit status $?: $BASH_COMMAND" >&"$heatgen_stderr"' ERR

# fail REASON...: end the step with a reason; the agent adds the names of step and node.
fail() {
    printf '%s' "$*" >"$heat_outputs_path.problem"
    printf '%s\n' "$*" >&2
    exit 1
}

# output NAME VALUE: set an output of the deployment.
output() {
    printf '%s' "$2" >"$heat_outputs_path.$1"
}

# input_file NAME: print the path of the file with an input's value. NAME.d is the directory of a map
# input, with one file per key.
input_file() {
    printf '%s' "$heat_inputs_path.$1"
}

# wait_for SECONDS CONDITION COMMAND...: poll until the command succeeds; on timeout, fail with its last
# message. CONDITION describes the expected state.
wait_for() {
    local limit=$(($1 * heatgen_factor)) condition=$2 message began=$SECONDS
    shift 2
    until message=$("$@" 2>&1); do
        [ $((SECONDS - began)) -lt "$limit" ] ||
            fail "timed out after $limit s waiting until $condition: $(tail -n 3 <<<"$message")"
        pause_since $began
    done
}
# pause_since BEGAN: back off after 3 s, because polling competes with other work.
pause_since() {
    if [ $((SECONDS - $1)) -lt 3 ]; then sleep 0.3; else sleep 1; fi
}

# name_of STACK GROUP-INDEX: print the name of a node in Kubernetes. The host name is not used: Nova cuts it to 63
# characters, so that servers of a stack with a long name have the same one. Like Nova, replace upper case, '_' and
# '.'. A certificate's common name, "system:node:NAME", has at most 64 characters: shorten the stack's name if
# necessary; its hash keeps names of groups from becoming equal.
name_of() {
    local name=${1,,} sum
    name=${name//[_.]/-}
    if [ $((${#name} + 1 + ${#2})) -gt 52 ]; then
        sum=$(printf '%s' "$1" | openssl dgst -sha256 -r)
        name=${name:0:23}-${sum:0:6}
    fi
    printf '%s' "$name-$2"
}
# name_of_server SERVER GROUP-INDEX: print the name of the node on this server of the stack.
name_of_server() {
    name_of "${1%"-$2"}" "$2"
}

# node_name, node_address: print the name of this node, which trust/request records, and its fixed IPv4 address.
node_name() {
    cat /var/lib/heatgen/node-name 2>/dev/null || hostname
}
node_address() {
    local route
    route=$(ip -4 route get 192.0.2.1 2>/dev/null) || fail "no default route: the node has no address"
    sed -n 's/.* src \([0-9.]*\).*/\1/p' <<<"$route" | sed -n 1p
}

# outside COMMAND...: run a command that connects to hosts outside the cluster, with the site's proxy, if any.
outside() {
    local proxy=()
    [ ! -e /etc/heatgen/proxy.env ] || mapfile -t proxy </etc/heatgen/proxy.env
    env "${proxy[@]}" "$@"
}

# shellcheck source=hot/lib/files.sh
source "$HEATGEN_LIB/files.sh"

# shellcheck source=hot/lib/packages.sh
source "$HEATGEN_LIB/packages.sh"

# shellcheck source=hot/lib/system.sh
source "$HEATGEN_LIB/system.sh"

# shellcheck source=hot/lib/rolling.sh
source "$HEATGEN_LIB/rolling.sh"

# shellcheck source=hot/lib/turns.sh
source "$HEATGEN_LIB/turns.sh"

# unit_failed NAME: end the step with the last log lines of the service.
unit_failed() {
    fail "service $1 is not running:" \
        "$(journalctl --unit "$1.service" --no-pager --output cat --lines 6 2>/dev/null)"
}

# wait_unit SECONDS NAME CONDITION COMMAND...: like wait_for; the reason includes the service's last log lines.
wait_unit() {
    local limit=$(($1 * heatgen_factor)) unit=$2 condition=$3 message began=$SECONDS
    shift 3
    until message=$("$@" 2>&1); do
        [ $((SECONDS - began)) -lt "$limit" ] ||
            fail "timed out after $limit s waiting until $condition: $(tail -n 2 <<<"$message");" \
                "log of $unit: $(journalctl --unit "$unit.service" --no-pager --output cat --lines 4)"
        pause_since $began
    done
}

# api_current VERSION COMMAND URL: succeed if the API server at URL is ready and its minor version is not older
# than VERSION. COMMAND sends a GET request to a URL. No component may be newer than the API server:
# https://kubernetes.io/releases/version-skew-policy/. If the API server behaves as an older version, that one counts,
# except for components that behave as EMULATED_VERSION.
api_current() {
    local reply
    "$2" "$3/readyz" >/dev/null || return 1
    reply=$("$2" "$3/version") || return 1
    not_older "$1" "$3" "$reply"
}
# not_older VERSION URL REPLY: succeed unless the reply of an API server to /version has an older minor version.
not_older() {
    local actual minor=${1#*.} behavior=${EMULATED_VERSION:-$1}
    behavior=${behavior#*.}
    actual=$(sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' <<<"$3")
    [ "${actual:-0}" -ge "${minor%%.*}" ] || { echo "the version of $2 is 1.$actual, older than $1" && return 1; }
    actual=$(sed -n 's/.*"emulationMinor": *"\([0-9]*\).*/\1/p' <<<"$3")
    [ -z "$actual" ] || [ "$actual" -ge "${behavior%%.*}" ] ||
        { echo "$2 behaves as 1.$actual, older than ${EMULATED_VERSION:-$1}" && return 1; }
}

# apis_current VERSION COMMAND URL ADDRESSES: like api_current, and succeed only if no API server on the control plane
# (its ADDRESSES are comma-separated) is older, because the API address may move to any of them. Those that do not
# respond are skipped: a node may be down.
apis_current() {
    local address replies older=''
    api_current "$1" "$2" "$3" || return 1
    replies=$(mktemp -d)
    for address in ${4//,/ }; do
        # At the same time, because those that are down time out.
        [ "https://$address:6443" = "$3" ] ||
            "$2" "https://$address:6443/version" >"$replies/$address" 2>/dev/null || rm -f "$replies/$address" &
    done
    wait
    for address in "$replies"/*; do
        [ ! -s "$address" ] || not_older "$1" "https://${address##*/}:6443" "$(<"$address")" || older=yes
    done
    rm -rf "$replies"
    [ -z "$older" ]
}

# kubeconfig SERVER CERTIFICATE: print a kubeconfig that refers to a certificate and key of this node.
kubeconfig() {
    local pki=/etc/kubernetes/pki
    printf '%s\n' \
        'apiVersion: v1' 'kind: Config' 'current-context: default' \
        'clusters:' "- {name: default, cluster: {server: '$1', certificate-authority: $pki/ca.crt}}" \
        'users:' "- {name: default, user: {client-certificate: $pki/$2.crt, client-key: $pki/$2.key}}" \
        'contexts:' '- {name: default, context: {cluster: default, user: default}}'
}
