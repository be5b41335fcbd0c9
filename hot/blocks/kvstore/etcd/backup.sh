#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Back up etcd and the trust state of the cluster, sealed, and rehearse the restore of the newest backup once a day.
#
# etcd-backup tick                 do what is due or requested; the timer runs this every minute
# etcd-backup take                 take a backup now
# etcd-backup rehearse             restore the newest backup into a scratch directory and start etcd from it
# etcd-backup status               print the status (JSON)
# etcd-backup meta FILE            print the description in a sealed backup (JSON)
# etcd-backup check FILE SHA256    fail unless this cluster can be restored from a backup; change nothing
# etcd-backup restore FILE SHA256 FOLDER MEMBER PEER-URL TOKEN
#                                  write etcd's data from a backup, for a new cluster of this member
#
# A backup is NAME.backup: a gzip-compressed tar archive in a CMS envelope (DER, AES-256-GCM), which the keys of the
# control-plane nodes, the administrator's backup key and access.backup_recipients can open. NAME.json describes it.
set -uo pipefail

heat_outputs_path=/run/heatgen-etcd-backup # fail() writes the reason to heat_outputs_path.problem
# shellcheck source=hot/lib/step.sh
source "${HEATGEN_LIB:-/opt/heatgen/lib}/step.sh"
trap - ERR
# shellcheck source=hot/blocks/kvstore/etcd/members.sh
source "${HEATGEN_MEMBERS:-$heatgen_home/lib/etcd-members.sh}"
umask 077

folder=/var/backups/etcd
settings=/etc/heatgen/backup # backup.env, and the certificates of all recipients
home=/var/lib/heatgen
pki=/etc/etcd/pki
own=https://127.0.0.1:2379
work=$folder/work                      # on the disk, because databases may be larger than the memory
root_home=/run/heatgen-etcd-backup.work # keys exist here only, in memory

FIRST=600        # seconds after the installation until the first backup; the creation of the cluster goes first
STAGGER=60       # seconds between the control-plane nodes
RETRY=600        # seconds until the next attempt after a failed backup
DAY=86400        # seconds between rehearsals
RETRY_REHEARSAL=3600
SPARE=268435456  # bytes that must remain free: write-ahead logs of the restored data
PORTS='12379 12479 12579' # of the rehearsal, on the loopback interface

# shellcheck disable=SC1091 # written by the step
source $settings/backup.env || { echo "$settings/backup.env does not exist: run the step kvstore/backup" >&2 && exit 1; }

# ---- state, lines "KEY VALUE" ----

