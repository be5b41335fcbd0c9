#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apply the site's settings; check the clock, and that every artifact can be reached.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

CLOCK_TOLERANCE=60 # seconds; certificates are valid from the second they are signed

[ "$(id -u)" = 0 ] || fail "the agent does not run as root"
[ "$(uname -m)" = x86_64 ] ||
    fail "the programs of the cluster are for x86_64, but this server is $(uname -m): use an image and a flavor" \
        "for x86_64"
for command in curl openssl tar systemctl ip flock; do
    command -v "$command" >/dev/null || fail "the image does not contain the program $command"
done

# Files with the server's password for Heat. The user data of servers that heatgen 0.1 created does not close them.
for file in /var/lib/heat-cfntools/cfn-init-data /var/lib/cloud/data/cfn-init-data; do
    [ ! -e "$file" ] || chmod 0600 "$file"
done

# differs TEXT FILE: succeed if the content of the file differs from the text; a missing file counts as empty.
differs() {
    [ "$1" != "$(cat "$2" 2>/dev/null)" ]
}

# write_or_remove TEXT FILE: write the file, or remove it if the text is empty.
write_or_remove() {
    if [ -n "$1" ]; then install_text "$1" "$2"; else rm -f "$2"; fi
}

# Services that download, and read proxy and authorities only at their start.
downloading=(containerd docker heatgen-prefetch)

# restart_downloading: restart those that run. try-restart fails for a unit that later steps create.
restart_downloading() {
    local unit
    for unit in "${downloading[@]/%/.service}"; do
        ! systemctl cat "$unit" >/dev/null 2>&1 || systemctl try-restart "$unit"
    done
}

if differs "$SITE_PROXY" /etc/heatgen/proxy.env; then
    # The updates of the distribution must not be interrupted; they read the proxy when they start.
    for unit in "${downloading[@]}" apt-daily apt-daily-upgrade; do
        write_or_remove "${SITE_PROXY:+[Service]
EnvironmentFile=/etc/heatgen/proxy.env}" "/etc/systemd/system/$unit.service.d/heatgen-proxy.conf"
    done
    write_or_remove "$SITE_PROXY" /etc/heatgen/proxy.env
    systemctl daemon-reload
    restart_downloading
fi

store=/usr/local/share/ca-certificates
if differs "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem; then
    mkdir -p $store
    rm -f $store/heatgen-*.crt
    awk -v store=$store '/-----BEGIN/ {file = store "/heatgen-" ++count ".crt"} file {print >file}' \
        <<<"$CA_CERTIFICATES"
    for file in "$store"/heatgen-*.crt; do
        [ ! -e "$file" ] || openssl x509 -in "$file" -noout 2>/dev/null ||
            fail "site.ca_certificates: entry ${file//[!0-9]/} is not a certificate"
    done
    message=$(update-ca-certificates 2>&1) || fail "cannot install site.ca_certificates: $(tail -n 1 <<<"$message")"
    write_or_remove "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem
    restart_downloading
fi

# clock_synchronized: succeed if a time server has set the clock.
clock_synchronized() {
    [ "$(timedatectl show --property NTPSynchronized --value)" = yes ]
}
if differs "$NTP_SERVERS" /etc/heatgen/ntp-servers; then
    if systemctl cat chrony.service >/dev/null 2>&1; then
        write_or_remove "${NTP_SERVERS:+server ${NTP_SERVERS//,/$' iburst\nserver '} iburst}" \
            /etc/chrony/sources.d/heatgen.sources
        systemctl restart chrony.service
    elif systemctl cat systemd-timesyncd.service >/dev/null 2>&1; then
        write_or_remove "${NTP_SERVERS:+[Time]
NTP=${NTP_SERVERS//,/ }}" /etc/systemd/timesyncd.conf.d/90-heatgen.conf
        systemctl restart systemd-timesyncd.service
    else
        fail "site.ntp_servers cannot be used: the image contains neither chrony nor systemd-timesyncd"
    fi
    [ -z "$NTP_SERVERS" ] || wait_for 45 "the clock is set by one of $NTP_SERVERS" clock_synchronized
    write_or_remove "$NTP_SERVERS" /etc/heatgen/ntp-servers
fi

# request URL FILE OPTION...: send a request, write the response headers to the file.
request() {
    outside_curl --max-time 20 --retry 2 "${@:3}" "$1" >"$2"
}

# request_artifact URL FILE, request_registry URL FILE: succeed if the server can provide the artifact, or is a registry.
# A registry that requires an anonymous token responds with status 401 and the URL of its token service.
request_artifact() {
    request "$1" "$2" --fail --head
}
request_registry() {
    local status
    request "$1" "$2" --dump-header - --output /dev/null || return
    status=$(sed -n 's|^HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$2" | tail -n 1)
    case $status in
        2??) return 0 ;;
        401)
            ! grep -qi '^www-authenticate:.*bearer ' "$2" || return 0
            echo "the registry requires a login (status 401): nodes pull without user and password" >&2
            ;;
        407) echo "the proxy requires a login (status 407)" >&2 ;;
        *) echo "status $status is not the response of a registry" >&2 ;;
    esac
    return 22
}

