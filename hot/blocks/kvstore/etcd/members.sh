# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# etcd membership: list members, add this node to an existing cluster, or replace its former member.
# Sourced by the step, which sets $name, $address, $cluster and $others.
# shellcheck disable=SC2034,SC2154

# client CERTIFICATE ENDPOINTS ARGUMENTS...: run etcdctl with one of this node's certificates.
client() {
    local pki=/etc/etcd/pki certificate=$1 endpoints=$2
    shift 2
    "$heatgen_bin/etcdctl" --endpoints "$endpoints" --dial-timeout 2s --command-timeout 5s \
        --cacert $pki/ca.crt --cert "$certificate.crt" --key "$certificate.key" "$@"
}

# as_root ENDPOINTS ARGUMENTS...: run etcdctl as etcd root, with a certificate that exists only during this step:
# it is signed here with the authority's key, and stored in memory (/run).
as_root() {
    client "$(root_certificate)" "$@"
}
root_certificate() {
    local pki=/etc/etcd/pki file=$root_home/root
    if [ ! -e "$file.crt" ]; then
        (
            umask 077
            openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$file.key" 2>/dev/null
            openssl req -new -key "$file.key" -subj /CN=root -out "$file.csr"
            openssl x509 -req -in "$file.csr" -CA $pki/issuer.crt -CAkey $pki/issuer.key -days 1 \
                -set_serial "0x$(openssl rand -hex 16)" -out "$file.crt.new" 2>/dev/null \
                -extfile <(printf '%s\n' 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=clientAuth')
            mv "$file.crt.new" "$file.crt"
        ) || fail "cannot create a certificate for etcd root: check /etc/etcd/pki/issuer.key and issuer.crt"
    fi
    printf '%s' "$file"
}

# members: print lines "ID, status, name, peer URLs, client URLs, learner" from the other members.
members() {
    client /etc/etcd/pki/health "$others" member list
}

# own FIELD: print a field of this node's line on stdin, if it exists.
own() {
    awk -F ', ' -v url="https://$address:2380" -v field="$1" '$4 == url {print $field}'
}

# peer_members: print the member list from the peer port of another member, which works without a majority.
peer_members() {
    local url pki=/etc/etcd/pki
    for url in ${others//,/ }; do
        # The peer port accepts HTTP/2 for gRPC only and closes other HTTP/2 connections.
        curl --http1.1 --fail --silent --show-error --max-time 3 --cacert $pki/ca.crt --cert $pki/peer.crt \
            --key $pki/peer.key "${url%:*}:2380/members" && return
    done
    return 1
}

# cluster_version: print the version of the etcd cluster, which is the lowest of its members or the target of a
# downgrade; nothing if no member responds.
cluster_version() {
    local url version pki=/etc/etcd/pki
    for url in https://127.0.0.1:2379 ${others//,/ }; do
        version=$(curl --fail --silent --max-time 3 --cacert $pki/ca.crt --cert $pki/health.crt --key $pki/health.key \
            "$url/version" | sed -n 's/.*"etcdcluster": *"\([0-9][0-9.]*\)".*/\1/p') || true
        [ -z "$version" ] || break
    done
    printf '%s' "$version"
}

# supported_version CURRENT: fail unless members of ETCD_VERSION can be part of a cluster of this version. etcd itself
# checks it only after its old version was stopped. Empty if no member responds: etcd's own check remains.
supported_version() {
    local current=$1 new=$ETCD_VERSION current_minor=${1#*.} new_minor=${ETCD_VERSION#*.}
    current_minor=${current_minor%%.*} new_minor=${new_minor%%.*}
    [ -n "$current" ] || return 0
    if [ "${current%%.*}" = "${new%%.*}" ] && [ "$new_minor" -le $((current_minor + 1)) ]; then
        [ "$new_minor" -lt "$current_minor" ] || return 0
        fail "kvstore.version cannot be changed to $new: the etcd cluster has version ${current%.*}, and its data cannot" \
            "be read by an older minor version. Set a version ${current%.*}.x and update the stack, or prepare a" \
            "downgrade (etcdctl downgrade enable ${new%.*}; https://etcd.io/docs/latest/downgrades/)"
    fi
    fail "kvstore.version cannot be changed to $new: the etcd cluster has version ${current%.*}, and etcd supports an" \
        "update to the next minor version only. Set a version ${current%.*}.x or" \
        "${current%%.*}.$((current_minor + 1)).x and update the stack"
}

# find_cluster [joins]: set $cluster and $cluster_state for the first start of this member. All nodes create a new
# cluster together; in an existing cluster this node is added as a new member.
find_cluster() {
    local list entry id
    cluster_state=new
    [ -n "$others" ] || return 0
    if [ "$1" = joins ]; then
        # It must neither create a cluster of its own, nor vote as a member whose data it does not have.
        wait_for 300 "another etcd member responds (this node joins an existing cluster)" peer_members
    fi
    list=$(peer_members 2>/dev/null) || return 0
    entry=$(grep -F "\"https://$address:2380\"" <<<"${list//\},\{/$'}\n{'}") || true
    if [ -n "$entry" ] && [[ $entry != *'"clientURLs"'* && $entry != *'"isLearner":true'* ]]; then
        return 0 # an initial member that has never started
    fi
    wait_for 240 "etcd has a majority, which is required to add the member $name" members
    id=$(members | own 1)
    if [[ $entry == *'"isLearner":true'* && $entry != *'"clientURLs"'* ]]; then
        echo "The member $name was already added, but has never started."
    else
        [ -z "$id" ] || remove_member "$id"
        wait_for 240 "etcd has added the new member $name" \
            as_root "$others" member add "$name" --learner --peer-urls "https://$address:2380"
    fi
    cluster_state=existing
    cluster=$(members | own_cluster)
}

# remove_member ID: remove the former member of this node, whose data is lost.
remove_member() {
    local message
    message=$(as_root "$others" member remove "$1" 2>&1) ||
        fail "cannot remove the former member $name from etcd: $(tail -n 1 <<<"$message")"
    echo "Removed the former member $name ($1)."
}

# own_cluster: convert the list on stdin to the format of ETCD_INITIAL_CLUSTER.
own_cluster() {
    awk -F ', ' -v url="https://$address:2380" -v name="$name" \
        '{printf "%s%s=%s", (NR > 1 ? "," : ""), ($4 == url ? name : $3), $4}'
}

# learner: succeed if this node's member is a learner (non-voting).
learner() {
    local status
    status=$(client /etc/etcd/pki/health https://127.0.0.1:2379 endpoint status --write-out json 2>&1) &&
        [[ $status == *'"isLearner":true'* ]]
}

# promote: promote the learner to a voting member when its data is in sync.
promote() {
    learner || return 0
    wait_for 300 "the new etcd member $name is in sync and promoted" \
        as_root "$others" member promote "$(members | own 1)"
    echo "Promoted $name to a voting member."
}
