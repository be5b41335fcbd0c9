#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetch the node's artefacts ahead of the layers that need them; they check the sums.
set -uo pipefail
cache=/opt/heatgen/cache
mkdir -p $cache
while read -r url sum; do
    (
        flock 9
        [ -e "$cache/$sum" ] && exit 0
        curl --fail --silent --location --connect-timeout 5 --max-time 300 --output "$cache/$sum.part" "$url" || exit 1
        echo "$sum  $cache/$sum.part" | sha256sum --check --status && mv "$cache/$sum.part" "$cache/$sum"
    ) 9>"$cache/$sum.lock"
done </opt/heatgen/artefacts
