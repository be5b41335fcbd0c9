#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Create this node's keys, once, and a certificate request for each.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

home=/var/lib/heatgen
umask 077
install -d -m 0755 $home

# The name comes from Heat. The deployment's resource is "0" in a group, trust_request_control_0 otherwise.
# shellcheck disable=SC2154
index=${deploy_resource_name##*_}
node=$(name_of "$STACK_NAME" "$HEATGEN_GROUP-$index")
[[ ${#node} -le 52 && $node =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] ||
    fail "the stack's name '$STACK_NAME' gives the node the invalid name '$node':" \
        "create a stack whose name has only letters, digits and hyphens"
install_text "$node" $home/node-name

# create_key FILE: create a private key if it does not exist.
create_key() {
    local message
    [ ! -s "$1" ] || return 0
    message=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" 2>&1) ||
        fail "cannot create the key $1: $(tail -n 1 <<<"$message")"
    mv "$1.new" "$1"
}

# create_request FILE SUBJECT: create the request FILE.csr for FILE.key unless key and subject are unchanged.
create_request() {
    local request first=''
    [ ! -s "$1.csr" ] || read -r first <"$1.csr"
    [ "$first" = "$2" ] && [ ! "$1.csr" -ot "$1.key" ] && return 0
    request=$(openssl req -new -key "$1.key" -subj "$2" 2>&1) ||
        fail "cannot create the request for $1.crt: $(tail -n 1 <<<"$request")"
    printf '%s\n%s\n' "$2" "$request" >"$1.csr.new"
    mv "$1.csr.new" "$1.csr"
}

requests=''
count=0
while IFS='|' read -r name roles authority subject _; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    file=/etc/$authority/pki/${name#*/}
    [ -d "${file%/*}" ] || install -d -m 0755 "/etc/$authority" "${file%/*}"
    create_key "$file.key"
    create_request "$file" "${subject//\{node\}/$node}"
    requests+="== $name"$'\n'"$(tail -n +2 "$file.csr")"$'\n'
    count=$((count + 1))
done <<<"$CERTIFICATES"
output requests "$requests"

if [ "$HEATGEN_ROLE" = control ]; then
    # The shared state is encrypted to this key.
    create_key $home/envelope.key
    if [ ! -s $home/envelope.crt ] || [ $home/envelope.crt -ot $home/envelope.key ]; then
        openssl req -x509 -key $home/envelope.key -subj "/CN=$node envelope" -days 36500 \
            -addext keyUsage=critical,keyAgreement -out $home/envelope.crt.new
        mv $home/envelope.crt.new $home/envelope.crt
    fi
    output envelope "$(<$home/envelope.crt)"
    install -d -m 0755 /etc/kubernetes /etc/kubernetes/pki
    create_key /etc/kubernetes/pki/service-account.key
    output service_account "$(openssl pkey -in /etc/kubernetes/pki/service-account.key -pubout)"
fi

echo "$node requests $count certificates."
