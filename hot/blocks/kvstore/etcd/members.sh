# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# etcd's members: who there is, and how a server joins a cluster that it was not, or no longer, part of.
# Sourced by the step; $name, $address, $cluster and $others are known there.
# shellcheck disable=SC2034,SC2154

# client CERTIFICATE ENDPOINTS ARGUMENTS...: etcdctl with one of this node's certificates.
client() {
    local pki=/etc/etcd/pki certificate=$1 endpoints=$2
    shift 2
    "$heatgen_bin/etcdctl" --endpoints "$endpoints" --dial-timeout 2s --command-timeout 5s \
        --cacert $pki/ca.crt --cert "$certificate.crt" --key "$certificate.key" "$@"
}

# as_root ENDPOINTS ARGUMENTS...: as etcd's administrator, whom nobody is for longer than one step: the
# certificate is made here by the authority's key, in memory, and is gone with the step.
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
        ) || fail "cannot make etcd's administrator: is /etc/etcd/pki/issuer.key there?"
    fi
    printf '%s' "$file"
}

# members: lines "ID, status, name, peer URLs, client URLs, learner" as the other servers know them.
members() {
    client /etc/etcd/pki/health "$others" member list
}

# own FIELD: a field of this server's line on stdin, if there is one.
own() {
    awk -F ', ' -v url="https://$address:2380" -v field="$1" '$4 == url {print $field}'
}

# look: the members as another one knows them, told by its peers' port even when it has no majority.
look() {
    local url pki=/etc/etcd/pki
    for url in ${others//,/ }; do
        # Offered HTTP/2, the peers' port takes it and then hangs up: it is for gRPC only.
        curl --http1.1 --fail --silent --show-error --max-time 3 --cacert $pki/ca.crt --cert $pki/peer.crt \
            --key $pki/peer.key "${url%:*}:2380/members" && return
    done
    return 1
}

# find_cluster [joins]: tell in $cluster and $cluster_state how this server's first start shall be. A
# static cluster is founded by all servers at once; in one that there is, this server is a new member.
find_cluster() {
    local list entry id
    cluster_state=new
    [ -n "$others" ] || return 0
    if [ "$1" = joins ]; then
        # It must not found a cluster alone, nor vote as the member whose data it has not.
        wait_for 300 "another etcd member answers (this server joins a cluster, it does not found one)" look
    fi
    list=$(look 2>/dev/null) || return 0
    entry=$(grep -F "\"https://$address:2380\"" <<<"${list//\},\{/$'}\n{'}") || true
    if [ -n "$entry" ] && [[ $entry != *'"clientURLs"'* && $entry != *'"isLearner":true'* ]]; then
        return 0 # planned, but never started: it is one of the founders
    fi
    wait_for 240 "etcd has a majority, which must agree before $name can join" members
    id=$(members | own 1)
    if [[ $entry == *'"isLearner":true'* && $entry != *'"clientURLs"'* ]]; then
        echo "$name was added before, but did not start."
    else
        [ -z "$id" ] || replace_member "$id"
        wait_for 240 "etcd takes $name in as a new member" \
            as_root "$others" member add "$name" --learner --peer-urls "https://$address:2380"
    fi
    cluster_state=existing
    cluster=$(members | own_cluster)
}

# replace_member ID: forget the member whose data is gone.
replace_member() {
    local said
    said=$(as_root "$others" member remove "$1" 2>&1) ||
        fail "cannot remove the former member $name from etcd: $(tail -n 1 <<<"$said")"
    echo "Removed the former member $name, $1."
}

# own_cluster: the list on stdin as etcd wants it at the start of a new member.
own_cluster() {
    awk -F ', ' -v url="https://$address:2380" -v name="$name" \
        '{printf "%s%s=%s", (NR > 1 ? "," : ""), ($4 == url ? name : $3), $4}'
}

# learner: is this server's member one without a vote?
learner() {
    local said
    said=$(client /etc/etcd/pki/health https://127.0.0.1:2379 endpoint status --write-out json 2>&1) &&
        [[ $said == *'"isLearner":true'* ]]
}

# promote: from learner to a member that votes, as soon as it knows what the others know.
promote() {
    learner || return 0
    wait_for 300 "etcd's new member $name is in step with the others" \
        as_root "$others" member promote "$(members | own 1)"
    echo "$name votes in etcd now."
}