# get KEY, set_state KEY VALUE: read and write one value of the state.
get() {
    sed -n "s/^$1 //p" $folder/state 2>/dev/null | tail -n 1
}
set_state() {
    {
        grep -v "^$1 " $folder/state 2>/dev/null
        [ -z "$2" ] || printf '%s %s\n' "$1" "$2"
    } >$folder/state.new
    mv $folder/state.new $folder/state
}
now() {
    printf '%(%s)T' -1
}
# when SECONDS: print a time in RFC 3339; nothing for an empty one.
when() {
    [ -z "$1" ] || date --utc --date "@$1" +%Y-%m-%dT%H:%M:%SZ
}
# number KEY JSON: print the value of the first such key.
number() {
    grep -o "\"$1\":[0-9]*" <<<"$2" | sed -n '1s/.*://p'
}
# text KEY JSON: print the text of the first such key, without quotes.
text() {
    grep -o "\"$1\":\"[^\"]*\"" <<<"$2" | sed -n 1p | cut -d '"' -f 4
}
# quoted TEXT: print a JSON string, on one line.
quoted() {
    local text=${1//$'\n'/ }
    text=${text//[$'\001'-$'\037']/ }
    text=${text//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}
# sum FILE: print its SHA-256; fail if it cannot be read.
sum() {
    sum_of "$1" || fail "cannot read $1"
}
# space: print the free bytes of the disk with the backups.
space() {
    df --output=avail --block-size=1 $folder | tail -n 1
}

# archives: print the files of all backups, the newest first; names begin with the time.
archives() {
    find $folder -maxdepth 1 -name '*.backup' -printf '%f\n' 2>/dev/null | LC_ALL=C sort --reverse
}

# status: print the status. An annotation of a node has it, too, so of each backup it has a part of the description.
status() {
    local file line archive_list=''
    for file in $(archives); do
        line=$(cat "$folder/${file%.backup}.json" 2>/dev/null) || continue
        archive_list+="${archive_list:+,}{\"file\":\"$file\",\"taken\":\"$(text taken "$line")\""
        archive_list+=",\"size\":$(number size "$line"),\"revision\":$(number revision "$line")"
        archive_list+=",\"keys\":$(number keys "$line"),\"sha256\":\"$(text sealed_sha256 "$line")\"}"
    done
    printf '{"format":1,"node":%s,"enabled":%s,"interval":%s,"keep":%s,"since":%s,"taken":%s,"rehearsed":%s' \
        "$(quoted "$(node_name)")" "$ENABLED" "$INTERVAL" "$KEEP" "$(quoted "$(when "$(get since)")")" \
        "$(quoted "$(when "$(get taken)")")" "$(quoted "$(when "$(get rehearsed)")")"
    printf ',"rehearsed_file":%s,"request":%s,"problem":%s,"rehearsal_problem":%s,"archives":[%s]}\n' \
        "$(quoted "$(get rehearsed_file)")" "$(quoted "$(get request)")" "$(quoted "$(get problem)")" \
        "$(quoted "$(get rehearsal_problem)")" "$archive_list"
}

# ---- taking a backup ----

# prepare: create empty work directories; those of a killed run are removed.
prepare() {
    rm -rf $work $root_home
    install -d -m 0700 $work $root_home || fail "cannot create $work"
}
# clean: remove the work directories, and end the etcd of a rehearsal.
clean() {
    [ -z "${rehearsal:-}" ] || { kill "$rehearsal" && wait "$rehearsal"; } 2>/dev/null
    rm -rf $work $root_home
}

# as_etcd_root ENDPOINT ARGUMENT...: run etcdctl as etcd root without a time limit of its own.
as_etcd_root() {
    local certificate
    certificate=$(root_certificate) || exit 1
    timeout 900 "$heatgen_bin/etcdctl" --endpoints "$1" --dial-timeout 5s --cacert $pki/ca.crt \
        --cert "$certificate.crt" --key "$certificate.key" "${@:2}"
}

# count ENDPOINT [REVISION]: print the number of keys of Kubernetes.
count() {
    local reply
    reply=$(as_etcd_root "$1" get /registry/ --prefix --count-only --write-out fields ${2:+--rev "$2"} 2>&1) ||
        { tail -n 1 <<<"$reply" && return 1; }
    sed -n 's/^"Count" : \([0-9]*\)$/\1/p' <<<"$reply"
}

# require_space BYTES: fail unless a database of this size, and what is restored from it, fit on the disk.
require_space() {
    local needed=$((3 * $1 + SPARE)) free
    free=$(space)
    [ "$free" -ge $needed ] || fail "the disk of $folder has $((free >> 20)) MiB free, but $((needed >> 20)) MiB are" \
        "required: free space, or lower kvstore.backup_keep"
}

# restore_into SNAPSHOT DIRECTORY OPTION...: restore a snapshot into a new data directory. Only this verifies the
# snapshot's checksum: 'etcdutl snapshot status' accepts a damaged file.
restore_into() {
    local message
    message=$("$heatgen_bin/etcdutl" snapshot restore "$1" --data-dir "$2" "${@:3}" 2>&1) ||
        fail "the snapshot cannot be restored: $(grep -v '^{' <<<"$message" | tail -n 1 | cut -c 1-300)"
}

# recipients: set the array `recipients` to the options of openssl for every certificate.
recipients() {
    local file
    recipients=()
    for file in "$settings"/*.crt; do
        [ -s "$file" ] || continue
        recipients+=(-recip "$file")
        if [[ $(openssl x509 -in "$file" -noout -text 2>/dev/null) == *'Public Key Algorithm: id-ecPublicKey'* ]]; then
            recipients+=(-keyopt ecdh_kdf_md:sha256)
        fi
    done
    [ ${#recipients[@]} -gt 0 ] || fail "$settings contains no certificate of a recipient"
}

# open FILE: print the archive in a sealed backup; fail if this node's key cannot open it, or it was changed.
open() {
    openssl cms -decrypt -binary -inform DER -in "$1" -recip $home/envelope.crt -inkey $home/envelope.key 2>/dev/null
}

# describe: print the description of the snapshot in $work.
describe() {
    local members current=$home/trust/current authority
    members=$(client $pki/health $own member list 2>/dev/null | awk -F ', ' '{printf "%s%s=%s", sep, $3, $4; sep = ","}')
    authority=$(<"$current/authorities")
    printf '{"format":1,"cluster":%s,"stack":%s,"node":%s,"taken":%s,"etcd":%s,"kubernetes":%s' \
        "$(quoted "$CLUSTER_NAME")" "$(quoted "$STACK_NAME")" "$(quoted "$(node_name)")" "$(quoted "$(when "$began")")" \
        "$(quoted "$("$heatgen_bin/etcdctl" version | sed -n 's/^etcdctl version: //p')")" \
        "$(quoted "$(version_of_kubernetes)")"
    printf ',"cluster_id":%s,"revision":%s,"keys":%s,"bytes":%s,"sha256":%s,"members":%s,"ca":%s,"encryption":%s}\n' \
        "$(quoted "$cluster_id")" "$revision" "$keys" "$(stat --format %s $work/snapshot.db)" \
        "$(quoted "$(sum $work/snapshot.db)")" "$(quoted "$members")" \
        "$(quoted "$(sum "$current/kubernetes/${authority%%,*}.crt")")" "$(quoted "$(sum "$current/encryption.key")")"
}
# version_of_kubernetes: print the version of this node's API server, from its link /opt/heatgen/kubernetes/VERSION/...
version_of_kubernetes() {
    local program
    program=$(readlink "$heatgen_bin/kube-apiserver") || return 0
    program=${program%/*}
    printf '%s' "${program##*/}"
}

# shellcheck disable=SC2030 # a subshell on purpose
# take: take, verify and seal a backup. A subshell, because `fail` ends it.
take() (
    trap clean EXIT
    prepare
    began=$(now)
    root_certificate >/dev/null
    state=$(client $pki/health $own endpoint status --write-out json 2>&1) ||
        fail "etcd on this node does not respond: $(tail -n 1 <<<"$state")"
    cluster_id=$(number cluster_id "$state")
    [[ $state != *'"isLearner":true'* ]] || fail "the etcd member of this node is a learner, which cannot be read yet"
    require_space "$(number dbSize "$state")"
    message=$(as_etcd_root $own snapshot save $work/snapshot.db 2>&1) ||
        fail "etcd returned no snapshot: $(tail -n 1 <<<"$message" | cut -c 1-300)"
    details=$("$heatgen_bin/etcdutl" snapshot status $work/snapshot.db --write-out json 2>&1) ||
        fail "the snapshot cannot be read: $(tail -n 1 <<<"$details" | cut -c 1-300)"
    revision=$(number revision "$details")
    last=$(get revision)
    if [ "$(get cluster_id)" = "$cluster_id" ] && [ "$revision" -lt "${last:-0}" ]; then
        fail "the revision of etcd, $revision, is lower than that of the last backup, $last: this member has lost data." \
            "Compare it with the other members (etcdctl endpoint status); replace this server, or restore a backup"
    fi
    # Before etcd compacts this revision.
    keys=$(count $own "$revision") || fail "cannot count the keys of etcd: $keys"
    restore_into $work/snapshot.db $work/data
    rm -rf $work/data
    cp -R $home/trust/current/. $root_home/trust || fail "cannot read $home/trust/current"
    [ -s $root_home/trust/version ] || fail "$home/trust/current has no version: the trust state is incomplete"
    describe >$root_home/meta.json || exit 1
    recipients
    name=etcd-$(date --utc --date "@$began" +%Y%m%dT%H%M%SZ)-r$revision
    tar --create --use-compress-program 'gzip -3' --directory $root_home meta.json trust --directory $work snapshot.db |
        openssl cms -encrypt -binary -stream -aes-256-gcm -outform DER -out $work/sealed "${recipients[@]}" ||
        fail "cannot seal the backup: check the certificates in $settings and the free space of $folder"
    # What was written is read again, as after a loss.
    open $work/sealed | tar --extract --gzip --to-stdout snapshot.db 2>/dev/null | cmp --silent - $work/snapshot.db ||
        fail "the sealed backup cannot be opened with the key of this node, or differs from the snapshot"
    line=$(<$root_home/meta.json)
    printf '{"file":"%s","size":%s,"sealed_sha256":"%s",%s\n' "$name.backup" "$(stat --format %s $work/sealed)" \
        "$(sum $work/sealed)" "${line#\{}" >$work/description
    sync $work/sealed $work/description
    mv $work/description "$folder/$name.json"
    mv $work/sealed "$folder/$name.backup"
    sync $folder
    set_state taken "$began"
    set_state revision "$revision"
    set_state cluster_id "$cluster_id"
    retain
    echo "took the backup $name.backup: revision $revision, $keys keys of Kubernetes," \
        "$(($(stat --format %s "$folder/$name.backup") >> 10)) KiB"
)

# retain: delete the oldest backups beyond the number to keep, but never the last one that was rehearsed.
retain() {
    local file rehearsed number=0
    rehearsed=$(get rehearsed_file)
    for file in $(archives); do
        number=$((number + 1))
        if [ $number -gt "$KEEP" ] && [ "$file" != "$rehearsed" ]; then
            rm -f "$folder/$file" "$folder/${file%.backup}.json"
        fi
    done
    # Descriptions without a backup are left by a run that was killed.
    for file in "$folder"/*.json; do
        [ -e "${file%.json}.backup" ] || rm -f "$file"
    done
}

# unseal FILE DIRECTORY: write the content of a sealed backup to a directory, and compare the snapshot with its sum.
unseal() {
    local expected
    install -d -m 0700 "$2" || fail "cannot create $2"
    open "$1" | tar --extract --gzip --no-same-owner --directory "$2" 2>/dev/null ||
        fail "$1 cannot be opened with the key of this node: it is damaged, or sealed for other servers"
    [ -s "$2/meta.json" ] && [ -s "$2/snapshot.db" ] && [ -s "$2/trust/version" ] ||
        fail "$1 is not a complete backup of heatgen"
    expected=$(text sha256 "$(<"$2/meta.json")")
    [ "$(sum "$2/snapshot.db")" = "$expected" ] || fail "the snapshot in $1 does not have the sum of its description"
}

# ---- restore ----

# minor VERSION: print the minor version.
minor() {
    local rest=${1#*.}
    printf '%s' "${rest%%.*}"
}

# open_checked FILE SUM: unseal a backup into $work, and fail unless it fits this cluster.
open_checked() {
    local meta version own_key
    [ -s "$1" ] || fail "the backup $1 does not exist on this node"
    [ "$(sum "$1")" = "$2" ] || fail "the backup $1 was changed: its SHA-256 is not $2"
    require_space "$(number bytes "$(cat "${1%.backup}.json" 2>/dev/null)")"
    unseal "$1" $work/content
    rm -rf $work/content/trust # the cluster keeps the keys that it has
    meta=$(<$work/content/meta.json)
    [ "$(number format "$meta")" = 1 ] || fail "the backup $1 has a format that this version of heatgen does not know"
    own_key=$(sum $home/trust/current/encryption.key)
    [ "$(text encryption "$meta")" = "$own_key" ] ||
        fail "the backup $1 is of another cluster ($(text stack "$meta")): Secrets in it could not be decrypted"
    version=$(version_of_kubernetes)
    if [ -n "$version" ] && [ "$(minor "$(text kubernetes "$meta")")" -gt "$(minor "$version")" ]; then
        fail "the backup $1 is of Kubernetes $(text kubernetes "$meta"), and the cluster has the older version $version:" \
            "set orchestration.version to that of the backup, and update the stack first"
    fi
    version=$("$heatgen_bin/etcdctl" version | sed -n 's/^etcdctl version: //p')
    if [ "$(minor "$(text etcd "$meta")")" -gt "$(minor "$version")" ]; then
        fail "the backup $1 is of etcd $(text etcd "$meta"), and the cluster has the older version $version"
    fi
}

# check FILE SUM: fail unless this cluster can be restored from the backup.
check() (
    trap clean EXIT
    prepare
    open_checked "$1" "$2"
    restore_into $work/content/snapshot.db $work/data
    echo "the cluster can be restored from ${1##*/}: revision $(number revision "$(<$work/content/meta.json)")"
)

# restore FILE SUM DIRECTORY MEMBER PEER-URL TOKEN: write the data of a cluster with this member only. The revision is
# raised, and older ones are compacted: else clients would not notice that objects went back to an older state
# (https://github.com/etcd-io/etcd/issues/16028).
restore() (
    trap clean EXIT
    prepare
    open_checked "$1" "$2"
    restore_into $work/content/snapshot.db "$3" --name "$4" --initial-cluster "$4=$5" \
        --initial-advertise-peer-urls "$5" --initial-cluster-token "$6" --bump-revision 1000000000 --mark-compacted
)

# ---- rehearsal ----

# free_port: print a port whose next two are free on the loopback interface.
free_port() {
    local port
    for port in $PORTS; do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null &&
            ! (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; then
            printf '%s' "$port"
            return
        fi
    done
    fail "the ports $PORTS of the loopback interface are in use"
}

# shellcheck disable=SC2031 # called by the subshell
# rehearse: unseal the newest backup, restore it, start etcd from it, and count the keys of Kubernetes.
rehearse() (
    trap clean EXIT
    prepare
    began=$(now)
    root_certificate >/dev/null
    file=$(archives | sed -n 1p)
    [ -n "$file" ] || fail "there is no backup to rehearse"
    require_space "$(number bytes "$(cat "$folder/${file%.backup}.json" 2>/dev/null)")"
    unseal "$folder/$file" $work/content
    meta=$(<$work/content/meta.json)
    mv $work/content/trust $root_home # its keys do not stay on the disk longer than necessary
    port=$(free_port) || exit 1
    restore_into $work/content/snapshot.db $work/data --name rehearsal --initial-cluster-token rehearsal \
        --initial-cluster "rehearsal=https://127.0.0.1:$((port + 1))" \
        --initial-advertise-peer-urls "https://127.0.0.1:$((port + 1))"
    # Another name than etcd, so that no program takes it for the member of the cluster.
    ln -s "$(readlink -f "$heatgen_bin/etcd")" $work/etcd-rehearsal
    $work/etcd-rehearsal --name rehearsal --data-dir $work/data --log-level warn --unsafe-no-fsync \
        --listen-client-urls "https://127.0.0.1:$port" --advertise-client-urls "https://127.0.0.1:$port" \
        --listen-peer-urls "https://127.0.0.1:$((port + 1))" \
        --initial-advertise-peer-urls "https://127.0.0.1:$((port + 1))" \
        --initial-cluster "rehearsal=https://127.0.0.1:$((port + 1))" \
        --client-cert-auth --trusted-ca-file $pki/ca.crt --cert-file $pki/server.crt --key-file $pki/server.key \
        --peer-client-cert-auth --peer-trusted-ca-file $pki/ca.crt --peer-cert-file $pki/peer.crt \
        --peer-key-file $pki/peer.key >$work/log 2>&1 &
    rehearsal=$!
    until keys=$(count "https://127.0.0.1:$port"); do
        kill -0 $rehearsal 2>/dev/null ||
            fail "etcd does not start from the backup $file: $(tail -n 1 $work/log | cut -c 1-300)"
        [ $(($(now) - began)) -lt 300 ] || fail "etcd does not respond after its start from the backup $file: $keys"
        sleep 0.2
    done
    [ "$keys" = "$(number keys "$meta")" ] ||
        fail "etcd has $keys keys of Kubernetes after the restore of $file, but had $(number keys "$meta")"
    set_state rehearsed "$began"
    set_state rehearsed_file "$file"
    echo "rehearsed the restore of $file: etcd has all $keys keys of Kubernetes after $(($(now) - began)) s"
)

# ---- what the Kubernetes API shows ----

# node_api OPTION...: send a request for this node with the certificate of its kubelet, which may read and annotate it.
node_api() {
    local certificate=/var/lib/kubelet/pki/kubelet-client-current.pem
    [ -s $certificate ] || return 1
    curl --fail --silent --show-error --max-time 10 --cacert /etc/kubernetes/pki/ca.crt --cert $certificate \
        --header 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' "$@" \
        "${HEATGEN_API:-https://127.0.0.1:6443}/api/v1/nodes/$(node_name)"
}

# annotate: set the annotation heatgen/backup to the status if it differs; remove it where backups are disabled.
annotate() {
    local value node
    node=$(node_api 2>/dev/null) || return 0 # later: the API may be down when a backup is taken
    if [ "$ENABLED" = true ]; then
        value=$(quoted "$(<$folder/status.json)")
        [[ $node != *"\"heatgen/backup\":$value"* ]] || return 0
    else
        [[ $node == *'"heatgen/backup":'* ]] || return 0
        value=null
    fi
    printf '{"metadata":{"annotations":{"heatgen/backup":%s}}}' "$value" |
        node_api --request PATCH --header 'Content-Type: application/merge-patch+json' --data-binary @- >/dev/null
}

# requested: print the value of the annotation heatgen/backup-request if it was not handled yet.
requested() {
    local value
    value=$(node_api 2>/dev/null | grep -o '"heatgen/backup-request": *"[^"\\]*"' | cut -d '"' -f 4)
    [ "${value:-}" = "$(get request)" ] || printf '%s' "${value:-}"
}

# ---- when ----

# attempt STATE COMMAND: run take or rehearse; record its failure under this key of the state.
attempt() {
    local reason='' output
    rm -f $heat_outputs_path.problem
    set_state "attempted_$2" "$(now)"
    if output=$($2 2>&1); then
        set_state "$1" ''
        echo "<5>$output"
        return 0
    fi
    reason=$(cat $heat_outputs_path.problem 2>/dev/null)
    [ -n "$reason" ] || reason=$(tail -n 1 <<<"$output")
    set_state "$1" "${reason//$'\n'/ }"
    echo "<3>$2 failed: $reason" >&2
    return 1
}

# due KEY PERIOD RETRY COMMAND FIRST: succeed if the time since KEY reaches PERIOD, and that since the last attempt
# RETRY. A time in the future, after a change of the clock, counts as none.
due() {
    local time=$1 last attempted
    time=$(now)
    last=$(get "$1")
    attempted=$(get "attempted_$4")
    [ "${last:-0}" -le "$time" ] || last=''
    [ "${attempted:-0}" -le "$time" ] || attempted=''
    [ "$time" -ge $((${attempted:-0} + $3)) ] || return 1
    if [ -n "$last" ]; then [ "$time" -ge $((last + $2)) ]; else [ "$time" -ge "$5" ]; fi
}

# tick: do what is due or requested.
tick() {
    local request index since
    request=$(requested)
    index=$(node_name)
    index=${index##*-}
    since=$(get since)
    if [ -n "$request" ] || due taken "$INTERVAL" $RETRY take $((since + FIRST + index * STAGGER)); then
        attempt problem take || true
    fi
    if [ -n "$(archives)" ] && { [ -n "$request" ] || due rehearsed $DAY $RETRY_REHEARSAL rehearse 0; }; then
        attempt rehearsal_problem rehearse || true
    fi
    [ -z "$request" ] || set_state request "$request"
}

# publish: write the status to its file and to the node's annotation.
publish() {
    status >$folder/status.json.new
    mv $folder/status.json.new $folder/status.json
    annotate || echo "<4>cannot annotate the node $(node_name)" >&2
}

command=${1-}
case $command in
    status) status ;;
    meta) open "$2" | tar --extract --gzip --to-stdout meta.json 2>/dev/null ||
        { echo "$2 cannot be opened with the key of this node" >&2 && exit 1; } ;;
    check | restore)
        exec 9>/run/heatgen-etcd-backup.lock
        flock 9
        "$@"
        ;;
    tick | take | rehearse | publish)
        exec 9>/run/heatgen-etcd-backup.lock
        flock 9
        [ -n "$(get since)" ] || set_state since "$(now)"
        result=0
        case $command in
            tick) tick ;;
            take) attempt problem take || result=1 ;;
            rehearse) attempt rehearsal_problem rehearse || result=1 ;;
        esac
        publish
        exit $result
        ;;
    *) echo 'usage: etcd-backup tick | take | rehearse | publish | status | meta FILE | check | restore' >&2 && exit 2 ;;
esac
