#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prefetch the node's artifacts; the steps that use them verify the checksums again.
set -uo pipefail
cache=/opt/heatgen/cache
mkdir -p $cache
while read -r url sum; do
    (
        flock 9
        [ -e "$cache/$sum" ] && exit 0
        file=$cache/$sum.part
        curl --fail --silent --location --connect-timeout 5 --max-time 300 --output "$file" "$url" || exit 1
        actual=$(openssl dgst -sha256 -r "$file")
        [ "${actual%% *}" != "$sum" ] || mv "$file" "$cache/$sum"
    ) 9>"$cache/$sum.lock"
done </opt/heatgen/artifacts
