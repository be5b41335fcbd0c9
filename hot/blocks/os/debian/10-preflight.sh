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

if differs "$SITE_PROXY" /etc/heatgen/proxy.env; then
    for unit in "${downloading[@]}"; do
        write_or_remove "${SITE_PROXY:+[Service]
EnvironmentFile=/etc/heatgen/proxy.env}" "/etc/systemd/system/$unit.service.d/heatgen-proxy.conf"
    done
    write_or_remove "$SITE_PROXY" /etc/heatgen/proxy.env
    systemctl daemon-reload
    systemctl try-restart "${downloading[@]/%/.service}"
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
    systemctl try-restart "${downloading[@]/%/.service}"
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
    outside curl --silent --show-error --location --connect-timeout 5 --max-time 20 \
        --retry 2 --retry-delay 1 --retry-connrefused "${@:3}" "$1" >"$2"
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

echo "The agent runs on $(node_name) at $(node_address), $clock, $count artifacts and registries can be reached."
