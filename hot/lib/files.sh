# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: downloads, files, users, and services that restart when their files change.
# heatgen inserts the part after the first blank line in place of the line in step.sh that sources it.
# step.sh sets the variables.
# shellcheck disable=SC2154

# fetch ARTIFACT: download "URL SHA256" once, verify it, and print the path of the file.
# Several steps and the prefetch service may fetch the same file concurrently.
fetch() {
    local url=${1% *} sum=${1##* } file message status actual verified
    file=$heatgen_cache/$sum verified=/run/heatgen-fetched/$sum
    (
        flock 9
        [ -e "$verified" ] && [ -e "$file" ] && exit 0
        # Verify files fetched before this boot again: a power failure may have truncated them.
        if [ ! -e "$file" ] || [ "$(sum_of "$file")" != "$sum" ]; then
            status=0
            message=$(outside_curl --fail --max-time 300 --retry 4 --output "$file.part" "$url" 2>&1) || status=$?
            [ $status = 0 ] || fail "cannot fetch $url: $(curl_failure $status "$message")"
            actual=$(sum_of "$file.part") || fail "cannot read $file.part"
            if [ "$actual" != "$sum" ]; then
                rm -f "$file.part"
                fail "checksum of $url does not match: expected $sum (from the lock), got $actual." \
                    "If the upstream file was changed deliberately, run 'heatgen lock --update'"
            fi
            mv "$file.part" "$file" || fail "cannot write $file"
        fi
        mkdir -p "${verified%/*}"
        touch "$verified"
    ) 9>"$file.lock" || exit 1
    printf '%s' "$file"
}

# outside_curl OPTION... URL: send a request to a host outside the cluster. The last line on stderr is "connect: "
# and the proxy's status for the connection, which curl's message does not tell from the server's.
outside_curl() {
    outside curl --silent --show-error --location --connect-timeout 5 --retry-delay 1 --retry-connrefused \
        --write-out '%{stderr}connect: %{http_connect}\n' "$@"
}

# curl_failure STATUS STDERR: print curl's message of a failed request to a host outside the cluster, and the keys
# of cluster.yaml to check. Only the first line of a message has the reason: curl adds help for some failures.
curl_failure() {
    local message proxy refusal keys=''
    message=$(sed -n 's/^curl: *//p' <<<"$2" | tail -n 1)
    [ -n "$message" ] || message=$(sed '/^connect: /d' <<<"$2" | tail -n 1)
    printf '%s' "${message:-curl exited with status $1 and no message}"
    proxy=$(sed -n 's/^https\{0,1\}_proxy=//p' /etc/heatgen/proxy.env 2>/dev/null | sort -u | paste -sd ' ') || true
    refusal=$(sed -n 's/^connect: *//p' <<<"$2" | tail -n 1)
    [[ $message != *"error: 407" ]] || refusal=407
    case $refusal in
        '' | 000 | 2??) ;;
        407) keys="the proxy $proxy, which must not require a login" ;;
        5??) keys="the proxy $proxy, which must resolve and reach this host, or add the host to site.no_proxy" ;;
        *) keys="the rules of the proxy $proxy, which refuses this host or port, or add the host to site.no_proxy" ;;
    esac
    if [ -n "$keys" ]; then
        printf ' (status %s of the proxy: check %s)' "$refusal" "$keys"
        return
    fi
    case $1 in
        5) keys="site.http_proxy and site.https_proxy" ;;
        6) keys="cloud.dns, and the name in artifacts.mirror, artifacts.registry or artifacts.apt_mirror" ;;
        7 | 28 | 52 | 56) keys="the security groups and router of the nodes, site.http_proxy and site.https_proxy" ;;
        35 | 51 | 58 | 60 | 77) keys="site.ca_certificates, which must contain the authority of this server" ;;
        22) keys="the version, and artifacts.mirror or artifacts.registry, which must provide this path" ;;
    esac
    [ -z "$proxy" ] || keys+="${keys:+, }and the proxy $proxy, if it should serve this host"
    printf '%s' "${keys:+ (check $keys)}"
}

# sum_of FILE: print its SHA-256. openssl uses CPU instructions, which make it several times as fast as sha256sum.
sum_of() {
    local line
    line=$(openssl dgst -sha256 -r "$1") && printf '%s' "${line%% *}"
}

# unpack ARTIFACT COMPONENT VERSION [STRIP]: fetch an archive and unpack it once; print the directory.
unpack() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    # Compare with the list of files in .complete: a power failure may have emptied files.
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
# contents DIRECTORY: print "SIZE NAME" of every unpacked file; "none" if there are no files.
contents() {
    local found
    found=$(find "$1" -type f ! -name .complete -printf '%s %P\n' 2>/dev/null | LC_ALL=C sort) || true
    printf '%s\n' "${found:-none}"
}

