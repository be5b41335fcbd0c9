#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apply the site's settings; check the clock, and that every artifact can be reached.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# shellcheck source=hot/blocks/os/debian/system.sh
source "$(input_file SYSTEM)"

CLOCK_TOLERANCE=60 # seconds; certificates are valid from the second they are signed

[ "$(id -u)" = 0 ] || fail "the agent does not run as root"
[ "$(uname -m)" = x86_64 ] ||
    fail "the programs of the cluster are for x86_64, but this server is $(uname -m): use an image and a flavor" \
        "for x86_64"
missing=()
for command in awk curl flock ip openssl systemctl tar useradd; do
    command -v "$command" >/dev/null || missing+=("$command")
done
[ ${#missing[@]} = 0 ] || fail "the image ($(os_release PRETTY_NAME)) does not contain the programs ${missing[*]}"

# Files with the server's password for Heat. The user data of servers that heatgen 0.1 created does not close them.
for file in /var/lib/heat-cfntools/cfn-init-data /var/lib/cloud/data/cfn-init-data; do
    [ ! -e "$file" ] || chmod 0600 "$file"
done

# differs TEXT FILE: succeed if the content of the file differs from the text; a missing file counts as empty.
differs() {
    [ "$1" != "$(cat "$2" 2>/dev/null)" ]
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
    # The updates of the distributions must not be interrupted; they read the proxy when they start. Drop-ins of
    # units that a system does not have are not used.
    for unit in "${downloading[@]}" apt-daily apt-daily-upgrade rpm-ostreed update-engine zincati; do
        write_or_remove "${SITE_PROXY:+[Service]
EnvironmentFile=/etc/heatgen/proxy.env}" "/etc/systemd/system/$unit.service.d/heatgen-proxy.conf"
    done
    write_or_remove "$SITE_PROXY" /etc/heatgen/proxy.env
    systemctl daemon-reload
    restart_downloading
fi

responses=$(mktemp -d)
trap 'rm -rf "$responses"' EXIT

if differs "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem; then
    mkdir "$responses/trust"
    awk -v folder="$responses/trust" '/-----BEGIN/ {file = folder "/" ++count ".pem"} file {print >file}' \
        <<<"$CA_CERTIFICATES"
    for file in "$responses"/trust/*.pem; do
        [ ! -e "$file" ] || openssl x509 -in "$file" -noout 2>/dev/null ||
            fail "site.ca_certificates: entry $(basename "$file" .pem) is not a certificate"
    done
    system_trust "$responses/trust"
    write_or_remove "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem
    restart_downloading
fi

# clock_synchronized: succeed if a time server has set the clock.
clock_synchronized() {
    [ "$(timedatectl show --property NTPSynchronized --value)" = yes ]
}
if differs "$NTP_SERVERS" /etc/heatgen/ntp-servers; then
    system_time "$NTP_SERVERS"
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

apt_note=''
if command -v apt-get >/dev/null; then
    apt_note=$(apt_mirror "$APT_MIRROR") || exit 1
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
