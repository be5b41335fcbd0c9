#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install this node's certificates beside the keys they belong to.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

node=$(node_name)
[ "$HEATGEN_ROLE" = control ] && mine=CERTIFICATES_CONTROL || mine=CERTIFICATES_WORKER
mine=$(input_file "$mine")
install_text "$CA_KUBERNETES" /etc/kubernetes/pki/ca.crt
install_text "$CA_ETCD" /etc/etcd/pki/ca.crt

count=0
while IFS='|' read -r name roles authority _ _ _ owner; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    file=/etc/$authority/pki/${name#*/}
    certificate=$(awk -v mark="== $node $name" '$0 == mark {on = 1; next} /^== / {on = 0} on' "$mine")
    [ -n "$certificate" ] || fail "no certificate for $name"
    [ "$(openssl x509 -noout -pubkey <<<"$certificate")" = "$(openssl pkey -in "$file.key" -pubout)" ] ||
        fail "the certificate for $name is not for this node's key"
    said=$(openssl verify -CAfile "/etc/$authority/pki/ca.crt" <<<"$certificate" 2>&1) ||
        fail "the certificate for $name is not good: $(tail -n 1 <<<"$said")"
    install_text "$certificate" "$file.crt"
    [ "$owner" = root ] || system_user "$owner"
    chown "$owner:$owner" "$file.key" "$file.crt"
    chmod 0600 "$file.key"
    count=$((count + 1))
done <<<"$CERTIFICATES"

echo "$node has its $count certificates."
