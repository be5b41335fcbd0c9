#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Before the kubelet starts: see that it has a certificate as client and one as server that are good.
# Those it rotated to by itself stay; in place of none, or of one that is no good any more, it gets the
# stack's. So a node that slept too long, or whose authority was replaced, comes back by itself.
set -euo pipefail
pki=/etc/kubernetes/pki
own=/var/lib/kubelet/pki

install -d -m 0755 /var/lib/kubelet
install -d -m 0700 $own
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The authority that signs comes first in the bundle.
sed '/^-----END CERTIFICATE-----/q' $pki/ca.crt >"$work/signing"

# good CERTIFICATE AUTHORITIES: it is signed by one of them and not at its end.
good() {
    openssl verify -no-CApath -no-CAstore -CAfile "$2" "$1" >/dev/null 2>&1 &&
        openssl x509 -in "$1" -noout -checkend 60 >/dev/null
}

# needed CURRENT MADE: the stack's certificate must take the place of the current one.
needed() {
    [ -e "$1" ] || return 0
    good "$1" "$work/signing" && return 1
    good "$2" "$work/signing" || ! good "$1" $pki/ca.crt
}

for pair in client:kubelet-client server:kubelet; do
    current=$own/kubelet-${pair%:*}-current.pem
    made=$pki/${pair#*:}
    needed "$current" "$made.crt" || continue
    # The kubelet wants a link, which it changes when it rotates.
    stack=$own/kubelet-${pair%:*}-stack.pem
    cat "$made.crt" "$made.key" >"$stack.new"
    mv "$stack.new" "$stack"
    ln -sfn "$stack" "$current"
    echo "The kubelet starts with the certificate $made.crt."
done
