# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# State that the control-plane nodes share, and functions to seal and unseal it. Sourced by the steps of trust.
#
# $state/current is a directory (a symbolic link, so that it is replaced atomically):
#   version                    "NUMBER ID": NUMBER increases with each change; ID is unique
#   authorities                trusted generations, the signing one first: 1; 1,2; 2,1; 2
#   certificates               generation of the leaf certificates
#   AUTHORITY/GENERATION.{key,crt}
#   encryption.key             encrypts Kubernetes Secrets in etcd
#   service-accounts/ID.pub    public key of each API server; ID.retired: time since when its node no longer exists

state=/var/lib/heatgen/trust
umask 077
mkdir -p "$state"
rm -rf "$state"/work.* # left over from a killed run
work=$(mktemp -d "$state/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A power failure may empty files that were just written. Do not create them again: new authorities would cut off
# the other nodes, and a new encryption key could not decrypt existing Secrets.
damaged=$(find "$state/current/" -type f -empty -print -quit 2>/dev/null || true)
[ -z "$damaged" ] || fail "$damaged is empty, probably because of a power failure. If there are other control-plane" \
    "nodes, rebuild this one ('openstack stack resource mark unhealthy' on its server, then update the stack)." \
    "Otherwise restore $state from a backup"

# version_of DIRECTORY: print the version number of a state; 0 if it does not exist.
version_of() {
    local number=0
    [ ! -s "$1/version" ] || read -r number _ <"$1/version"
    printf '%s' "$number"
}

# seal DIRECTORY ENVELOPES: print the state encrypted to these certificates.
seal() {
    local file recipients=()
    for file in "$2"/*; do recipients+=(-recip "$file" -keyopt ecdh_kdf_md:sha256); done
    tar --create --gzip --directory "$1" . |
        openssl cms -encrypt -binary -aes-256-gcm -outform PEM "${recipients[@]}"
}

# unseal FILE DIRECTORY: decrypt a state with this node's key; fail if that is not possible or it is incomplete.
unseal() {
    local home=/var/lib/heatgen
    mkdir -p "$2"
    openssl cms -decrypt -binary -inform PEM -in "$1" -recip $home/envelope.crt -inkey $home/envelope.key \
        2>/dev/null | tar --extract --gzip --no-same-owner --directory "$2" 2>/dev/null &&
        [ -s "$2/version" ]
}

# adopt DIRECTORY: make a state, a directory in $work, the current one.
adopt() {
    local number old
    number=$(version_of "$1")
    # Do not overwrite the current state, which may have the same number with another ID.
    [ ! -e "$state/$number" ] || number=$number.$RANDOM
    # Sync to disk before it replaces the old state, which is then deleted.
    find "$1" -exec sync {} +
    mv "$1" "$state/$number"
    ln -sfn "$number" "$state/current.new"
    mv -T "$state/current.new" "$state/current"
    sync "$state"
    for old in "$state"/[0-9]*; do
        [ "${old##*/}" = "$number" ] || rm -rf "$old"
    done
}