responses=$(mktemp -d)
trap 'rm -rf "$responses"' EXIT

# has_suite URL SUITE: succeed if this mirror of packages has the suite; fail the step if the mirror cannot be reached.
has_suite() {
    local url=$1/dists/$2/InRelease status=0
    request "$url" "$responses/suite" --head 2>"$responses/suite.err" || status=$?
    [ $status = 0 ] || fail "cannot reach $url: $(curl_failure $status "$(<"$responses/suite.err")")"
    status=$(sed -n 's|^HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$responses/suite" | tail -n 1)
    case $status in
        2??) return 0 ;;
        4??) [ "$status" != 407 ] && return 1 ;;
    esac
    fail "cannot use $url: its server or the proxy responds with status $status (check artifacts.apt_mirror)"
}

# apt_source URL SUITE...: print a source of apt. The image must have the key with which the distribution signs.
apt_source() {
    printf '%s\n' 'Types: deb' "URIs: $1" "Suites: ${*:2}" "Components: $apt_components" "Signed-By: $apt_keyring" ''
}

# os_release NAME: print a value of /etc/os-release.
os_release() {
    sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release
}

# With a mirror of packages, apt and all programs that use it read this source only. The files of the image stay
# unchanged, and are used again when the mirror is removed. The suite of security updates of Debian is in a separate
# archive beside "debian"; a mirror may also contain it, as that of Ubuntu does, or not have it at all.
apt_note='' apt_folder=/etc/heatgen/apt apt_options=/etc/apt/apt.conf.d/90heatgen-mirror
if [ -z "$APT_MIRROR" ]; then
    rm -rf $apt_options $apt_folder
else
    distribution=$(os_release ID) suite=$(os_release VERSION_CODENAME)
    case $distribution in
        ubuntu) apt_components='main universe' ;;
        *) apt_components=main ;;
    esac
    apt_keyring=/usr/share/keyrings/$distribution-archive-keyring.gpg
    [ -e "$apt_keyring" ] && [ -n "$suite" ] ||
        fail "artifacts.apt_mirror cannot be used: the image ($(os_release PRETTY_NAME)) has no $apt_keyring or no release name"
    has_suite "$APT_MIRROR" "$suite" ||
        fail "artifacts.apt_mirror: $APT_MIRROR has no file dists/$suite/InRelease: set the URL of the directory" \
            "that contains 'dists', of a mirror that has the release of the image"
    suites=("$suite") sources=''
    ! has_suite "$APT_MIRROR" "$suite-updates" || suites+=("$suite-updates")
    if has_suite "$APT_MIRROR" "$suite-security"; then
        suites+=("$suite-security")
    elif has_suite "$APT_MIRROR-security" "$suite-security"; then
        sources=$(apt_source "$APT_MIRROR-security" "$suite-security")
    else
        apt_note=", the mirror of packages has no security updates"
    fi
    install_text "$(apt_source "$APT_MIRROR" "${suites[@]}")${sources:+$'\n\n'$sources}" $apt_folder/mirror.sources
    install_text 'Dir::Etc::SourceList "/dev/null";'$'\n'"Dir::Etc::SourceParts \"$apt_folder\";" $apt_options
fi

count=0
declare -a pending=()
# begin KIND URL: start a request.
begin() {
    count=$((count + 1))
    "request_$1" "$2" "$responses/$count" 2>"$responses/$count.err" &
    pending[count]="$! $2"
}
while read -r url _; do
    [ -z "$url" ] || begin artifact "$url"
done <<<"$ARTIFACTS"
[ -z "$ARTIFACTS_REGISTRY" ] || begin registry "${ARTIFACTS_REGISTRY%/}/v2/"
failures=0 reason=''
for number in "${!pending[@]}"; do
    read -r pid url <<<"${pending[number]}"
    status=0
    wait "$pid" || status=$?
    [ $status != 0 ] || continue
    failures=$((failures + 1))
    [ -n "$reason" ] || reason="cannot reach $url: $(curl_failure $status "$(<"$responses/$number.err")")"
done
[ $failures -le 1 ] || reason+="; $failures of $count requests failed, this is the first"
[ $failures = 0 ] || fail "$reason"

clock="clock not compared"
date=$(sed -n 's/^[Dd]ate: *//p' "$responses/1" 2>/dev/null | tail -n 1 | tr -d '\r')
if [ -n "$date" ]; then
    skew=$(($(date +%s) - $(date --date "$date" +%s)))
    [ ${skew#-} -le $CLOCK_TOLERANCE ] ||
        fail "the clock is off by $skew s (compared to the artifact server, $date): configure time synchronization"
    clock="clock off by $skew s"
fi

# Prefetch artifacts while certificates are created; failures are reported by the steps that use the artifacts.
install_text "$PREFETCH" $heatgen_home/lib/prefetch 0755
install_text "$PREFETCH_UNIT" /etc/systemd/system/heatgen-prefetch.service
install_text "$ARTIFACTS" $heatgen_home/artifacts
systemctl daemon-reload
systemctl start --no-block heatgen-prefetch.service

echo "The agent runs on $(node_name) at $(node_address), $clock, $count artifacts and registries can be reached$apt_note."
