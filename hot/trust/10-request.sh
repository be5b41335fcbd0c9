#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Make this node's keys, once, and a certificate request for each.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

node=$(node_name)
umask 077
requests=''
count=0
while IFS='|' read -r name roles authority subject _; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    file=/etc/$authority/pki/${name#*/}
    install -d -m 0755 "/etc/$authority" "/etc/$authority/pki"
    if [ ! -s "$file.key" ]; then
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$file.key.new" 2>/dev/null
        mv "$file.key.new" "$file.key"
    fi
    request=$(openssl req -new -key "$file.key" -subj "${subject//\{node\}/$node}" 2>&1) ||
        fail "cannot make the request for $name: $(tail -n 1 <<<"$request")"
    requests+="== $name"$'\n'"$request"$'\n'
    count=$((count + 1))
done <<<"$CERTIFICATES"
output requests "$requests"

echo "$node asks for $count certificates."
