#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install the trusted authorities and this node's certificates. A certificate that is still valid is kept, even
# if the signing node issued another one, so that no service restarts.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# Only the cluster's authorities are used; otherwise 'openssl x509' reads those of the system on each call.
export SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/dev/null

RENEW_BEFORE=$((90 * 24 * 3600)) # seconds before its expiry at which a certificate is replaced

node=$(node_name)
home=/var/lib/heatgen
umask 077
mkdir -p $home/installed
chmod 0755 $home

# section NAME FILE: print the lines after "== NAME".
section() {
    awk -v mark="== $1" '$0 == mark {on = 1; next} /^== / {on = 0} on' "$2"
}

# receive_state: adopt the state that the first node sealed for this one; the first node already has it.
receive_state() {
    local offered own
    own=$(version_of "$state/current")
    if [ "$own" != 0 ] && [ "$(<"$state/current/version")" = "$VERSION" ]; then return; fi
    offered=${VERSION%% *}
    [ "$own" -le "$offered" ] || fail "this node has version $own of the authorities, but the first control-plane" \
        "node has version $offered: mark the resources trust_share_control_0 and so on unhealthy (openstack stack" \
        "resource mark unhealthy), then update the stack, so that the first node receives the newer version"
    unseal "$(input_file SEALED)" "$work/sealed" ||
        fail "the authorities are not sealed for this server: mark its resource trust_request unhealthy" \
            "(openstack stack resource mark unhealthy), then update the stack"
    adopt "$work/sealed"
}

# install_shared: install the parts of the shared state that services on this node read.
install_shared() {
    local authority signing file name servers='' pki=/etc/kubernetes/pki
    signing=$(<"$state/current/authorities")
    for authority in "${authorities[@]}"; do
        file=$state/current/$authority/${signing%,*}
        install_text "$(<"$file.key")" "/etc/$authority/pki/issuer.key" 0600
        install_text "$(<"$file.crt")" "/etc/$authority/pki/issuer.crt"
    done
    system_user kube-apiserver
    chown kube-apiserver: $pki/service-account.key
    install_text "$(cat "$state/current/service-accounts"/*.pub)" $pki/service-accounts.pub
    install_text "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox: {keys: [{name: key1, secret: $(<"$state/current/encryption.key")}]}
      - identity: {}" /etc/kubernetes/encryption.yaml 0600 kube-apiserver
    for file in "$(input_file NAMES.d)"/*/*; do
        file=${file#"$(input_file NAMES.d)/"}
        name=$(name_of_server "$(<"$(input_file NAMES.d)/$file")" "${file/\//-}")
        servers+="$name ${file%/*} $(<"$(input_file ADDRESSES.d)/$file")"$'\n'
    done
    install_text "${servers%$'\n'}" $home/nodes
}

# unchanged FILE GENERATION-FILE OFFERED: succeed if this certificate is installed and newer than its key.
unchanged() {
    [ -s "$1.crt" ] && [ ! "$1.crt" -ot "$1.key" ] && [ "$(<"$1.crt")" = "$3" ] &&
        [ -s "$2" ] && [ "$(<"$2")" = "$CERTIFICATES_GENERATION" ]
}

# describe: print the fields of a certificate on stdin, except serial number, dates and issuer.
describe() {
    openssl x509 -noout -subject -pubkey -ext \
        basicConstraints,keyUsage,extendedKeyUsage,subjectAltName 2>/dev/null
}

# still_valid CERTIFICATE GENERATION-FILE OFFERED AUTHORITY: succeed if the installed certificate can be kept.
still_valid() {
    [ -s "$1" ] && [ -s "$2" ] && [ "$(<"$2")" = "$CERTIFICATES_GENERATION" ] &&
        openssl x509 -in "$1" -noout -checkend $RENEW_BEFORE >/dev/null &&
        [ "$(describe <"$1")" = "$(describe <<<"$3")" ] &&
        openssl verify -CAfile <(openssl x509 -in "/etc/$4/pki/ca.crt") "$1" >/dev/null 2>&1
}

# install_certificate NAME AUTHORITY OWNER: verify the signed certificate; install it unless the current one is kept.
install_certificate() {
    local file=/etc/$2/pki/${1#*/} mark=$home/installed/${1//\//.} offered message
    offered=$(section "$node $1" "$mine")
    [ -n "$offered" ] || fail "the signing node issued no certificate $1 for this node"
    [ "$3" = root ] || system_user "$3"
    chown "$3:" "$file.key"
    chmod 0600 "$file.key"
    if unchanged "$file" "$mark" "$offered"; then
        kept=$((kept + 1))
        return
    fi
    [ "$(openssl x509 -noout -pubkey <<<"$offered")" = "$(openssl pkey -in "$file.key" -pubout)" ] ||
        fail "the certificate $1 does not match this node's key: mark this node's resource trust_request" \
            "unhealthy (openstack stack resource mark unhealthy), then update the stack"
    message=$(openssl verify -CAfile "/etc/$2/pki/ca.crt" <<<"$offered" 2>&1) ||
        fail "the certificate $1 is not valid: $(tail -n 1 <<<"$message")"
    if still_valid "$file.crt" "$mark" "$offered" "$2"; then
        kept=$((kept + 1))
        return
    fi
    install_text "$offered" "$file.crt"
    install_text "$CERTIFICATES_GENERATION" "$mark"
}

mine=$(input_file "CERTIFICATES_${HEATGEN_ROLE^^}")
mapfile -t authorities < <(awk -F '|' -v role="$HEATGEN_ROLE" \
    '("," $2 ",") ~ ("," role ",") {print $3}' <<<"$CERTIFICATES" | LC_ALL=C sort -u)
for authority in "${authorities[@]}"; do
    trusted=$(section "$authority" "$(input_file TRUSTED)")
    [ -n "$trusted" ] || fail "the signing node sent no certificate of the authority $authority"
    install_text "$trusted" "/etc/$authority/pki/ca.crt"
done
if [ "$HEATGEN_ROLE" = control ]; then
    # shellcheck source=hot/trust/shared.sh
    source "$(input_file SHARED)"
    receive_state
    install_shared
fi

count=0
kept=0
while IFS='|' read -r name roles authority _ _ _ owner; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    install_certificate "$name" "$authority" "$owner"
    count=$((count + 1))
done <<<"$CERTIFICATES"

echo "$node has $count certificates, $((count - kept)) of them new."
