#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Make and keep the authorities (authorities.sh) and sign what the plan foresees: for each node the
# certificates of its role, in its own name only. Of a request only its public key is taken.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# Only authorities of our own count here; 'openssl x509' would also read all the system's, each time.
export SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/dev/null
# shellcheck source=hot/trust/shared.sh
source "$(input_file SHARED)"
# shellcheck source=hot/trust/authorities.sh
source "$(input_file AUTHORITIES)"

LEAF_DAYS=365
RENEW_BEFORE=$((90 * 24 * 3600)) # seconds of life below which a certificate is made anew
ADMIN_GROUP=heatgen:cluster-admins

issued=/var/lib/heatgen/issued
mkdir -p $issued

# extensions USAGES SANS: what the certificate may be used for and the names it is good for.
extensions() {
    local usage=${1//server/serverAuth}
    printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        "extendedKeyUsage=${usage//client/clientAuth}" 'authorityKeyIdentifier=keyid'
    [ -z "$2" ] || printf 'subjectAltName=%s\n' "$2"
}

# sign FILE AUTHORITY REQUEST EXTENSIONS DAYS MARGIN SUBJECT WHOSE: issue FILE unless what was issued
# before was for the same, by the same, and lives longer than MARGIN seconds.
sign() {
    local signer=$state/current/$2/${generations[0]} said expires=0 facts
    facts="$(<"$signer.crt") generation $(<"$state/current/certificates") days $5"$'\n'"$4"$'\n'"${3%$'\n'}"
    if [ -s "$1" ] && [ -s "$1.facts" ]; then
        said=$(<"$1.facts")
        [ "${said#*$'\n'}" != "$facts" ] || expires=${said%%$'\n'*}
    fi
    count=$((count + 1))
    [ "$expires" -le $((now + $6)) ] || return 0
    checked "$3" "$7" "$8"
    rm -f "$1.facts"
    said=$(openssl x509 -req -in <(printf '%s' "$3") -CA "$signer.crt" -CAkey "$signer.key" -days "$5" \
        -set_serial "0x$serial$(printf %04x $new)" -extfile <(printf '%s' "$4") -out "$1.new" 2>&1) ||
        fail "cannot sign $8: $(tail -n 1 <<<"$said")"
    mv "$1.new" "$1"
    printf '%s\n%s' $((now + $5 * 24 * 3600)) "$facts" >"$1.facts.new"
    mv "$1.facts.new" "$1.facts"
    new=$((new + 1))
}

# subject_of REQUEST: as RFC 2253 writes it; fails if the request is not signed by its own key.
subject_of() {
    local said
    said=$(openssl req -noout -verify -subject -nameopt RFC2253 2>&1 <<<"$1") || return 1
    # OpenSSL 3.0 says so of a bad signature, but ends well all the same.
    [[ $said == *'verify OK'* ]] || return 1
    sed -n 's/^subject=//p' <<<"$said"
}

# checked REQUEST SUBJECT WHOSE: the request is signed by its own key and asks for this very subject.
checked() {
    local said
    said=$(subject_of "$1") || fail "$3: the request is not signed by its own key"
    [ "$said" = "$2" ] || fail "$3: asks for the subject '$said', the plan foresees '$2'"
}

# backwards SUBJECT: /O=a/CN=b as RFC 2253 writes it: CN=b,O=a.
backwards() {
    local part result='' parts
    IFS=/ read -ra parts <<<"${1#/}"
    for part in "${parts[@]}"; do result=$part${result:+,$result}; done
    printf '%s' "$result"
}

# read_requests FILE: the requests of one node, by name of the certificate.
read_requests() {
    local line name=''
    requests=()
    while IFS= read -r line; do
        if [[ $line == '== '* ]]; then
            name=${line#== }
        elif [ -n "$name" ]; then
            requests[$name]+=$line$'\n'
        fi
    done <"$1"
}

# server_text INPUT GROUP/INDEX: what Heat knows of one server.
server_text() {
    cat "$(input_file "$1").d/$2" 2>/dev/null || fail "Heat gave a request of server $2, but it is not in $1"
}

# bundle GROUP INDEX: sign all of one node's requests; append its certificates to those of its role.
bundle() {
    local role=worker place=$1/$2 node address name roles authority subject usages sans file
    [ "$1" != control ] || role=control
    node=$(server_text NAMES "$place")
    address=$(server_text ADDRESSES "$place")
    read_requests "$(input_file REQUESTS.d)/$place"
    while IFS='|' read -r name roles authority subject usages sans _; do
        [[ ,$roles, == *,$role,* ]] || continue
        [ -n "${requests[$name]:-}" ] || fail "$node sent no request for $name"
        sans=${sans//\{node\}/$node}
        sans=${sans//\{address\}/$address}
        sans=${sans//\{external\}/$API_EXTERNAL}
        file=$issued/$node.${name//\//.}.crt
        sign "$file" "$authority" "${requests[$name]}" "$(extensions "$usages" "$sans")" \
            $LEAF_DAYS $RENEW_BEFORE "$(backwards "${subject//\{node\}/$node}")" "$name of $node"
        signed[$role]+="== $node $name"$'\n'"$(<"$file")"$'\n'
    done <<<"$CERTIFICATES"
}

# sign_admin: the administrator's certificate, for a name in the administrators' group only.
sign_admin() {
    local subject
    subject=$(subject_of "$ADMIN_REQUEST") || fail "the admin request is broken"
    [[ $subject =~ ^CN=[^,+]+,O=$ADMIN_GROUP$ ]] ||
        fail "the admin request asks for '$subject', not for a name in $ADMIN_GROUP"
    sign $issued/admin.crt kubernetes "$ADMIN_REQUEST" "$(extensions client '')" "$ADMIN_DAYS" \
        $((ADMIN_DAYS * 24 * 3600 / 2)) "$subject" "the admin request"
}

# trusted AUTHORITY: certificates of its live generations, the signing one first.
trusted() {
    local generation
    for generation in "${generations[@]}"; do cat "$state/current/$1/$generation.crt"; done
}

# sealed_state: the shared state for the other control-plane servers, the same text while it is the same.
sealed_state() {
    local envelopes kept=/var/lib/heatgen/sealed text facts
    envelopes=$(input_file ENVELOPES.d)
    [ "$(find "$envelopes" -type f | wc -l)" -gt 1 ] || { echo none && return; }
    facts=$(cat "$state/current/version" "$envelopes"/* | openssl dgst -sha256 -r)
    if [ "$(head -n 1 $kept 2>/dev/null)" != "$facts" ]; then
        text=$(seal "$state/current" "$envelopes") || fail "cannot seal the authorities"
        printf '%s\n%s\n' "$facts" "$text" >$kept.new
        mv $kept.new $kept
    fi
    tail -n +2 $kept
}

# revision TEXT: a short fingerprint.
revision() {
    local sum
    sum=$(openssl dgst -sha256 -r <<<"$1")
    printf '%s' "${sum:0:16}"
}

# tell_state: the outputs that tell of authorities; no secret but what is sealed.
tell_state() {
    local authority bundles='' sorted='' account accounts=''
    for authority in "${authorities[@]}"; do
        bundles+="== $authority"$'\n'"$(trusted "$authority")"$'\n'
        sorted+=$(cat "$state/current/$authority"/*.crt)
    done
    for account in "$state/current/service-accounts"/*.pub; do accounts+=${account##*/}; done
    output authorities "$bundles"
    output ca_kubernetes "$(trusted kubernetes)"
    output sealed "$(sealed_state)"
    output version "$(<"$state/current/version")"
    output authority_generations "$(<"$state/current/authorities")"
    output certificates_generation "$(<"$state/current/certificates")"
    output generations "$(<"$state/current/certificates")/$(<"$state/current/authorities")"
    output revision "$(revision "$sorted")"
    output control_revision "$(revision "$bundles$accounts")"
}

declare -A requests signed=([control]='' [worker]='')
newest_share "$(input_file SHARES.d)"
agree "$AUTHORITY_GENERATIONS" "$ROTATION" "$(input_file SERVICE_ACCOUNTS.d)"

serial=$(openssl rand -hex 14) # of this run; a counter follows it
count=0
new=0
for folder in "$(input_file REQUESTS.d)"/*; do
    for file in "$folder"/*; do
        [ ! -e "$file" ] || bundle "${folder##*/}" "${file##*/}"
    done
done
sign_admin
output certificates_control "${signed[control]}"
output certificates_worker "${signed[worker]}"
output admin_certificate "$(<$issued/admin.crt)"
tell_state
output joining "$(joining "$(input_file SHARES.d)")"

echo "Signed $new certificates, kept $((count - new)) of earlier runs."
