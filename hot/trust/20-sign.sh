#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sign what the plan foresees: for each node the certificates of its role, in its own name only.
# Subject, usages and names come from the plan; of a request only its public key is taken.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

CA_DAYS=3650
LEAF_DAYS=365
RENEW_BEFORE=$((90 * 24 * 3600)) # seconds of life below which a certificate is made anew
ADMIN_GROUP=heatgen:cluster-admins

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077
issued=/var/lib/heatgen/issued
mkdir -p $issued

# authority NAME: make a certificate authority once; its key never leaves this server.
authority() {
    local pki=/etc/$1/pki
    install -d -m 0755 "/etc/$1" "$pki"
    if [ ! -s "$pki/ca.key" ]; then
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/ca.key.new" 2>/dev/null
        mv "$pki/ca.key.new" "$pki/ca.key"
    fi
    if [ ! -s "$pki/ca.crt" ]; then
        openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=$1-ca" -days $CA_DAYS \
            -addext keyUsage=critical,digitalSignature,keyCertSign,cRLSign -out "$pki/ca.crt.new"
        mv "$pki/ca.crt.new" "$pki/ca.crt"
    fi
    chmod 0644 "$pki/ca.crt"
}

# extensions USAGES SANS: what the certificate may be used for and the names it is good for.
extensions() {
    local usage=${1//server/serverAuth}
    printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        "extendedKeyUsage=${usage//client/clientAuth}" 'authorityKeyIdentifier=keyid'
    [ -z "$2" ] || printf 'subjectAltName=%s\n' "$2"
}

# kept FILE REQUEST EXTENSIONS: is the issued certificate still good for this very request?
kept() {
    [ -s "$1" ] && cmp -s "$1.extensions" "$3" &&
        openssl x509 -in "$1" -noout -checkend $RENEW_BEFORE >/dev/null &&
        [ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl req -in "$2" -noout -pubkey)" ]
}

# sign FILE AUTHORITY REQUEST EXTENSIONS: issue FILE unless the one issued before is still good.
sign() {
    local pki=/etc/$2/pki said
    kept "$1" "$3" "$4" && return 0
    said=$(openssl x509 -req -in "$3" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days $LEAF_DAYS \
        -set_serial "0x$serial$(printf %04x $new)" -extfile "$4" -out "$1.new" 2>&1) ||
        fail "cannot sign ${1##*/}: $(tail -n 1 <<<"$said")"
    cp "$4" "$1.extensions"
    mv "$1.new" "$1"
    new=$((new + 1))
}

# checked FILE SUBJECT WHOSE: the request is signed by its own key and asks for this very subject.
checked() {
    local said
    said=$(openssl req -in "$1" -noout -verify -subject -nameopt RFC2253 2>/dev/null) ||
        fail "$3: the request is not signed by its own key"
    said=${said#subject=}
    # RFC 2253 lists the parts backwards: /O=a/CN=b is CN=b,O=a.
    [ "$said" = "$2" ] || fail "$3: asks for the subject '$said', the plan foresees '$2'"
}

# backwards SUBJECT: /O=a/CN=b as RFC 2253 writes it.
backwards() {
    local part result='' parts
    IFS=/ read -ra parts <<<"${1#/}"
    for part in "${parts[@]}"; do result=$part${result:+,$result}; done
    printf '%s' "$result"
}

# bundle ROLE INDEX: sign all of one node's requests; append its certificates to the role's output.
bundle() {
    local role=$1 index=$2 upper=${1^^} node address name roles ca subject usages sans
    node=$(<"$(input_file "NAMES_$upper.d")/$index")
    address=$(<"$(input_file "ADDRESSES_$upper.d")/$index")
    while IFS='|' read -r name roles ca subject usages sans _; do
        [[ ,$roles, == *,$role,* ]] || continue
        awk -v mark="== $name" '$0 == mark {on = 1; next} /^== / {on = 0} on' \
            "$(input_file "REQUESTS_$upper.d")/$index" >"$work/request"
        [ -s "$work/request" ] || fail "$node sent no request for $name"
        checked "$work/request" "$(backwards "${subject//\{node\}/$node}")" "$name of $node"
        sans=${sans//\{node\}/$node}
        sans=${sans//\{address\}/$address}
        extensions "$usages" "${sans//\{external\}/$API_EXTERNAL}" >"$work/extensions"
        sign "$issued/$node.${name//\//.}.crt" "$ca" "$work/request" "$work/extensions"
        printf '== %s %s\n%s\n' "$node" "$name" "$(<"$issued/$node.${name//\//.}.crt")" >>"$work/$role"
        count=$((count + 1))
    done <<<"$CERTIFICATES"
}

authority kubernetes
authority etcd
serial=$(openssl rand -hex 14) # of this run; a counter follows it
count=0
new=0
for role in control worker; do
    : >"$work/$role"
    for file in "$(input_file "REQUESTS_${role^^}.d")"/*; do
        [ ! -e "$file" ] || bundle "$role" "${file##*/}"
    done
    output "certificates_$role" "$(<"$work/$role")"
done

printf '%s\n' "$ADMIN_REQUEST" >"$work/admin"
subject=$(openssl req -in "$work/admin" -noout -subject -nameopt RFC2253) || fail "the admin request is broken"
subject=${subject#subject=}
[[ $subject =~ ^CN=[^,+]+,O=$ADMIN_GROUP$ ]] ||
    fail "the admin request asks for '$subject', not for a name in $ADMIN_GROUP"
checked "$work/admin" "$subject" "the admin request"
extensions client '' >"$work/extensions"
sign $issued/admin.crt kubernetes "$work/admin" "$work/extensions"

output admin_certificate "$(<$issued/admin.crt)"
output ca_kubernetes "$(</etc/kubernetes/pki/ca.crt)"
output ca_etcd "$(</etc/etcd/pki/ca.crt)"

echo "Signed $new certificates, kept $((count + 1 - new)) of earlier runs."
