#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install what this node trusts, and its certificates beside the keys they belong to. A certificate
# that is still good stays, though the signer may have signed another: nobody restarts for that.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# Only authorities of our own count here; 'openssl x509' would also read all the system's, each time.
export SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/dev/null

RENEW_BEFORE=$((90 * 24 * 3600)) # seconds of life below which a certificate is not kept

node=$(node_name)
home=/var/lib/heatgen
umask 077
mkdir -p $home/installed
chmod 0755 $home

# section NAME FILE: the lines behind "== NAME".
section() {
    awk -v mark="== $1" '$0 == mark {on = 1; next} /^== / {on = 0} on' "$2"
}

# take_state: the first server has it from signing, the others open what it sealed for them.
take_state() {
    local said own
    own=$(version_of "$state/current")
    if [ "$own" != 0 ] && [ "$(<"$state/current/version")" = "$VERSION" ]; then return; fi
    said=${VERSION%% *}
    [ "$own" -le "$said" ] || fail "this server knows the authorities in version $own, the first one only" \
        "$said: mark the resources trust_share_control_0 and so on unhealthy (openstack stack resource" \
        "mark unhealthy), then update the stack: so the first one gets the newer version"
    unseal "$(input_file SEALED)" "$work/sealed" ||
        fail "the authorities are not sealed for this server: mark its resource trust_request unhealthy" \
            "(openstack stack resource mark unhealthy), then update the stack"
    adopt "$work/sealed"
}

# install_shared: what the services of a control-plane server need of the shared state.
install_shared() {
    local authority signing file servers='' pki=/etc/kubernetes/pki
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
        servers+="$(<"$(input_file NAMES.d)/$file") ${file%/*} $(<"$(input_file ADDRESSES.d)/$file")"$'\n'
    done
    install_text "${servers%$'\n'}" $home/nodes
}

# unchanged FILE GENERATION-FILE OFFERED: is it installed already, later than its key was made?
unchanged() {
    [ -s "$1.crt" ] && [ ! "$1.crt" -ot "$1.key" ] && [ "$(<"$1.crt")" = "$3" ] &&
        [ -s "$2" ] && [ "$(<"$2")" = "$CERTIFICATES_GENERATION" ]
}

# described: what a certificate on stdin is for; all but serial number, dates and issuer.
described() {
    openssl x509 -noout -subject -pubkey -ext \
        basicConstraints,keyUsage,extendedKeyUsage,subjectAltName 2>/dev/null
}

# still_good CERTIFICATE GENERATION-FILE OFFERED AUTHORITY: may the installed one stay?
still_good() {
    [ -s "$1" ] && [ -s "$2" ] && [ "$(<"$2")" = "$CERTIFICATES_GENERATION" ] &&
        openssl x509 -in "$1" -noout -checkend $RENEW_BEFORE >/dev/null &&
        [ "$(described <"$1")" = "$(described <<<"$3")" ] &&
        openssl verify -CAfile <(openssl x509 -in "/etc/$4/pki/ca.crt") "$1" >/dev/null 2>&1
}

# install_certificate NAME AUTHORITY OWNER: check what was signed, then install it unless one is there.
install_certificate() {
    local file=/etc/$2/pki/${1#*/} mark=$home/installed/${1//\//.} offered said
    offered=$(section "$node $1" "$mine")
    [ -n "$offered" ] || fail "no certificate for $1"
    [ "$3" = root ] || system_user "$3"
    chown "$3:" "$file.key"
    chmod 0600 "$file.key"
    if unchanged "$file" "$mark" "$offered"; then
        kept=$((kept + 1))
        return
    fi
    [ "$(openssl x509 -noout -pubkey <<<"$offered")" = "$(openssl pkey -in "$file.key" -pubout)" ] ||
        fail "the certificate for $1 is not for this node's key: mark this node's resource trust_request" \
            "unhealthy (openstack stack resource mark unhealthy), then update the stack"
    said=$(openssl verify -CAfile "/etc/$2/pki/ca.crt" <<<"$offered" 2>&1) ||
        fail "the certificate for $1 is not good: $(tail -n 1 <<<"$said")"
    if still_good "$file.crt" "$mark" "$offered" "$2"; then
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
    [ -n "$trusted" ] || fail "no certificate of the authority $authority"
    install_text "$trusted" "/etc/$authority/pki/ca.crt"
done
if [ "$HEATGEN_ROLE" = control ]; then
    # shellcheck source=hot/trust/shared.sh
    source "$(input_file SHARED)"
    take_state
    install_shared
fi

count=0
kept=0
while IFS='|' read -r name roles authority _ _ _ owner; do
    [[ ,$roles, == *,$HEATGEN_ROLE,* ]] || continue
    install_certificate "$name" "$authority" "$owner"
    count=$((count + 1))
done <<<"$CERTIFICATES"

echo "$node has its $count certificates, $((count - kept)) of them new."
