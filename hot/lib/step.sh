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

# fetch ARTEFACT: download "URL SHA256" once, check it, print the path of the file.
# Several steps and the prefetch may ask for one file at the same time.
fetch() {
    local url=${1% *} sum=${1##* } file said good
    file=$heatgen_cache/$sum good=/run/heatgen-fetched/$sum
    (
        flock 9
        [ -e "$good" ] && [ -e "$file" ] && exit 0
        # What was fetched before this boot is read again: a loss of power may have left a part of it.
        if [ ! -e "$file" ] || [ "$(sum_of "$file")" != "$sum" ]; then
            if ! said=$(outside curl --fail --silent --show-error --location --connect-timeout 5 \
                --max-time 300 --retry 4 --retry-delay 1 --retry-connrefused \
                --output "$file.part" "$url" 2>&1); then
                fail "cannot fetch $url: $(tail -n 1 <<<"$said")"
            fi
            said=$(sum_of "$file.part") || fail "cannot read $file.part"
            if [ "$said" != "$sum" ]; then
                rm -f "$file.part"
                fail "checksum of $url: the lock says $sum, the file has $said." \
                    "Run 'heatgen lock' again if upstream's file was meant to change"
            fi
            mv "$file.part" "$file" || fail "cannot write $file"
        fi
        mkdir -p "${good%/*}"
        touch "$good"
    ) 9>"$file.lock" || exit 1
    printf '%s' "$file"
}

# sum_of FILE: its SHA-256. openssl uses the processor's instructions for it, which make it several times as fast.
sum_of() {
    local said
    said=$(openssl dgst -sha256 -r "$1") && printf '%s' "${said%% *}"
}

# unpack ARTEFACT COMPONENT VERSION [STRIP]: fetch an archive and unpack it once; print its folder.
unpack() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    # The list of what is in it tells whether it is still whole: a loss of power may have emptied files.
    if [ "$(contents "$folder")" != "$(cat "$folder/.complete" 2>/dev/null)" ]; then
        rm -rf "$folder.new"
        mkdir -p "$folder.new"
        tar --extract --no-same-owner --directory "$folder.new" --strip-components "${4:-0}" --file "$file" ||
            fail "cannot unpack ${1% *}"
        contents "$folder.new" >"$folder.new/.complete"
        rm -rf "$folder"
        mv "$folder.new" "$folder"
    fi
    printf '%s' "$folder"
}
# contents FOLDER: "SIZE NAME" of every file that was unpacked there; "none" if there is nothing.
contents() {
    local found
    found=$(find "$1" -type f ! -name .complete -printf '%s %P\n' 2>/dev/null | LC_ALL=C sort) || true
    printf '%s\n' "${found:-none}"
}

# program ARTEFACT COMPONENT VERSION NAME: fetch a bare program into its versioned folder.
program() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    mkdir -p "$folder"
    # A hard link: the file lies on the disk once.
    chmod 0755 "$file"
    ln -f "$file" "$folder/$4"
    link_program "$folder/$4"
}

# link_program FILE...: switch /opt/heatgen/bin/NAME to these programs.
link_program() {
    local file link
    for file; do
        [ -x "$file" ] || fail "the archive has no program ${file##*/}"
        link=$heatgen_bin/${file##*/}
        [ "$(readlink "$link" || true)" = "$file" ] || ln -sfn "$file" "$link"
    done
}

# install_text TEXT FILE [MODE [OWNER]]: write a file in one step if it differs; it is never half there,
# nor for a moment another's.
install_text() {
    local new=$2 mode=${3:-0644} owner=${4:-root}
    if [ ! -e "$2" ] || [ "$(<"$2")" != "$1" ]; then
        new=$2.heatgen-new
        [ -d "${2%/*}" ] || mkdir -p "${2%/*}"
        (umask 077 && printf '%s\n' "$1" >"$new")
    fi
    chown "$owner:" "$new"
    chmod "$mode" "$new"
    [ "$new" = "$2" ] || mv "$new" "$2"
}

# system_user NAME: a user for a service, without login.
system_user() {
    (
        flock 9
        id "$1" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$1"
    ) 9>/run/heatgen-users.lock
}

# install_packages PACKAGE...: by apt-get. A new server may be busy with its own updates: wait for them.
install_packages() {
    local said
    export DEBIAN_FRONTEND=noninteractive
    until said=$( (outside apt-get -qq update &&
        outside apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@") 2>&1); do
        [[ $said == *"Could not get lock"* ]] && [ $SECONDS -lt 240 ] ||
            fail "the image lacks $* and apt-get cannot install them: $(tail -n 2 <<<"$said")." \
                "Give the nodes a way to a Debian mirror, or use an image that has them"
        sleep 2
    done
}

# registry_mirror URL FOLDER: have containerd's host files there send every pull to the mirror first, if any.
registry_mirror() {
    local file=$2/_default/hosts.toml # "_default" stands for every registry; the image's own comes after it
    if [ -n "$1" ]; then
        install_text "[host.\"${1%/}\"]"$'\n''  capabilities = ["pull", "resolve"]' "$file"
    else
        rm -f "$file"
    fi
}

# fingerprint FILE...: changes when a file does; programs (links) are told apart without reading them.
fingerprint() {
    local file
    for file; do
        if [ -L "$file" ]; then stat --dereference --format '%n %i %s %Y' "$file"; else cat "$file"; fi
    done | openssl dgst -sha256 -r
}

# unit_current NAME FILE...: does the service run with these files as they are? What it was started with
# is noted until the next boot; of a service that came with the boot, all of them are older than its start.
unit_current() {
    local unit=$1 noted=/run/heatgen-$1.state since
    shift
    systemctl is-active --quiet "$unit.service" || return 1
    if [ -e "$noted" ]; then
        [ "$(<"$noted")" = "$(unit_state "$unit" "$@")" ]
    else
        since=$(systemctl show --property ExecMainStartTimestamp --value "$unit.service")
        [ -n "$since" ] &&
            [ -z "$(find "/etc/systemd/system/$unit.service" "$@" -newermt "$since" 2>&1)" ]
    fi
}
unit_state() {
    fingerprint "/etc/systemd/system/$1.service" "${@:2}"
}

# start_unit NAME FILE...: enable a service and (re)start it when the unit or one of the files changed.
start_unit() {
    local unit=$1 state
    shift
    state=$(unit_state "$unit" "$@")
    systemctl daemon-reload
    systemctl enable --quiet "$unit.service"
    if ! unit_current "$unit" "$@"; then
        systemctl reset-failed "$unit.service" 2>/dev/null || true
        systemctl restart "$unit.service" || unit_failed "$unit"
        printf '%s' "$state" >"/run/heatgen-$unit.state"
    fi
}

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
