#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Heat agent for systems without Python: bash (5.1), curl, jq (1.6), coreutils and util-linux.
#
# It has the contract of the Python agent, which doc/reference/agent.rst describes: the same state directory,
# results, messages and tests. Without cloud-init it also sets the host name.
#
# No argument of a process contains an input, a password, a token or a signed URL: every user can read them.
# Pauses and unchanged responses start no processes: an idle agent must use little CPU time.
#
# "heatgen-agent.sh" polls until it is stopped; "heatgen-agent.sh run DIR" runs one deployment (internal).
set -uo pipefail
umask 077

STATE=${HEATGEN_AGENT_STATE:-/var/lib/heatgen-agent}
# Written by Ignition, or by Heat's part handler for cloud-init: the server's initial metadata.
FIRST_METADATA=(/var/lib/heat-cfntools/cfn-init-data /var/lib/cloud/data/cfn-init-data)
# Written by the step trust/request: the node's name. It can differ from the host name.
NODE_NAME=/var/lib/heatgen/node-name
# Written by cloud-init: the server's id.
SERVER_ID=/var/lib/cloud/data/instance-id
# Without cloud-init, id and host name are in meta_data.json.
METADATA_SERVICE=http://169.254.169.254/openstack/latest/meta_data.json
CONFIG_DRIVES=(/dev/disk/by-label/config-2 /dev/disk/by-label/CONFIG-2)
IDENTITY_LIMIT=60000 # milliseconds until the agent continues without meta_data.json
# ostree keeps /etc for each version of the system, but only one /var.
OSTREE=/run/ostree-booted
GENERATION_IN_ETC=/etc/heatgen/generation
GENERATION=/var/lib/heatgen/generation
CONSOLE=${HEATGEN_AGENT_CONSOLE:-/dev/console}
CONSOLE_LINES=20     # since the start of the agent; the journal has all
METADATA_GRACE=30000 # milliseconds until missing metadata are reported on the console
HTTP_TIMEOUT=30      # seconds for a connection, and without data
HTTP_LIMIT=300       # seconds for one request
# Milliseconds between polls; the Python agent explains them. IDLE_SHARE is a share of the idle time.
POLL=2000 BUSY_POLL=1000 BUSY_FOR=6000 IDLE_POLL=15000 IDLE_SHARE=20
TICK=0.2 # seconds between checks of running scripts
ATTEMPTS=3
SIGNED_TRIES=6           # requests with a signed URL until a rejection is final
FIRST_PAUSE=1000         # milliseconds until a result is sent again; doubled after each failure,
LAST_PAUSE=30000         # up to this
TAIL=32768               # bytes of stdout and stderr in a signal: Heat stores them permanently
OUTPUT_LIMIT=900000      # bytes of one output
ENVIRONMENT_LIMIT=98304  # bytes; the kernel refuses one environment string over 128 KiB

# --- Journal and console ---------------------------------------------------------------------------

# log MESSAGE: write one line to the journal.
log() {
    printf '%s\n' "$1" >&2
}

console_left=$CONSOLE_LINES

# write_console MESSAGE: write one line to the server's console; a missing or blocked console is ignored.
write_console() {
    local end=''
    ((--console_left >= 0)) || return 0
    ((console_left)) || end=' (more in: journalctl --unit heatgen-agent)'
    printf 'heatgen-agent: %s%s\r\n' "$1" "$end" |
        dd of="$CONSOLE" oflag=append,nonblock,noctty conv=nocreat,notrunc status=none 2>/dev/null || true
}

# report MESSAGE: write one line to journal and console.
report() {
    log "$1"
    write_console "$1"
}

declare -A failure_count=() failure_reason=()

# failed OPERATION REASON: record a failure. It is reported if its reason is new, and else if the number of
# consecutive failures is a power of two: at ever longer intervals.
failed() {
    local count=$((${failure_count[$1]:-0} + 1)) times=''
    failure_count[$1]=$count
    if [ "$2" = "${failure_reason[$1]-}" ] && ((count & (count - 1))); then return; fi
    failure_reason[$1]=$2
    ((count == 1)) || times=" ($count times)"
    report "cannot $1$times: $2"
}

# succeeded OPERATION: record a success; report it after a failure.
succeeded() {
    [ -z "${failure_count[$1]-}" ] || report "can $1 again"
    unset "failure_count[$1]" "failure_reason[$1]"
}

# --- Time, files and names -------------------------------------------------------------------------

