# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the control-plane servers share, and how it travels. Sourced by the steps of trust.
#
# $state/current is a folder (a link, so that it changes at once):
#   version                    "NUMBER ID": counts the changes; ID tells two of one number apart
#   authorities                live generations, the signing one first: 1; 1,2; 2,1; 2
#   certificates               generation of the leaf certificates
#   AUTHORITY/GENERATION.{key,crt}
#   encryption.key             of Kubernetes' secrets in etcd
#   service-accounts/ID.pub    of every apiserver; ID.retired: since when its server is gone

state=/var/lib/heatgen/trust
umask 077
mkdir -p "$state"
rm -rf "$state"/work.* # of a run that was ended by force
work=$(mktemp -d "$state/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A loss of power may empty files that had just been written, which must not be taken for files that are yet
# to be made: new authorities would cut the cluster off, a new encryption key would lock its secrets.
damaged=$(find "$state/current/" -type f -empty -print -quit 2>/dev/null || true)
[ -z "$damaged" ] || fail "$damaged is empty, as after a loss of power. With other control-plane servers, have" \
    "this one built anew: 'openstack stack resource mark unhealthy' for it, then update the stack." \
    "A single one needs $state from a backup"

# version_of FOLDER: number of the changes of a state; 0 if there is none.
version_of() {
    local number=0
    [ ! -s "$1/version" ] || read -r number _ <"$1/version"
    printf '%s' "$number"
}

# seal FOLDER ENVELOPES: the state as text that only the servers of these certificates can open.
seal() {
    local file recipients=()
    for file in "$2"/*; do recipients+=(-recip "$file" -keyopt ecdh_kdf_md:sha256); done
    tar --create --gzip --directory "$1" . |
        openssl cms -encrypt -binary -aes-256-gcm -outform PEM "${recipients[@]}"
}

# unseal FILE FOLDER: open what is sealed for this server; fails if it is not, or is not whole.
unseal() {
    local home=/var/lib/heatgen
    mkdir -p "$2"
    openssl cms -decrypt -binary -inform PEM -in "$1" -recip $home/envelope.crt -inkey $home/envelope.key \
        2>/dev/null | tar --extract --gzip --no-same-owner --directory "$2" 2>/dev/null &&
        [ -s "$2/version" ]
}

# adopt FOLDER: make a state, which lies in $work, the current one.
adopt() {
    local number old
    number=$(version_of "$1")
    # Never the folder in use: a state of its number with another ID goes beside it first.
    [ ! -e "$state/$number" ] || number=$number.$RANDOM
    # On the disk before it takes the place of the old, which is gone then.
    find "$1" -exec sync {} +
    mv "$1" "$state/$number"
    ln -sfn "$number" "$state/current.new"
    mv -T "$state/current.new" "$state/current"
    sync "$state"
    for old in "$state"/[0-9]*; do
        [ "${old##*/}" = "$number" ] || rm -rf "$old"
    done
}
