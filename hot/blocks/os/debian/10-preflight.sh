#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent runs (we are here); do what the site wants, prove the clock and the way to every artifact.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

CLOCK_TOLERANCE=60 # seconds; certificates are valid from the second they are signed

[ "$(id -u)" = 0 ] || fail "the agent does not run as root"
for needed in curl openssl tar systemctl ip flock; do
    command -v "$needed" >/dev/null || fail "the image lacks the program $needed"
done

# differs TEXT FILE: is the file another, or there without a text?
differs() {
    [ "$1" != "$(cat "$2" 2>/dev/null)" ]
}

# settle TEXT FILE: write the file, or remove it if the text is empty.
settle() {
    if [ -n "$1" ]; then install_text "$1" "$2"; else rm -f "$2"; fi
}

# What fetches by itself, and reads proxy and authorities only when it starts.
fetching=(containerd docker heatgen-prefetch)

if differs "$SITE_PROXY" /etc/heatgen/proxy.env; then
    for unit in "${fetching[@]}"; do
        settle "${SITE_PROXY:+[Service]
EnvironmentFile=/etc/heatgen/proxy.env}" "/etc/systemd/system/$unit.service.d/heatgen-proxy.conf"
    done
    settle "$SITE_PROXY" /etc/heatgen/proxy.env
    systemctl daemon-reload
    systemctl try-restart "${fetching[@]/%/.service}"
fi

store=/usr/local/share/ca-certificates
if differs "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem; then
    mkdir -p $store
    rm -f $store/heatgen-*.crt
    awk -v store=$store '/-----BEGIN/ {file = store "/heatgen-" ++count ".crt"} file {print >file}' \
        <<<"$CA_CERTIFICATES"
    for file in "$store"/heatgen-*.crt; do
        [ ! -e "$file" ] || openssl x509 -in "$file" -noout 2>/dev/null ||
            fail "site.ca_certificates: number ${file//[!0-9]/} is not a certificate"
    done
    said=$(update-ca-certificates 2>&1) || fail "cannot trust site.ca_certificates: $(tail -n 1 <<<"$said")"
    settle "$CA_CERTIFICATES" /etc/heatgen/ca-certificates.pem
    systemctl try-restart "${fetching[@]/%/.service}"
fi

# synchronised: has a time server set the clock?
synchronised() {
    [ "$(timedatectl show --property NTPSynchronized --value)" = yes ]
}
if differs "$NTP_SERVERS" /etc/heatgen/ntp-servers; then
    if systemctl cat chrony.service >/dev/null 2>&1; then
        settle "${NTP_SERVERS:+server ${NTP_SERVERS//,/$' iburst\nserver '} iburst}" \
            /etc/chrony/sources.d/heatgen.sources
        systemctl restart chrony.service
    elif systemctl cat systemd-timesyncd.service >/dev/null 2>&1; then
        settle "${NTP_SERVERS:+[Time]
NTP=${NTP_SERVERS//,/ }}" /etc/systemd/timesyncd.conf.d/90-heatgen.conf
        systemctl restart systemd-timesyncd.service
    else
        fail "the image has neither chrony nor systemd-timesyncd: nothing asks site.ntp_servers"
    fi
    [ -z "$NTP_SERVERS" ] || wait_for 45 "the clock is set by one of $NTP_SERVERS" synchronised
    settle "$NTP_SERVERS" /etc/heatgen/ntp-servers
fi

# HEAD of one URL; its headers in a file, so that all are asked at the same time.
ask() {
    outside curl --head --fail --silent --show-error --location --connect-timeout 5 --max-time 20 \
        --retry 2 --retry-delay 1 --retry-connrefused --output "$2" "$1"
}

replies=$(mktemp -d)
trap 'rm -rf "$replies"' EXIT
count=0
declare -A asked=()
while read -r url _; do
    [ -n "$url" ] || continue
    count=$((count + 1))
    ask "$url" "$replies/$count" 2>"$replies/$count.err" &
    asked[$count]="$! $url"
done <<<"$ARTIFACTS"
if [ -n "$ARTIFACTS_REGISTRY" ]; then
    count=$((count + 1))
    ask "${ARTIFACTS_REGISTRY%/}/v2/" "$replies/$count" 2>"$replies/$count.err" &
    asked[$count]="$! ${ARTIFACTS_REGISTRY%/}/v2/"
fi
for number in "${!asked[@]}"; do
    read -r pid url <<<"${asked[$number]}"
    wait "$pid" || fail "cannot reach $url: $(tail -n 1 "$replies/$number.err")"
done

clock="clock not compared"
there=$(sed -n 's/^[Dd]ate: *//p' "$replies/1" 2>/dev/null | tail -n 1 | tr -d '\r')
if [ -n "$there" ]; then
    skew=$(($(date +%s) - $(date --date "$there" +%s)))
    [ ${skew#-} -le $CLOCK_TOLERANCE ] ||
        fail "the clock is $skew s off (by the server of the artifacts, $there): set up time synchronisation"
    clock="clock $skew s off"
fi

# What later layers need is fetched while certificates are made; a failure is left to them to tell.
install_text "$PREFETCH" $heatgen_home/lib/prefetch 0755
install_text "$PREFETCH_UNIT" /etc/systemd/system/heatgen-prefetch.service
install_text "$ARTIFACTS" $heatgen_home/artifacts
systemctl daemon-reload
systemctl start --no-block heatgen-prefetch.service

echo "The agent runs on $(node_name) at $(node_address), $clock, $count artifacts and registries answer."
