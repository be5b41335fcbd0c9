# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: downloads, files, packages, and services that run with their files.
# heatgen puts what follows the first blank line in place of the line in step.sh that sources it.
# The variables are those of step.sh.
# shellcheck disable=SC2154

# fetch ARTIFACT: download "URL SHA256" once, check it, print the path of the file.
# Several steps and the prefetch may ask for one file at the same time.
fetch() {
    local url=${1% *} sum=${1##* } file said good
    file=$heatgen_cache/$sum good=/run/heatgen-fetched/$sum
    (
        flock 9
        [ -e "$good" ] && [ -e "$file" ] && exit 0
        # What was fetched before this boot is read again: a loss of power may have left a part of it.
        if [ ! -e "$file" ] || [ "$(sum_of "$file")" != "$sum" ]; then
            if ! said=$(outside curl --fail --silent --show-error --location --connect-timeout 5 \
                --max-time 300 --retry 4 --retry-delay 1 --retry-connrefused \
                --output "$file.part" "$url" 2>&1); then
                fail "cannot fetch $url: $(tail -n 1 <<<"$said")"
            fi
            said=$(sum_of "$file.part") || fail "cannot read $file.part"
            if [ "$said" != "$sum" ]; then
                rm -f "$file.part"
                fail "checksum of $url: the lock says $sum, the file has $said." \
                    "Run 'heatgen lock' again if upstream's file was meant to change"
            fi
            mv "$file.part" "$file" || fail "cannot write $file"
        fi
        mkdir -p "${good%/*}"
        touch "$good"
    ) 9>"$file.lock" || exit 1
    printf '%s' "$file"
}

# sum_of FILE: its SHA-256. openssl uses the processor's instructions for it, which make it several times as fast.
sum_of() {
    local said
    said=$(openssl dgst -sha256 -r "$1") && printf '%s' "${said%% *}"
}

# unpack ARTIFACT COMPONENT VERSION [STRIP]: fetch an archive and unpack it once; print its folder.
unpack() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    # The list of what is in it tells whether it is still whole: a loss of power may have emptied files.
    if [ "$(contents "$folder")" != "$(cat "$folder/.complete" 2>/dev/null)" ]; then
        rm -rf "$folder.new"
        mkdir -p "$folder.new"
        tar --extract --no-same-owner --directory "$folder.new" --strip-components "${4:-0}" --file "$file" ||
            fail "cannot unpack ${1% *}"
        contents "$folder.new" >"$folder.new/.complete"
        rm -rf "$folder"
        mv "$folder.new" "$folder"
    fi
    printf '%s' "$folder"
}
# contents FOLDER: "SIZE NAME" of every file that was unpacked there; "none" if there is nothing.
contents() {
    local found
    found=$(find "$1" -type f ! -name .complete -printf '%s %P\n' 2>/dev/null | LC_ALL=C sort) || true
    printf '%s\n' "${found:-none}"
}

# program ARTIFACT COMPONENT VERSION NAME: fetch a bare program into its versioned folder.
program() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    mkdir -p "$folder"
    # A hard link: the file lies on the disk once.
    chmod 0755 "$file"
    ln -f "$file" "$folder/$4"
    link_program "$folder/$4"
}

# link_program FILE...: switch /opt/heatgen/bin/NAME to these programs.
link_program() {
    local file link
    for file; do
        [ -x "$file" ] || fail "the archive has no program ${file##*/}"
        link=$heatgen_bin/${file##*/}
        [ "$(readlink "$link" || true)" = "$file" ] || ln -sfn "$file" "$link"
    done
}

# install_text TEXT FILE [MODE [OWNER]]: write a file in one step if it differs; it is never half there,
# nor for a moment another's.
install_text() {
    local new=$2 mode=${3:-0644} owner=${4:-root}
    if [ ! -e "$2" ] || [ "$(<"$2")" != "$1" ]; then
        new=$2.heatgen-new
        [ -d "${2%/*}" ] || mkdir -p "${2%/*}"
        (umask 077 && printf '%s\n' "$1" >"$new")
    fi
    chown "$owner:" "$new"
    chmod "$mode" "$new"
    [ "$new" = "$2" ] || mv "$new" "$2"
}

# system_user NAME: a user for a service, without login.
system_user() {
    (
        flock 9
        id "$1" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$1"
    ) 9>/run/heatgen-users.lock
}

# install_packages PACKAGE...: by apt-get. A new server may be busy with its own updates: wait for them.
install_packages() {
    local said
    export DEBIAN_FRONTEND=noninteractive
    until said=$( (outside apt-get -qq update &&
        outside apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@") 2>&1); do
        [[ $said == *"Could not get lock"* ]] && [ $SECONDS -lt 240 ] ||
            fail "the image lacks $* and apt-get cannot install them: $(tail -n 2 <<<"$said")." \
                "Give the nodes a way to a Debian mirror, or use an image that has them"
        sleep 2
    done
}

# registry_mirror URL FOLDER: have containerd's host files there send every pull to the mirror first, if any.
registry_mirror() {
    local file=$2/_default/hosts.toml # "_default" stands for every registry; the image's own comes after it
    if [ -n "$1" ]; then
        install_text "[host.\"${1%/}\"]"$'\n''  capabilities = ["pull", "resolve"]' "$file"
    else
        rm -f "$file"
    fi
}

# fingerprint FILE...: changes when a file does; programs (links) are told apart without reading them.
fingerprint() {
    local file
    for file; do
        if [ -L "$file" ]; then stat --dereference --format '%n %i %s %Y' "$file"; else cat "$file"; fi
    done | openssl dgst -sha256 -r
}

# unit_current NAME FILE...: does the service run with these files as they are? What it was started with
# is noted until the next boot; of a service that came with the boot, all of them are older than its start.
unit_current() {
    local unit=$1 noted=/run/heatgen-$1.state since
    shift
    systemctl is-active --quiet "$unit.service" || return 1
    if [ -e "$noted" ]; then
        [ "$(<"$noted")" = "$(unit_state "$unit" "$@")" ]
    else
        since=$(systemctl show --property ExecMainStartTimestamp --value "$unit.service")
        [ -n "$since" ] &&
            [ -z "$(find "/etc/systemd/system/$unit.service" "$@" -newermt "$since" 2>&1)" ]
    fi
}
unit_state() {
    fingerprint "/etc/systemd/system/$1.service" "${@:2}"
}

# start_unit NAME FILE...: enable a service and (re)start it when the unit or one of the files changed.
start_unit() {
    local unit=$1 state
    shift
    state=$(unit_state "$unit" "$@")
    systemctl daemon-reload
    systemctl enable --quiet "$unit.service"
    if ! unit_current "$unit" "$@"; then
        systemctl reset-failed "$unit.service" 2>/dev/null || true
        systemctl restart "$unit.service" || unit_failed "$unit"
        printf '%s' "$state" >"/run/heatgen-$unit.state"
    fi
}
