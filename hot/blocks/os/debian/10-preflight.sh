#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent runs (we are here); now prove the clock and the way to every artefact.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

CLOCK_TOLERANCE=60 # seconds; certificates are valid from the second they are signed

[ "$(id -u)" = 0 ] || fail "the agent does not run as root"
for needed in curl openssl tar systemctl ip flock; do
    command -v "$needed" >/dev/null || fail "the image lacks the program $needed"
done

# HEAD of one URL; its headers in a file, so that all are asked at the same time.
ask() {
    curl --head --fail --silent --show-error --location --connect-timeout 5 --max-time 20 \
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
done <<<"$ARTEFACTS"
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
        fail "the clock is $skew s off (by the server of the artefacts, $there): set up time synchronisation"
    clock="clock $skew s off"
fi

# What later layers need is fetched while certificates are made; a failure is left to them to tell.
install_text "$PREFETCH" $heatgen_home/lib/prefetch 0755
install_text "$PREFETCH_UNIT" /etc/systemd/system/heatgen-prefetch.service
install_text "$ARTEFACTS" $heatgen_home/artefacts
systemctl daemon-reload
systemctl start --no-block heatgen-prefetch.service

echo "The agent runs on $(node_name) at $(node_address), $clock, $count artefacts and registries answer."
