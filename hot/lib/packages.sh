# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of the step library: packages of the distribution.
# heatgen inserts the part after the first blank line in place of the line in step.sh that sources it.
# step.sh sets the variables.
# shellcheck disable=SC2154

# install_packages PACKAGE...: install with apt-get. Wait for the updates that a new server may be running, and finish
# an installation that was interrupted. apt-get update succeeds although it could not fetch some lists; only the
# installation shows whether the others are sufficient. The updates replace lists while apt-get reads them, which no
# lock prevents: apt-get then reports a file that does not exist, or only that its cache is corrupted.
install_packages() {
    local message reason errors
    command -v apt-get >/dev/null || fail_without_packages "$@"
    until message=$( (run_apt -o Acquire::Languages=none update &&
        run_apt -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@") 2>&1); do
        if [ $SECONDS -lt 240 ]; then
            case $message in
                *"Could not get lock"* | *"locked by another process"*) sleep 2 && continue ;;
                *"Could not open file /var/lib/apt/lists/"* | *"Problem renaming the file /var/cache/apt/"*) ;&
                *"could not be parsed or opened"* | *"package cache file is corrupted"*) sleep 2 && continue ;;
                *"dpkg was interrupted"*) dpkg --configure -a >/dev/null 2>&1 && continue ;;
            esac
        fi
        reason=$(grep -m 1 -E '^[WE]: (Failed to fetch|GPG error|The repository)' <<<"$message") || true
        errors=$(grep -E '^(E|dpkg): ' <<<"$message" | grep -v -x -F "$reason" | sed -n 1,3p) || true
        errors=${errors:-$(tail -n 1 <<<"$message")}
        fail "the image does not contain $*, and apt-get cannot install them: ${reason:+$reason; }${errors//$'\n'/; }." \
            "Allow the nodes to connect to a mirror of the distribution, set artifacts.apt_mirror, or use an image" \
            "with these packages"
    done
}
# run_apt ARGUMENT...: run apt-get without questions and without restarts of services that use a library. It keeps its
# cache in memory, so that no other program writes it at the same time.
run_apt() {
    outside env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 \
        apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

# fail_without_packages PROGRAM...: end the step on a system whose image cannot be extended.
fail_without_packages() {
    fail "the image ($(os_release PRETTY_NAME)) does not contain $*, and packages cannot be installed on this system:" \
        "use an image with these programs"
}

# os_release NAME: print a value of /etc/os-release.
os_release() {
    sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release
}

# apt_mirror URL: with a mirror of packages, apt and all programs that use it read this source only. The files of the
# image stay unchanged, and are used again when the mirror is removed. The suite of security updates of Debian is in a
# separate archive beside "debian"; a mirror may also contain it, as that of Ubuntu does, or not have it at all.
# Print a note for the message of the step.
apt_mirror() {
    local url=$1 folder=/etc/heatgen/apt options=/etc/apt/apt.conf.d/90heatgen-mirror
    local distribution suite components keyring suites security=''
    if [ -z "$url" ]; then
        rm -rf $options $folder
        return
    fi
    distribution=$(os_release ID)
    suite=$(os_release VERSION_CODENAME)
    components=main
    [ "$distribution" != ubuntu ] || components='main universe'
    keyring=/usr/share/keyrings/$distribution-archive-keyring.gpg
    [ -e "$keyring" ] && [ -n "$suite" ] ||
        fail "artifacts.apt_mirror cannot be used: the image ($(os_release PRETTY_NAME)) has no $keyring or no release name"
    has_suite "$url" "$suite" ||
        fail "artifacts.apt_mirror: $url has no file dists/$suite/InRelease: set the URL of the directory" \
            "that contains 'dists', of a mirror that has the release of the image"
    suites=$suite
    ! has_suite "$url" "$suite-updates" || suites+=" $suite-updates"
    if has_suite "$url" "$suite-security"; then
        suites+=" $suite-security"
    elif has_suite "$url-security" "$suite-security"; then
        security=$'\n\n'$(apt_source "$url-security" "$suite-security")
    else
        printf ', the mirror of packages has no security updates'
    fi
    install_text "$(apt_source "$url" "$suites")$security" $folder/mirror.sources
    install_text 'Dir::Etc::SourceList "/dev/null";'$'\n'"Dir::Etc::SourceParts \"$folder\";" $options
}
# apt_source URL SUITES: print a source. The image must have the key with which the distribution signs.
apt_source() {
    printf '%s\n' 'Types: deb' "URIs: $1" "Suites: $2" "Components: $components" "Signed-By: $keyring"
}
# has_suite URL SUITE: succeed if this mirror of packages has the suite; fail the step if the mirror cannot be reached.
has_suite() {
    local url=$1/dists/$2/InRelease errors reply message status=0
    errors=$(mktemp)
    reply=$(outside_curl --max-time 20 --retry 2 --head "$url" 2>"$errors") || status=$?
    message=$(<"$errors")
    rm "$errors"
    [ $status = 0 ] || fail "cannot reach $url: $(curl_failure $status "$message")"
    status=$(sed -n 's|^HTTP/[0-9.]* \([0-9]*\).*|\1|p' <<<"$reply" | tail -n 1)
    case $status in
        2??) return 0 ;;
        4??) [ "$status" != 407 ] && return 1 ;;
    esac
    fail "cannot use $url: its server or the proxy responds with status $status (check artifacts.apt_mirror)"
}
