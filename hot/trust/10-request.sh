#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Make this node's keys, once, and a certificate request for each.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

node=$(node_name)
home=/var/lib/heatgen
umask 077
install -d -m 0755 $home

# make_key FILE: a private key, made once.
make_key() {
    local said
    [ ! -s "$1" ] || return 0
    said=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" 2>&1) ||
        fail "cannot make the key $1: $(tail -n 1 <<<"$said")"
    mv "$1.new" "$1"
}

# make_request FILE SUBJECT: the request FILE.csr for FILE.key, the same one as long as the key is.
make_request() {
    local said first=''
    [ ! -s "$1.csr" ] || read -r first <"$1.csr"
    [ "$first" = "$2" ] && [ ! "$1.csr" -ot "$1.key" ] && return 0
    said=$(openssl req -new -key "$1.key" -subj "$2" 2>&1) ||
        fail "cannot make the request for $1.crt: $(tail -n 1 <<<"$said")"
    printf '%s\n%s\n' "$2" "$said" >"$1.csr.new"
    mv "$1.csr.new" "$1.csr"
}

requests=''
count=0
while IFS='|' read -r name roles authority subject _; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    file=/etc/$authority/pki/${name#*/}
    [ -d "${file%/*}" ] || install -d -m 0755 "/etc/$authority" "${file%/*}"
    make_key "$file.key"
    make_request "$file" "${subject//\{node\}/$node}"
    requests+="== $name"$'\n'"$(tail -n +2 "$file.csr")"$'\n'
    count=$((count + 1))
done <<<"$CERTIFICATES"
output requests "$requests"

if [ "$HEATGEN_ROLE" = control ]; then
    # What the control-plane servers share travels sealed to this key.
    make_key $home/envelope.key
    if [ ! -s $home/envelope.crt ] || [ $home/envelope.crt -ot $home/envelope.key ]; then
        openssl req -x509 -key $home/envelope.key -subj "/CN=$node envelope" -days 36500 \
            -addext keyUsage=critical,keyAgreement -out $home/envelope.crt.new
        mv $home/envelope.crt.new $home/envelope.crt
    fi
    output envelope "$(<$home/envelope.crt)"
    install -d -m 0755 /etc/kubernetes /etc/kubernetes/pki
    make_key /etc/kubernetes/pki/service-account.key
    output service_account "$(openssl pkey -in /etc/kubernetes/pki/service-account.key -pubout)"
fi

echo "$node asks for $count certificates."
