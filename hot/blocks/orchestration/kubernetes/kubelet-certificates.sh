#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Before the kubelet starts: make sure that it has a valid client certificate and a valid serving certificate. Valid
# certificates that the kubelet rotated itself are kept; missing or invalid ones are replaced by those of the stack.
# So a node recovers after a long shutdown, or after its authority was replaced.
set -euo pipefail
pki=/etc/kubernetes/pki
own=/var/lib/kubelet/pki

install -d -m 0755 /var/lib/kubelet
install -d -m 0700 $own
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The signing authority is the first one in the bundle.
sed '/^-----END CERTIFICATE-----/q' $pki/ca.crt >"$work/signing"

# valid CERTIFICATE AUTHORITIES: succeed if the certificate is signed by one of them and not expired.
valid() {
    openssl verify -no-CApath -no-CAstore -CAfile "$2" "$1" >/dev/null 2>&1 &&
        openssl x509 -in "$1" -noout -checkend 60 >/dev/null
}

# must_replace CURRENT OFFERED: succeed if the current certificate must be replaced by that of the stack.
must_replace() {
    [ -e "$1" ] || return 0
    valid "$1" "$work/signing" && return 1
    valid "$2" "$work/signing" || ! valid "$1" $pki/ca.crt
}

for pair in client:kubelet-client server:kubelet; do
    current=$own/kubelet-${pair%:*}-current.pem
    offered=$pki/${pair#*:}
    must_replace "$current" "$offered.crt" || continue
    # The kubelet requires a symbolic link, which it changes on rotation.
    stack=$own/kubelet-${pair%:*}-stack.pem
    cat "$offered.crt" "$offered.key" >"$stack.new"
    mv "$stack.new" "$stack"
    ln -sfn "$stack" "$current"
    echo "The kubelet uses the certificate $offered.crt of the stack."
done
