#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Update the authorities (authorities.sh) and sign the certificates that the plan declares: for each node those
# of its role, for its own name only. Only the public key is taken from a request.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# Only the cluster's authorities are used; otherwise 'openssl x509' reads those of the system on each call.
export SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/dev/null
# shellcheck source=hot/trust/shared.sh
source "$(input_file SHARED)"
# shellcheck source=hot/trust/authorities.sh
source "$(input_file AUTHORITIES)"

LEAF_DAYS=365
RENEW_BEFORE=$((90 * 24 * 3600)) # seconds before its expiry at which a certificate is renewed
ADMIN_GROUP=heatgen:cluster-admins

issued=/var/lib/heatgen/issued
mkdir -p $issued

# extensions USAGES SANS: print the X.509 extensions of a leaf certificate.
extensions() {
    local usage=${1//server/serverAuth}
    printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        "extendedKeyUsage=${usage//client/clientAuth}" 'authorityKeyIdentifier=keyid'
    [ -z "$2" ] || printf 'subjectAltName=%s\n' "$2"
}

# sign FILE AUTHORITY REQUEST EXTENSIONS DAYS MARGIN SUBJECT DESCRIPTION: issue FILE unless it was issued for the
# same request by the same authority and is valid for more than MARGIN seconds.
sign() {
    local signer=$state/current/$2/${generations[0]} recorded message expires=0 facts
    facts="$(<"$signer.crt") generation $(<"$state/current/certificates") days $5"$'\n'"$4"$'\n'"${3%$'\n'}"
    if [ -s "$1" ] && [ -s "$1.facts" ]; then
        recorded=$(<"$1.facts")
        [ "${recorded#*$'\n'}" != "$facts" ] || expires=${recorded%%$'\n'*}
    fi
    count=$((count + 1))
    [ "$expires" -le $((now + $6)) ] || return 0
    check_request "$3" "$7" "$8"
    rm -f "$1.facts"
    message=$(openssl x509 -req -in <(printf '%s' "$3") -CA "$signer.crt" -CAkey "$signer.key" -days "$5" \
        -set_serial "0x$serial$(printf %04x $new)" -extfile <(printf '%s' "$4") -out "$1.new" 2>&1) ||
        fail "cannot sign $8: $(tail -n 1 <<<"$message")"
    mv "$1.new" "$1"
    printf '%s\n%s' $((now + $5 * 24 * 3600)) "$facts" >"$1.facts.new"
    mv "$1.facts.new" "$1.facts"
    new=$((new + 1))
}

# subject_of REQUEST: print the subject (RFC 2253); fail if the request is not signed by its own key.
subject_of() {
    local printed
    printed=$(openssl req -noout -verify -subject -nameopt RFC2253 2>&1 <<<"$1") || return 1
    # With a bad signature OpenSSL 3.0 exits with status 0; only its text differs.
    [[ $printed == *'verify OK'* ]] || return 1
    sed -n 's/^subject=//p' <<<"$printed"
}

# check_request REQUEST SUBJECT DESCRIPTION: fail unless the request is signed by its own key and has this subject.
check_request() {
    local subject
    subject=$(subject_of "$1") || fail "$3: the request is not signed by its own key"
    [ "$subject" = "$2" ] || fail "$3: the subject of the request is '$subject', expected '$2' (from the plan)"
}

# rfc2253 SUBJECT: print the subject /O=a/CN=b in the notation of RFC 2253: CN=b,O=a.
rfc2253() {
    local part result='' parts
    IFS=/ read -ra parts <<<"${1#/}"
    for part in "${parts[@]}"; do result=$part${result:+,$result}; done
    printf '%s' "$result"
}

# read_requests FILE: read the requests of one node into the map `requests`, by name of the certificate.
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

# server_text INPUT GROUP/INDEX: print the value of one server in a map input.
server_text() {
    cat "$(input_file "$1").d/$2" 2>/dev/null || fail "the input REQUESTS contains server $2, but the input $1 does not"
}

# sign_node GROUP INDEX: sign all requests of one node; append its certificates to those of its role.
sign_node() {
    local role=worker place=$1/$2 node address name roles authority subject usages sans file
    [ "$1" != control ] || role=control
    node=$(server_text NAMES "$place")
    node=$(name_of_server "$node" "$1-$2")
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
            $LEAF_DAYS $RENEW_BEFORE "$(rfc2253 "${subject//\{node\}/$node}")" "$name of $node"
        signed[$role]+="== $node $name"$'\n'"$(<"$file")"$'\n'
    done <<<"$CERTIFICATES"
}

# sign_admin: sign the administrator's certificate; the group must be that of administrators.
sign_admin() {
    local subject
    subject=$(subject_of "$ADMIN_REQUEST") ||
        fail "the administrator's certificate request is malformed, or not signed by its own key"
    [[ $subject =~ ^CN=[^,+]+,O=$ADMIN_GROUP$ ]] ||
        fail "the subject of the administrator's certificate request is '$subject', expected a name in $ADMIN_GROUP"
    sign $issued/admin.crt kubernetes "$ADMIN_REQUEST" "$(extensions client '')" "$ADMIN_DAYS" \
        $((ADMIN_DAYS * 24 * 3600 / 2)) "$subject" "the administrator's certificate request"
}

# trusted AUTHORITY: print the certificates of its trusted generations, the signing one first.
trusted() {
    local generation
    for generation in "${generations[@]}"; do cat "$state/current/$1/$generation.crt"; done
}

# sealed_state: print the shared state sealed for all control-plane nodes; the text changes only with the state.
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

# revision TEXT: print a short hash.
revision() {
    local sum
    sum=$(openssl dgst -sha256 -r <<<"$1")
    printf '%s' "${sum:0:16}"
}

# output_state: set the outputs that depend on the shared state; secrets are sealed.
output_state() {
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
adopt_newest_share "$(input_file SHARES.d)"
update_state "$AUTHORITY_GENERATIONS" "$ROTATION" "$(input_file SERVICE_ACCOUNTS.d)"

serial=$(openssl rand -hex 14) # prefix of this run; followed by a counter
count=0
new=0
for folder in "$(input_file REQUESTS.d)"/*; do
    for file in "$folder"/*; do
        [ ! -e "$file" ] || sign_node "${folder##*/}" "${file##*/}"
    done
done
sign_admin
output certificates_control "${signed[control]}"
output certificates_worker "${signed[worker]}"
output admin_certificate "$(<$issued/admin.crt)"
output_state
output joining "$(joining "$(input_file SHARES.d)")"

echo "Signed $new certificates, kept $((count - new)) from earlier runs."