# clock: set `now`, milliseconds since boot; a step of the wall clock does not change it.
clock() {
    local up
    read -r up _ </proc/uptime
    now=$((10#${up/./} * 10))
}

# pause SECONDS: wait without a process; nothing is ever written to descriptor 9.
pause() {
    read -rt "$1" -u 9
}

# put FILE: write stdin to a file atomically.
put() {
    cat >"$1.new" && mv "$1.new" "$1"
}

# node_name: print the name of the node; until it is known, the host name.
node_name() {
    local name=''
    { read -r name <"$NODE_NAME"; } 2>/dev/null
    [ -n "$name" ] || read -r name </proc/sys/kernel/hostname
    printf '%s' "$name"
}

# --- Versions of /etc on systems of ostree -----------------------------------------------------------

# generations: set `here` and `latest`, the numbers in the files; 0 without a valid one.
generations() {
    here=0 latest=0
    { read -r here <"$GENERATION_IN_ETC"; } 2>/dev/null
    { read -r latest <"$GENERATION"; } 2>/dev/null
    [[ $here =~ ^[0-9]{1,18}$ ]] || here=0
    [[ $latest =~ ^[0-9]{1,18}$ ]] || latest=0
    here=$((10#$here)) latest=$((10#$latest))
}

# count_generation: record before a script, which may change /etc, that /etc is current. An older one stays older, as it
# does not have what other scripts changed.
count_generation() {
    local here latest file files=("$GENERATION_IN_ETC" "$GENERATION")
    [ -e "$OSTREE" ] || return 0
    generations
    ((here >= latest)) || files=("$GENERATION")
    for file in "${files[@]}"; do
        [ -d "${file%/*}" ] || (umask 022 && mkdir -p "${file%/*}")
        put "$file" <<<$(((here > latest ? here : latest) + 1))
    done
}

# report_generation: report an /etc that is older than the state of the cluster.
report_generation() {
    local here latest
    [ -e "$OSTREE" ] || return 0
    generations
    ((here >= latest)) || report "the booted version of the system is older than the state of the cluster: its /etc has \
generation $here, the latest is $latest. Certificates, units and configuration may be outdated: boot the newer version \
(rpm-ostree rollback --reboot), or replace the server (heatgen documentation: system updates)"
}

# --- HTTP ------------------------------------------------------------------------------------------

# http METHOD URL [BODY [HEADERS]]: send one request; BODY and HEADERS are files. Leaves the response in $work/body
# and $work/headers, its status in `status`, which is 0 without a response, and after a failure `problem`.
http() {
    local url=$2 code=0 options=(--disable --config - --silent --show-error --globoff --path-as-is
        --connect-timeout "$HTTP_TIMEOUT" --speed-time "$HTTP_TIMEOUT" --speed-limit 1 --max-time "$HTTP_LIMIT"
        --header 'Content-Type: application/json' --dump-header "$work/headers" --output "$work/body"
        --write-out '%{http_code}')
    status=0
    if ! valid "$url"; then
        problem="$1 $(host_of "$url"): invalid URL"
        return 1
    fi
    if [ "$1" = GET ]; then options+=(--location --proto-redir '=http,https'); else options+=(--request "$1"); fi
    [ -z "${3-}" ] || options+=(--header Expect: --data-binary "@$3")
    [ -z "${4-}" ] || options+=(--header "@$4")
    : >"$work/body"
    url=${url//\\/\\\\}
    status=$(curl "${options[@]}" <<<"url = \"${url//\"/\\\"}\"" 2>"$work/error") || code=$?
    if ((code)); then
        status=0
        problem="$1 $(host_of "$2"): $(no_response $code "$2")"
    elif ((status < 200 || status > 299)); then
        problem="$1 $(place_of "$2"): HTTP Error $status$(status_advice "$2")"
    fi
    ((status >= 200 && status <= 299))
}

# valid URL: succeed for an http or https URL without spaces and control characters.
valid() {
    local LC_ALL=C
    [[ $1 =~ ^https?://[!-~]+$ ]]
}

# place_of URL: print host, port and path; the query can contain a signature.
place_of() {
    local place=${1#*://}
    printf '%s' "${place%%[?#]*}"
}

# host_of URL: print host and port, nothing for an invalid URL.
host_of() {
    local place
    [[ $1 == *://* ]] || return 0
    place=$(place_of "$1")
    printf '%s' "${place%%/*}"
}

# no_response CODE URL: print the reason of a request without a response, and what to check. Times are removed:
# they would make every failure a new one.
no_response() {
    local message check=''
    message=$(sed -En -e 's/^curl: \([0-9]+\) //' -e 's/ after [0-9]+ (ms|milliseconds)//' -e '1p' "$work/error")
    case $1 in
        6) check='cloud.dns, which must resolve the public endpoints of Keystone and Heat' ;;
        7 | 28) check='routes and firewalls to the public endpoints of Keystone and Heat' ;;
        35) [[ $message == *reset* ]] || check='that this is an https port' ;;
        51 | 60 | 77) check=$(certificate_advice "$message" "$(host_of "$2")") ;;
    esac
    printf '%s' "${message:-curl exited with status $1}${check:+ (check $check)}"
}

# certificate_advice MESSAGE HOST: print what to check after a certificate is rejected.
certificate_advice() {
    case $1 in
        *'not yet valid'*) printf 'the clock' ;;
        *expired*) printf 'the clock and the certificate' ;;
        *'subject name'* | *'does not match'*)
            if [[ $2 =~ ^(\[|[0-9.]+(:|$)) ]]; then printf 'the addresses in the certificate'; else
                printf 'the names in the certificate'
            fi
            ;;
        *) printf 'site.ca_certificates, which must contain its authority' ;;
    esac
}

# signed URL: succeed if the URL contains a signature instead of requiring a token.
signed() {
    [[ $1 == *Signature=* || $1 == *temp_url_sig=* ]]
}

# status_advice URL: print what `status` of Keystone or Heat means for the agent.
status_advice() {
    local keystone=''
    [[ $1 != */auth/tokens ]] || keystone=yes
    if signed "$1" && [[ $status == 40[13] ]]; then
        printf ' (the signature is rejected: check the clocks of the cloud, [ec2authtoken] of heat-api-cfn, and %s)' \
            'whether the URL has expired, after 15 minutes for CFN_SIGNAL'
    elif [ "$status" = 401 ]; then
        [ -z "$keystone" ] || printf ' (Keystone rejects the user that Heat created for this server)'
    elif [[ $status == 40[34] ]]; then
        if [ -n "$keystone" ]; then printf " (check auth_url in Heat's configuration)"; else
            printf ' (check whether the stack still exists)'
        fi
    elif ((status >= 500)); then
        printf ' (check the services of the cloud)'
    fi
}

# is_object URL: succeed if the response is a JSON object.
is_object() {
    jq -e objects "$work/body" >/dev/null 2>&1 && return
    status=0
    problem="$1: the response is not that of OpenStack, it begins with '$(head -c 40 "$work/body" | tr -cd ' -~')'"
    return 1
}

# --- Keystone and Heat -----------------------------------------------------------------------------

# From a file with credentials: the URL for tokens, the region, and the request.
LOGIN='
    (.auth_url | sub("/+$"; "") | (if endswith("/v3") then . else rtrimstr("/v2.0") + "/v3" end) + "/auth/tokens"),
    (.region_name // ""),
    ({auth: {
        identity: {methods: ["password"], password: {user: {id: .user_id, password: .password}}},
        scope: {project: {id: .project_id}}
    }} | tojson)'
# From the response: the public endpoint of type orchestration, in the region if one is given.
# shellcheck disable=SC2016
ENDPOINT='
    .token | objects | [.catalog[]? | select(.type == "orchestration") | .endpoints[]? |
        select(.interface == "public" and ($region == "" or .region_id == $region)) | .url] |
    first // "" | sub("/+$"; "")'

# authenticate CREDENTIALS TOKEN: write the header with a new token to the file TOKEN; set `found`, Heat's endpoint.
authenticate() {
    local url region
    found=''
    jq -r "$LOGIN" "$1" >"$work/auth" || { problem='invalid credentials' status=0 && return 1; }
    { read -r url && read -r region && cat >"$work/login"; } <"$work/auth"
    http POST "$url" "$work/login" || return 1
    is_object "$url" || return 1
    sed -n 's/^x-subject-token: *\([^ \r]*\).*/X-Auth-Token: \1/Ip' "$work/headers" >"$2"
    if [ ! -s "$2" ] || ! jq -e '.token | objects' "$work/body" >/dev/null; then
        problem="$url: the response has no token" status=0
        return 1
    fi
    found=$(jq -r --arg region "$region" "$ENDPOINT" "$work/body")
    [ -z "$found" ] || return 0
    [ -z "$region" ] || region=" in region '$region'"
    problem="the Keystone catalog has no public endpoint of Heat$region" status=0
    return 1
}

# heat PATH: get a path of Heat as the server's user; retry once with a new token if the token is rejected.
heat() {
    local attempt
    for attempt in 1 2; do
        if [ -z "$endpoint" ]; then
            authenticate "$work/server" "$work/token" || return 1
            endpoint=$found
        fi
        if http GET "$endpoint$1" '' "$work/token"; then return 0; fi
        endpoint=''
        if [ "$status" != 401 ] || [ $attempt = 2 ]; then return 1; fi
    done
}

# --- The server: initial metadata, id and host name ------------------------------------------------

# first_metadata: wait for the server's initial metadata, which contain the credentials for polling.
first_metadata() {
    local file start shown='' message="waiting for Heat metadata in ${FIRST_METADATA[0]} or ${FIRST_METADATA[1]}"
    clock
    start=$now
    while :; do
        for file in "${FIRST_METADATA[@]}"; do
            if jq -e '."os-collect-config".heat | objects' "$file" >"$work/server" 2>/dev/null; then
                cp "$file" "$work/metadata"
                return
            fi
        done
        ((now > start)) || log "$message"
        pause 0.5
        clock
        if [ -z "$shown" ] && ((now - start > METADATA_GRACE)); then
            write_console "$message (check cloud-init or Ignition, and the metadata service)"
            shown=yes
        fi
    done
}

# identify: set `server`, the server's id. cloud-init also sets the host name; without it, the agent does: the host
# name from DHCP is not that of the server. Both are kept for the next start: metadata may not be available then.
identify() {
    local start
    server=''
    if { read -r server <"$SERVER_ID"; } 2>/dev/null && [ -n "$server" ]; then return; fi
    clock
    start=$now
    until [ -s "$STATE/meta_data.json" ]; do
        if meta_data; then put "$STATE/meta_data.json" <"$work/body"; break; fi
        failed 'read the id and the name of the server' "$problem"
        clock
        ((now - start < IDENTITY_LIMIT)) || return
        pause 2
    done
    succeeded 'read the id and the name of the server'
    server=$(jq -r '.uuid // ""' "$STATE/meta_data.json")
    set_host_name "$(jq -r '(.hostname // .name // "") | split(".")[0] // ""' "$STATE/meta_data.json")"
}

# meta_data: leave meta_data.json in $work/body, from the config drive if there is one, else from the metadata service.
meta_data() {
    local device
    for device in "${CONFIG_DRIVES[@]}"; do
        if [ -e "$device" ]; then
            from_drive "$device" && is_object "$device"
            return
        fi
    done
    no_proxy=169.254.169.254 http GET "$METADATA_SERVICE" && is_object "$METADATA_SERVICE"
}

# from_drive DEVICE: copy meta_data.json from a config drive to $work/body.
from_drive() {
    local copied=yes
    mkdir -p "$work/drive"
    if ! problem=$(mount -o ro "$1" "$work/drive" 2>&1); then
        problem="cannot mount $1: $problem"
        return 1
    fi
    problem=$(cp "$work/drive/openstack/latest/meta_data.json" "$work/body" 2>&1) || copied=''
    umount "$work/drive"
    [ -n "$copied" ]
}

# set_host_name NAME: set the host name, like cloud-init the first label of the name in Nova.
set_host_name() {
    local current message
    read -r current </proc/sys/kernel/hostname
    if [[ ! $1 =~ ^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$ ]] || [ "$1" = "$current" ]; then return; fi
    if message=$(hostnamectl hostname "$1" 2>&1); then
        log "set the host name to $1"
    else
        report "cannot set the host name to $1: $message"
    fi
}

# --- Polling ---------------------------------------------------------------------------------------

# Every Heat serves the metadata of the server resource, but reads the complete stack and its template for each
# request. The list of a server's deployments has the same content at a third of the cost. It is used once it has
# returned all deployments that the metadata contain: for a wrong server id Heat returns an empty list.

# request_list: get the list of the server's deployments, which is not used again if Heat denies access.
request_list() {
    if heat "$list_path"; then return 0; fi
    if ((status >= 400 && status < 500)); then
        log "falling back to the metadata of the server resource: $problem"
        list_path='' list_proven=''
    fi
    return 1
}

# poll: leave the server's deployments in $work/deployments; set `changed` if they can have changed.
poll() {
    if [ -n "$list_proven" ]; then
        if request_list; then
            take_response "$list_path" '.metadata // []'
            return
        fi
        [ -z "$list_proven" ] || return 1
    fi
    heat "$metadata_path" && take_response "$metadata_path" '.metadata.deployments // []' || return 1
    if [ -n "$list_path" ] && [ "$(<"$work/deployments")" != '[]' ]; then prove_list; fi
}

# take_response PATH FILTER: update the deployments, and the metadata if there are some, if the response has changed.
take_response() {
    if cmp -s "$work/body" "$work/answer"; then return 0; fi
    is_object "$1" || return 1
    if [ "$1" = "$metadata_path" ]; then
        if ! jq -e '.metadata | objects | select(. != {})' "$work/body" >"$work/metadata.new"; then return 0; fi
        mv "$work/metadata.new" "$work/metadata"
        read_interval
    fi
    jq -c "$2" "$work/body" >"$work/deployments" && cp "$work/body" "$work/answer" && changed=yes
}

# prove_list: use the list from now on if it contains all deployments, and never if it does not.
prove_list() {
    if ! request_list; then
        [ -z "$list_path" ] # if Heat denies access, the metadata are sufficient
        return
    fi
    is_object "$list_path" || return 1
    if jq -e --slurpfile shown "$work/deployments" \
        '($shown[0] | map(.id)) - (.metadata // [] | map(.id)) == []' "$work/body" >/dev/null; then
        list_proven=yes
    else
        list_path=''
    fi
}

# read_interval: set `base`, the milliseconds between polls that the metadata request.
read_interval() {
    base=$(jq --argjson poll "$POLL" '."os-collect-config".polling_interval? // "" | tostring |
        if test("^[0-9]+(\\.[0-9]+)?$") then [1000, (tonumber * 1000 | floor)] | max else $poll end' "$work/metadata")
}

# interval IDLE: set `next`, the milliseconds until the next poll of a node that has been idle for IDLE ones.
interval() {
    local rare=$(($1 / IDLE_SHARE))
    ((rare <= IDLE_POLL)) || rare=$IDLE_POLL
    if (($1 < BUSY_FOR)); then
        next=$((base < BUSY_POLL ? base : BUSY_POLL))
    else
        next=$((base > rare ? base : rare))
    fi
}

# --- One deployment: directory with config.json, inputs, outputs, stdout, stderr, result.json ------

# From config.json: shell code that writes the script, a file for each input, and for a map a directory; the file
# that exports the small inputs; and the variables `limit` and `step`. Inputs that the agent needs to signal are
# omitted. jq 1.6 leaves some characters that Python quotes.
# shellcheck disable=SC2016
UNFOLD='
    def sorted:
        if type == "object" then . as $map | reduce keys[] as $key ({}; .[$key] = ($map[$key] | sorted))
        elif type == "array" then map(sorted) else . end;
    def text: if . == null then "" elif type == "string" then . else sorted | tojson end;
    def quoted:
        @uri | if test("[!*()\u0027]") then
            gsub("!"; "%21") | gsub("[*]"; "%2A") | gsub("[(]"; "%28") | gsub("[)]"; "%29") | gsub("\u0027"; "%27")
        else . end;
    def file($path): "printf %s \(text | @sh) >\($path | @sh)";
    def folder($path):
        "mkdir -p \($path | @sh)",
        (to_entries[] | "\($path)/\(.key | quoted)" as $path | .value |
            if type == "object" then folder($path) else file($path) end);
    def exported:
        [to_entries[] | select((.key | test("^[A-Za-z_][A-Za-z0-9_]*$")) and (.value | utf8bytelength) <= $limit) |
            "export \(.key)=\(.value | @sh)"];
    def credential: IN("auth_url", "username", "user_id", "password", "project_id", "signal_id" | "deploy_" + .);
    (.config // "" | file($root + "/script")),
    ([.inputs[]? | select((.name // "") != "" and (.name | credential | not)) | {key: .name, value: (.value | text)}] |
        from_entries |
        (to_entries[] | "\($root)/inputs.\(.key)" as $path | .value |
            file($path), (select(startswith("{")) | (try fromjson catch empty) | objects | folder($path + ".d"))),
        (exported + ["export heat_inputs_path=\($root + "/inputs" | @sh)",
            "export heat_outputs_path=\($root + "/outputs" | @sh)"] |
            join("\n") | file($root + "/inputs..environment")),
        "limit=\(.HEATGEN_TIMEOUT // "" | @sh)",
        "step=\([.HEATGEN_STEP, .deploy_resource_name, "deployment"] | map(values | select(. != "")) | first | @sh)")'

# From pairs of lines, a name and base64 text with three more bytes, the signal to Heat. (A truncated character
# within the last bytes confuses jq.) The first pairs are step, node name and reported problem.
# shellcheck disable=SC2016
RESULT='
    def strip: sub("^\\s+"; "") | sub("\\s+$"; "");
    def last_lines: split("\r") | join("\n") | split("\n") | map(select(test("\\S"))) | .[-5:] | join("; ");
    [inputs] | [range(0; length; 2) as $i | {key: .[$i], value: (.[$i + 1] | @base64d | .[:-3])}] |
    (.[:3] | map(.value)) as [$step, $node, $reported] | .[3:] | from_entries |
    ([($reported | strip), (.deploy_stderr | last_lines), "exit status \($status), no output on stderr"] |
        map(select(. != "")) | first) as $reason |
    del(.problem) + {deploy_status_code: $status} +
    if $status == 0 then {} else {problem: "\($step) on \($node): \($reason)"} end'

# run FOLDER: run one deployment and write result.json, the body of the signal to Heat. Meanwhile a shared lock is held;
# who restarts the server holds it exclusively.
run() {
    local folder=$1 limit='' step='' status=0
    exec 8>>"${folder%/*}/lock"
    flock --shared 8
    rm -f "$folder"/outputs.*
    jq -r --arg root "$folder" --argjson limit "$ENVIRONMENT_LIMIT" "$UNFOLD" "$folder/config.json" \
        >"$folder/inputs..sh" || exit 1
    # shellcheck source=/dev/null
    source "$folder/inputs..sh"
    rm "$folder/inputs..sh"
    chmod 0700 "$folder/script"
    execute "$folder" "$limit"
    rm "$folder/inputs..environment"
    result "$folder" "$step" "$status"
}

# execute FOLDER LIMIT: run the script in its own session; set `status`, 124 after the time limit.
execute() {
    local folder=$1 limit=$2 pid timer ended='' reason
    if reason=$(not_executable "$folder/script"); then
        : >"$folder/stdout"
        echo "cannot run the script: $reason" >"$folder/stderr"
        status=126
        return
    fi
    launch "$folder" </dev/null >"$folder/stdout" 2>"$folder/stderr" &
    pid=$!
    if [[ ! $limit =~ ^[0-9]+$ ]]; then
        wait $pid 2>/dev/null || status=$?
        return
    fi
    sleep "$limit" >/dev/null 2>&1 8>&- &
    timer=$!
    { wait -n -p ended $pid $timer || status=$?; } 2>/dev/null
    if [ "$ended" = $pid ]; then
        { kill $timer && wait $timer; } 2>/dev/null
        return
    fi
    { kill -KILL -- -$pid || kill -KILL $pid; } 2>/dev/null
    wait $pid 2>/dev/null
    echo "timed out after $limit s" >>"$folder/stderr"
    status=124
}

# not_executable SCRIPT: print why the kernel would not run a script; fail if it would. bash would run a script
# without an interpreter itself.
not_executable() {
    local first='' interpreter
    read -r first <"$1" 2>/dev/null
    read -r interpreter _ <<<"${first#\#!}"
    if [[ $first != '#!'* || -z $interpreter ]]; then
        echo 'Exec format error'
    elif [ ! -e "$interpreter" ]; then
        echo 'No such file or directory'
    else
        return 1
    fi
}

# launch FOLDER: replace this shell by the script, with only the environment of the contract. The environment is
# exported by a shell that starts the script: as arguments of env, all users could read it.
launch() {
    local variable kept=(HOME=/root)
    for variable in PATH LANG LC_ALL; do
        [ -z "${!variable+set}" ] || kept+=("$variable=${!variable}")
    done
    exec 8>&-
    cd / || exit 126
    # shellcheck disable=SC2016
    exec setsid env --default-signal=INT,QUIT --ignore-environment "${kept[@]}" "$BASH" -c \
        'source "$0/inputs..environment"; exec "$0/script"' "$folder"
}

# result FOLDER STEP STATUS: write result.json.
result() {
    local folder=$1 file
    {
        encoded step printf %s "$2"
        encoded node node_name
        encoded reported tail -c "$TAIL" "$folder/outputs.problem"
        for file in "$folder"/outputs.*; do
            [ ! -e "$file" ] || encoded "${file#"$folder"/outputs.}" tail -c "$OUTPUT_LIMIT" "$file"
        done
        encoded deploy_stdout tail -c "$TAIL" "$folder/stdout"
        encoded deploy_stderr tail -c "$TAIL" "$folder/stderr"
    } 2>/dev/null | jq -nRcajS --argjson status "$3" "$RESULT" | put "$folder/result.json"
}

# encoded NAME COMMAND...: print a name, and the output of a command in base64 with three more bytes.
encoded() {
    printf '%s\n' "$1"
    shift
    { "$@"; printf ...; } | base64 --wrap 0
    echo
}

# --- The agent: start new deployments, signal finished ones ----------------------------------------

# process_start PID: set `started`, the start time of a process (clock ticks since boot), empty if it is not running.
process_start() {
    local stat
    started=''
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra stat <<<"${stat##*) }"
    [ "${stat[0]}" = Z ] || started=${stat[19]}
}

# running FOLDER: succeed if the runner is running, including one that a previous agent started.
running() {
    local pid='' since='' boot=''
    { read -r pid since boot <"$1/runner"; } 2>/dev/null
    [ -n "$since" ] && [ "$boot" = "$boot_id" ] && process_start "$pid" && [ "$started" = "$since" ]
}

# no_run FOLDER REASON: write a result without running the script.
no_run() {
    jq -ncajS --arg reason "$2" '{problem: $reason, deploy_stderr: $reason, deploy_status_code: 1}' |
        put "$1/result.json"
}

# start FOLDER: start the runner process, unless the script was interrupted too often.
start() {
    local attempts=0 name=${1##*/}
    name=${name%@*}
    { read -r attempts <"$1/attempts"; } 2>/dev/null
    if ((++attempts > ATTEMPTS)); then
        no_run "$1" "$name on $(node_name): interrupted $ATTEMPTS times"
        return
    fi
    put "$1/attempts" <<<$attempts
    count_generation
    setsid "$BASH" "$0" run "$1" </dev/null 9<&- &
    process_start $!
    put "$1/runner" <<<"$! $started $boot_id"
    if ((attempts > 1)); then log "$name: started, attempt $attempts"; else log "$name: started"; fi
}

# From config.json, what is needed to signal: verb and signed URL; path below Heat's endpoint; credentials.
SIGNAL='
    [.inputs[]? | select(.name // "" | startswith("deploy_")) | {key: .name[7:], value}] | from_entries |
    (.signal_verb // "" | if . == "" then "POST" else . end),
    (.signal_id // ""),
    (if (.auth_url // "") == "" then "" else "/stacks/\(.stack_id)/resources/\(.resource_name | @uri)/signal" end),
    tojson'

# send FOLDER: signal the result with the transport given in the deployment's inputs; set `signed_url`.
send() {
    local verb path
    jq -r "$SIGNAL" "$1/config.json" >"$work/signal"
    { read -r verb && read -r signed_url && read -r path && cat >"$work/own"; } <"$work/signal"
    if [ -n "$signed_url" ]; then # CFN_SIGNAL, TEMP_URL_SIGNAL
        http "$verb" "$signed_url" "$1/result.json"
    elif [ -n "$path" ]; then
        authenticate "$work/own" "$work/own-token" && http POST "$found$path" "$1/result.json" "$work/own-token"
    fi
}

# rejected OPERATION: succeed if `status` means that Heat will never accept the result. A cloud that cannot verify a
# signature at the moment, because its Keystone is restarted, responds with 401 or 403, too.
rejected() {
    if [ -n "$signed_url" ] && [[ $status == 40[13] ]]; then
        ((${failure_count[$1]:-0} >= SIGNED_TRIES - 1))
    else
        [[ $status == 40[0349] ]]
    fi
}

# signal ID FOLDER NAME: send the result; succeed if Heat accepted or permanently rejected it.
signal() {
    local operation="signal the result of $3 to Heat" signed_url=''
    clock
    ((now >= ${next_signal[$1]:-0})) || return 1
    if send "$2"; then
        succeeded "$operation"
        log "$3: finished with exit status $(jq .deploy_status_code "$2/result.json")"
    elif rejected "$operation"; then
        report "$3: Heat rejected the signal: $problem"
    else
        failed "$operation" "$problem"
        clock
        pauses[$1]=${pauses[$1]:-$FIRST_PAUSE}
        next_signal[$1]=$((now + pauses[$1]))
        pauses[$1]=$((pauses[$1] * 2 < LAST_PAUSE ? pauses[$1] * 2 : LAST_PAUSE))
        return 1
    fi
    : >"$2/done"
    rm -rf "$2"/inputs.* "$2/config.json" # inputs and credentials
    unset "open[$1]" "next_signal[$1]" "pauses[$1]" "failure_count[$operation]" "failure_reason[$operation]"
}

# signal_finished: signal finished deployments, restart interrupted ones; succeed if one was closed.
signal_finished() {
    local id folder name closed=1
    for id in "${!open[@]}"; do
        folder=${open[$id]} name=${folder##*/}
        if [ -e "$folder/result.json" ]; then
            if signal "$id" "$folder" "${name%@*}"; then closed=0; fi
        else
            running "$folder" || [ -e "$folder/result.json" ] || start "$folder"
        fi
    done
    return $closed
}

# Of each deployment: its id, its name for the state directory, and why it cannot run.
DEPLOYMENTS='.[] | select((.id // "") != "") | [
    .id,
    (.name // "" | if . == "" then "deployment" else . end | @uri),
    if .group | IN("script", "Heat::Ungrouped") then "" else
        "group \(.group | if . == null then "None" else "\u0027\(.)\u0027" end) " +
        "is not supported by this agent, only \u0027script\u0027"
    end
] | @tsv'

# register: register new deployments; succeed if there are some.
register() {
    local id name unsupported folder new=1
    [ -n "$changed" ] || return 1
    changed=''
    while IFS=$'\t' read -r id name unsupported; do
        [ -z "${seen[$id]-}" ] || continue
        folder=$STATE/$name@$id
        mkdir -p "$folder"
        jq --arg id "$id" 'map(select(.id == $id)) | first' "$work/deployments" | put "$folder/config.json"
        seen[$id]=1 open[$id]=$folder new=0
        [ -z "$unsupported" ] || no_run "$folder" "$name: $unsupported"
    done < <(jq -r "$DEPLOYMENTS" "$work/deployments")
    return $new
}

# find_deployments: read the known deployments from the state directory.
find_deployments() {
    local folder id
    for folder in "$STATE"/*@*; do
        # Without both, the agent was killed before config.json was written: the next poll returns the deployment.
        [ -e "$folder/config.json" ] || [ -e "$folder/done" ] || continue
        id=${folder##*@}
        seen[$id]=1
        [ -e "$folder/done" ] || open[$id]=$folder
    done
}

# poll_once: poll, and register what is new; set `next_poll`.
poll_once() {
    local count
    if poll; then succeeded 'poll Heat'; else failed 'poll Heat' "$problem"; fi
    clock
    if register; then active=$now; fi
    interval $((now - active))
    count=${failure_count[poll Heat]:-0}
    next=$((next << (count < 4 ? count : 4)))
    next_poll=$((now + (next < 30000 ? next : 30000)))
}

# poll_until_stopped: poll, run and signal; failures of Heat or Keystone do not end the loop.
poll_until_stopped() {
    local active next_poll=0 server
    declare -gA seen=() open=() next_signal=() pauses=() # by the id of the deployment's derived config
    declare -g endpoint='' found='' list_path='' list_proven='' changed='' base=$POLL next=0 started='' boot_id=''
    { read -r boot_id </proc/sys/kernel/random/boot_id; } 2>/dev/null # may stay the same in a container
    mkdir -p "$STATE"
    report_generation
    find_deployments
    first_metadata
    identify
    metadata_path=$(jq -r '"/stacks/\(.stack_id)/resources/\(.resource_name | @uri)/metadata"' "$work/server")
    [ -z "$server" ] || list_path=/software_deployments/metadata/$server
    read_interval
    clock
    active=$now
    while :; do
        clock
        if ((now >= next_poll)); then poll_once; fi
        if signal_finished; then
            clock
            active=$now
            ((next_poll <= now + BUSY_POLL)) || next_poll=$((now + BUSY_POLL)) # dependent deployments follow soon
        fi
        pause $TICK
    done
}

main() {
    if [ $# = 2 ] && [ "$1" = run ]; then
        run "$2"
    elif [ $# = 0 ]; then
        exec 9<> <(:) # for `pause`
        work=${RUNTIME_DIRECTORY:-/run/heatgen-agent}
        mkdir -p "$work" && rm -rf "${work:?}"/* || exit 1
        poll_until_stopped
    else
        echo 'usage: heatgen-agent.sh [run DIR]' >&2
        exit 2
    fi
}

status=0 problem='' now=0
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