# program ARTIFACT COMPONENT VERSION NAME: fetch a single executable into its versioned directory; print its path.
program() {
    local folder=$heatgen_home/$2/$3 file
    file=$(fetch "$1") || exit 1
    mkdir -p "$folder"
    # A hard link, so that the file uses disk space once.
    chmod 0755 "$file"
    ln -f "$file" "$folder/$4"
    printf '%s' "$folder/$4"
}

# link_program FILE...: point /opt/heatgen/bin/NAME to these programs. Link programs of a service with
# `start_unit NAME --link FILE` instead: otherwise a crash or a reboot starts the new version before its turn.
link_program() {
    local file link
    require_programs "$@"
    for file; do
        link=$heatgen_bin/${file##*/}
        [ "$(readlink "$link" || true)" = "$file" ] || ln -sfn "$file" "$link"
    done
}
# require_programs FILE...: fail unless all of them are executable.
require_programs() {
    local file
    for file; do
        [ -x "$file" ] || fail "the archive does not contain the program ${file##*/}"
    done
}

# install_text TEXT FILE [MODE [OWNER]]: write a file atomically, with its final owner and mode, if it differs.
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

# write_or_remove TEXT FILE: write the file, or remove it if the text is empty.
write_or_remove() {
    if [ -n "$1" ]; then install_text "$1" "$2"; else rm -f "$2"; fi
}

# system_user NAME: create a service user without login, unless the image has it.
system_user() {
    (
        flock 9
        id "$1" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir / \
                --shell "$(command -v nologin || echo /usr/sbin/nologin)" "$1"
    ) 9>/run/heatgen-users.lock
}

# registry_mirror URL DIRECTORY: configure the mirror, if any, as the first source of all pulls in containerd's
# hosts directory.
registry_mirror() {
    local file=$2/_default/hosts.toml # "_default" applies to every registry; the original registry is the fallback
    if [ -n "$1" ]; then
        install_text "[host.\"${1%/}\"]"$'\n''  capabilities = ["pull", "resolve"]' "$file"
    else
        rm -f "$file"
    fi
}

# fingerprint FILE...: print a hash that changes with the files; of programs (links) only the metadata is read, as
# they are when the programs in heatgen_programs are linked.
fingerprint() {
    local file
    for file; do
        if [ -n "${heatgen_programs[$file]:-}" ]; then
            stat --format "$file %i %s %Y" "${heatgen_programs[$file]}"
        elif [ -L "$file" ]; then
            stat --dereference --format '%n %i %s %Y' "$file"
        else
            cat "$file"
        fi
    done | openssl dgst -sha256 -r
}

# parse_unit NAME [--link FILE]... FILE...: set heatgen_programs, the programs to link before the start of the service
# by their links, and heatgen_files, the files that it reads at its start.
declare -A heatgen_programs=()
heatgen_files=()
parse_unit() {
    heatgen_programs=() heatgen_files=()
    shift
    while [ $# -gt 0 ]; do
        if [ "$1" = --link ]; then
            require_programs "$2"
            heatgen_programs[$heatgen_bin/${2##*/}]=$2
            shift 2
        else
            heatgen_files+=("$1")
            shift
        fi
    done
}

# unit_current NAME: succeed if the service was started with the current content of heatgen_files. The state at its
# start is recorded until the next boot; if systemd started it at boot, compare with its start time.
unit_current() {
    local recorded=/run/heatgen-$1.state since file
    systemctl is-active --quiet "$1.service" || return 1
    if [ -e "$recorded" ]; then
        [ "$(<"$recorded")" = "$(unit_state "$1")" ]
        return
    fi
    for file in "${heatgen_files[@]}"; do
        [ -z "${heatgen_programs[$file]:-}" ] || [ "$(readlink "$file" || true)" = "${heatgen_programs[$file]}" ] ||
            return 1
    done
    since=$(systemctl show --property ExecMainStartTimestamp --value "$1.service")
    [ -n "$since" ] &&
        [ -z "$(find "/etc/systemd/system/$1.service" "${heatgen_files[@]}" -newermt "$since" 2>&1)" ]
}
unit_state() {
    fingerprint "/etc/systemd/system/$1.service" "${heatgen_files[@]}"
}

# start_unit NAME [--link FILE]... FILE...: enable a service; (re)start it if it is not running with the current unit
# and files. Link its programs only now: a crash or a reboot before its turn must start the version that is running.
start_unit() {
    local state current=''
    parse_unit "$@"
    state=$(unit_state "$1")
    systemctl daemon-reload
    systemctl enable --quiet "$1.service"
    ! unit_current "$1" || current=yes
    link_program "${heatgen_programs[@]}"
    if [ -z "$current" ]; then
        systemctl reset-failed "$1.service" 2>/dev/null || true
        systemctl restart "$1.service" || unit_failed "$1"
        printf '%s' "$state" >"/run/heatgen-$1.state"
    fi
}
